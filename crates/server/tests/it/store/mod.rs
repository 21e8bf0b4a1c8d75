//! The store on PostgreSQL.

mod conformance;
mod once;
mod records;
mod schema;
pub(crate) mod workspace;
