//! The store on PostgreSQL.

mod conformance;
mod once;
mod records;
mod schema;
mod visibility;
mod words;
