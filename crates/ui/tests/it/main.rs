//! The pages from outside: requests in, HTML out, over records in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is wrong"
)]

mod app;
mod board;
mod calendar;
mod errors;
mod form;
mod hostile;
mod lead;
mod list;
mod needs;
mod record;
mod report;
mod stale;
mod texts;
