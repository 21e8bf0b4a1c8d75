//! The platform: PostgreSQL store, identity, API and pages of Fieldstone.

pub mod database;
pub mod identity;
