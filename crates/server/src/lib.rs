//! The platform: PostgreSQL store, identity, API, pages, and the process around them.

pub mod api;
pub mod attachments;
pub mod backup;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod data_dir;
pub mod database;
pub mod demo;
pub mod http;
pub mod identity;
pub mod import;
pub mod jobs;
mod live;
pub mod mail;
pub mod oauth;
pub mod pages;
pub mod platform;
pub mod schema;
pub mod serve;
pub mod storage;
pub mod store;
pub mod sync;
pub mod teams;
pub mod tls;
pub mod verify;
