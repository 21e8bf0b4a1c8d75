//! Queries compiled to SQL, for PostgreSQL and for SQLite.
//!
//! Every name in the text comes from the registry or from this module; every value is a parameter. Both dialects compare only what
//! [`fieldstone_model::Value::key`] makes, so a device and the platform give the same answer.

mod aggregate;
mod count;
mod filter;
mod gathered;
mod listed;
mod scope;
mod select;
mod shown;
mod source;
mod totals;
pub mod words;

use fieldstone_model::{FieldType, Object, Registry, value::Key};

use self::source::Source;
use crate::Scope;

pub use aggregate::{compile_aggregate, sum_of_halves};
pub use count::{compile_bounded_count, compile_count, compile_word_counts};
pub use scope::{Reach, ScopeNode, compile_scope};
pub use select::{Access, Phase, Select, Words, phases};
pub use shown::Shown;

/// Whose SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL: tables in the schema `app`, rows of many tenants, kept apart by its policies.
    Postgres,
    /// SQLite: one tenant's rows, no schema.
    Sqlite,
}

/// One value of a statement. The database's declared type says how it is sent: an integer may be a date or an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Param {
    /// A number, a date in days or an instant in microseconds since 1970-01-01, a boolean as 0 or 1.
    Int(i64),
    /// A text.
    Text(String),
    /// Several numbers.
    Ints(Vec<i64>),
    /// Several texts.
    Texts(Vec<String>),
}

/// A statement with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sql {
    /// The text, with placeholders from `$1`.
    pub text: String,
    /// The values of the placeholders.
    pub params: Vec<Param>,
}

/// Builds a statement: text and parameters together, so that they can't fall out of step.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) dialect: Dialect,
    pub(crate) text: String,
    params: Vec<Param>,
    /// Whether keys are written so that SQLite searches no index for them.
    unindexed: bool,
}

impl Writer {
    fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            text: String::with_capacity(512),
            params: Vec::new(),
            unindexed: false,
        }
    }

    /// Appends SQL text made of this crate's own words and registry names.
    fn push(&mut self, sql: &str) -> &mut Self {
        self.text.push_str(sql);
        self
    }

    /// Appends a placeholder for `param`.
    fn param(&mut self, param: Param) -> &mut Self {
        self.params.push(param);
        let number = self.params.len();
        self.text.push(if self.dialect == Dialect::Postgres {
            '$'
        } else {
            '?'
        });
        self.text.push_str(&number.to_string());
        self
    }

    /// Adds a parameter without naming it yet; answers the number of its placeholder.
    fn remember(&mut self, param: Param) -> usize {
        self.params.push(param);
        self.params.len()
    }

    /// Appends a quoted name.
    fn name(&mut self, name: &str) -> &mut Self {
        self.text.push('"');
        // Names of the registry have no quotation marks; doubling them keeps that from mattering.
        self.text.push_str(&name.replace('"', "\"\""));
        self.text.push('"');
        self
    }

    /// Appends a text constant of this crate or the registry.
    fn constant(&mut self, text: &str) -> &mut Self {
        self.text.push('\'');
        self.text.push_str(&text.replace('\'', "''"));
        self.text.push('\'');
        self
    }

    /// Appends a table's name with its schema.
    fn table(&mut self, table: &str) -> &mut Self {
        if self.dialect == Dialect::Postgres {
            self.push("app.");
        }
        self.name(table)
    }
}

/// The condition (from ` AND` on) that records of `object` called `t` are in scope, for PostgreSQL; adds its parameter to `params`. `None`
/// where nothing is out of sight.
pub fn compile_in_sight(
    registry: &Registry,
    object: &Object,
    scope: &Scope,
    params: &mut Vec<Param>,
) -> Option<String> {
    Source::new(registry, object, scope).in_sight(Dialect::Postgres, params)
}

/// The parameter a key is compared with.
fn key_param(key: Key) -> Param {
    match key {
        Key::Int(number) => Param::Int(number),
        Key::Text(text) => Param::Text(text),
    }
}

/// Whether keys of this type are texts.
pub(crate) fn has_text_key(kind: &FieldType) -> bool {
    match kind {
        FieldType::Choice { .. }
        | FieldType::MultiChoice { .. }
        | FieldType::Relation { .. }
        | FieldType::AnyRelation { .. }
        | FieldType::Id
        | FieldType::LongText { .. } => true,
        kind => kind.is_folded(),
    }
}
