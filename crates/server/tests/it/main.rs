//! The platform from outside: its database, its process, its answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test stops at the first thing that is wrong"
)]

mod accounts;
mod api;
mod attacks;
mod automation;
mod backup;
mod browser;
mod canary;
mod clock;
mod devices;
mod embedded;
mod ending;
mod external;
mod fields;
mod full_disk;
mod gate;
mod health;
mod identity;
mod importing;
mod keys;
mod mail;
mod matrix;
mod members;
mod oauth;
mod personal_data;
mod process;
mod quotas;
mod repeating;
mod secrets;
mod serving;
mod standby;
mod storage;
mod store;
mod support;
mod support_bundle;
mod tampered;
mod telemetry;
mod telling;
mod tenancy;
mod traces;
mod verify;
