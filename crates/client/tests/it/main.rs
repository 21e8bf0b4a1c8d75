//! The device as a whole: the store's promises on SQLCipher, and what is left of it on disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test fails loudly"
)]

mod conformance;
mod life;
mod pages;
mod platform;
