//! What tests share: a private PostgreSQL, databases cloned from a migrated template, the real server process,
//! real device processes, a mail server.
//!
//! A test harness may stop at the first thing that is wrong, so these functions panic with a sentence instead of returning errors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    reason = "a test that can't be set up must fail loudly"
)]

mod certificates;
mod cluster;
mod database;
mod device;
mod middle;
pub mod rounds;
mod server;
mod smtp;
mod standby;
mod stores;

pub use certificates::{TestAuthority, TestCertificate};
pub use cluster::{CLUSTER_VARIABLE, TestCluster};
pub use database::TestDatabase;
pub use device::{Answer, DeviceProcess, Person, is_shipped, kill_at_once};
pub use middle::{pass_on, serve_tls};
pub use server::{Server, ServerOptions, binary, free_port, workspace_create};
pub use smtp::{Delivered, MailServer};
pub use standby::Standby;
pub use stores::TestStores;
