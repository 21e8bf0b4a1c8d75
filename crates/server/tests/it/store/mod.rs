//! The store on PostgreSQL.

mod records;
mod workspace;
