//! Changes: what a caller wants done to records. A list of them is applied as one, or not at all.

use std::collections::BTreeMap;

use crate::{RecordId, Value};

/// New values by field name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Values(BTreeMap<String, Value>);

impl Values {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `field`, replacing what was there.
    pub fn set(&mut self, field: impl Into<String>, value: Value) {
        self.0.insert(field.into(), value);
    }

    /// Sets `field` and returns the values, for building them in one expression.
    #[must_use]
    pub fn with(mut self, field: impl Into<String>, value: Value) -> Self {
        self.set(field, value);
        self
    }

    /// The value of `field`, if it is among these.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    /// Takes `field` out.
    pub fn remove(&mut self, field: &str) -> Option<Value> {
        self.0.remove(field)
    }

    /// Fields and values in order of field name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(field, value)| (field.as_str(), value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Value)> for Values {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// One change to one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Makes a record.
    Create {
        /// API name of the object.
        object: String,
        /// The new record's id, made by the caller.
        id: RecordId,
        /// Its values; what is absent gets its default.
        values: Values,
    },
    /// Changes some fields of a record.
    Update {
        /// API name of the object.
        object: String,
        /// The record.
        id: RecordId,
        /// The version the caller saw; a record that has moved on is a conflict. `None` changes whatever is there.
        expected: Option<i64>,
        /// New values.
        values: Values,
    },
    /// Deletes a record; it can be restored.
    Delete {
        /// API name of the object.
        object: String,
        /// The record.
        id: RecordId,
        /// The version the caller saw, as in an update.
        expected: Option<i64>,
    },
    /// Brings a deleted record back.
    Restore {
        /// API name of the object.
        object: String,
        /// The record.
        id: RecordId,
    },
}

impl Change {
    /// API name of the object.
    pub fn object(&self) -> &str {
        match self {
            Self::Create { object, .. }
            | Self::Update { object, .. }
            | Self::Delete { object, .. }
            | Self::Restore { object, .. } => object,
        }
    }

    /// The record.
    pub fn id(&self) -> RecordId {
        match self {
            Self::Create { id, .. }
            | Self::Update { id, .. }
            | Self::Delete { id, .. }
            | Self::Restore { id, .. } => *id,
        }
    }
}
