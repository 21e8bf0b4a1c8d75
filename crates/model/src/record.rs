//! Records: one row of an object, as the columns that were asked for.

use std::sync::Arc;

use crate::{FieldType, RecordId, Value, query::Path, value::push_json_text};

/// The columns of a result, shared by its records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Columns {
    columns: Vec<Column>,
}

/// One column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// What was asked for, e.g. `account.name`.
    pub path: Path,
    /// The path as text.
    pub name: String,
    /// The type of the field at the path's end.
    pub kind: FieldType,
}

impl Columns {
    /// Columns in this order.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns }
    }

    /// The columns in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Column> {
        self.columns.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The place of the column called `name`.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// One record as the columns that were asked for. Id and version always come along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The record's id.
    pub id: RecordId,
    /// Counts its changes from 1; the `ETag`.
    pub version: i64,
    /// Whether it is deleted (and can be restored).
    pub deleted: bool,
    /// The columns of `values`.
    pub columns: Arc<Columns>,
    /// One value a column.
    pub values: Vec<Value>,
}

impl Record {
    /// The value of the column called `name`; null when it wasn't asked for.
    pub fn get(&self, name: &str) -> &Value {
        self.columns
            .position(name)
            .and_then(|at| self.values.get(at))
            .unwrap_or(&Value::Null)
    }

    /// Columns and values together.
    pub fn iter(&self) -> impl Iterator<Item = (&Column, &Value)> {
        self.columns.columns.iter().zip(&self.values)
    }

    /// Appends the record as a JSON object: id and version first, then the columns, dotted names as they were asked for.
    pub fn write_json(&self, out: &mut String) {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(out, "{{\"id\":\"{}\",\"version\":{}", self.id, self.version);
        for (column, value) in self
            .iter()
            .filter(|(column, _)| column.name != "id" && column.name != "version")
        {
            out.push(',');
            push_json_text(out, &column.name);
            out.push(':');
            value.write_json(&column.kind, out);
        }
        out.push('}');
    }
}
