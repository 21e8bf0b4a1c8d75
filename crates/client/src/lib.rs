//! The offline field app without its window: the encrypted store, its keys, and the engine that keeps it in step with the platform.

pub mod engine;
pub mod keys;
pub mod store;
