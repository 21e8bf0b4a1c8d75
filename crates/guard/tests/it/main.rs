//! The guard from outside: devices replayed, and real processes that are attacked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod process;
mod recorded;
mod replay;
mod sealed;
