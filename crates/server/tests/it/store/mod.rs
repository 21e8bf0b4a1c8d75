//! The store on PostgreSQL.

mod conformance;
mod once;
mod records;
mod schema;
mod totals;
mod visibility;
mod words;
