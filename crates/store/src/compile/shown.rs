//! Columns of a result: what a query shows, and how each column is read.

use std::sync::Arc;

use fieldstone_model::{
    Columns, Object, Record, RecordId, Registry, Value,
    query::{Path, QueryError},
    record::Column,
};

/// Columns of a result and how each is read.
#[derive(Debug, Clone)]
pub struct Shown {
    columns: Arc<Columns>,
    paths: Vec<Path>,
    custom: Vec<bool>,
}

impl Shown {
    /// These columns of `object`, or all of its fields when none is named.
    pub fn new(registry: &Registry, object: &Object, paths: &[Path]) -> Result<Self, QueryError> {
        let paths: Vec<Path> = if paths.is_empty() {
            object
                .fields
                .iter()
                .map(|field| Path::from_text(&field.name))
                .collect()
        } else {
            paths.to_vec()
        };
        let mut columns = Vec::with_capacity(paths.len());
        let mut custom = Vec::with_capacity(paths.len());
        for path in &paths {
            let field = registry
                .resolve(object, path)
                .ok_or_else(|| QueryError::UnknownField(path.to_string()))?
                .field;
            columns.push(Column {
                path: path.clone(),
                name: path.to_string(),
                kind: field.kind.clone(),
            });
            custom.push(field.custom);
        }
        Ok(Self {
            columns: Arc::new(Columns::new(columns)),
            paths,
            custom,
        })
    }

    /// What to select.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// A record whose values `read` takes from a row: by a column's place among the shown, and whether its field is a custom one.
    pub fn record<E>(
        &self,
        (id, version, deleted): (RecordId, i64, bool),
        mut read: impl FnMut(usize, &Column, bool) -> Result<Value, E>,
    ) -> Result<Record, E> {
        let values = self
            .columns
            .iter()
            .zip(&self.custom)
            .enumerate()
            .map(|(at, (column, custom))| read(at, column, *custom))
            .collect::<Result<Vec<Value>, E>>()?;
        Ok(Record {
            id,
            version,
            deleted,
            columns: self.columns.clone(),
            values,
        })
    }
}
