//! The store on PostgreSQL.

mod conformance;
mod records;
mod schema;
mod workspace;
