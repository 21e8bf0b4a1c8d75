//! The caller's own membership: their address, and leaving. Nobody else's is named here.

pub(super) mod delete;
pub(super) mod email;
pub(super) mod show;
