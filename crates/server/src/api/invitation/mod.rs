//! Invitations, for those who manage people.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod resend;
