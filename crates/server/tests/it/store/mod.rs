//! The store on PostgreSQL.

mod conformance;
mod records;
mod schema;
pub(crate) mod workspace;
