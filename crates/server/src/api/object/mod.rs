//! Objects: what kinds of record there are, and the workspace's own.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod show;
