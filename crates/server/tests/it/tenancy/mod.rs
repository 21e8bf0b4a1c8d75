//! Tenancy in the database, as the serving roles see it over SQL.

mod context;
pub(crate) mod workspaces;
