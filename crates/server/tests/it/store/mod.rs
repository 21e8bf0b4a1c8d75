//! The store on PostgreSQL.

mod conformance;
mod once;
mod records;
mod schema;
mod words;
pub(crate) mod workspace;
