//! The platform: PostgreSQL store, identity, API, pages, and the process around them.

pub mod cluster;
pub mod data_dir;
pub mod database;
pub mod http;
pub mod identity;
pub mod serve;
pub mod tls;
