//! Devices against the platform on a real PostgreSQL: the engine alone, and the programs as they are shipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is wrong"
)]

mod cli;
mod device;
mod devices;
mod late_commits;
mod pages;
mod rounds;
mod sync;
