//! Tenancy in the database, as the serving roles see it over SQL.

mod bootstrap;
mod context;
mod lint;
pub(crate) mod workspaces;
