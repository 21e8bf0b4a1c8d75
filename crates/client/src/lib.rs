//! The offline field app without its window: the encrypted store, its keys, and the engine that keeps it in step with the platform.

pub mod cli;
pub mod device;
pub mod drive;
pub mod engine;
pub mod files;
pub mod home;
pub mod journal;
pub mod keys;
pub mod keystore;
pub mod pages;
pub mod sentry;
pub mod store;
pub mod transport;
