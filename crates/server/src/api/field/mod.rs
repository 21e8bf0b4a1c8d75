//! Fields of the workspace's own.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod update;
