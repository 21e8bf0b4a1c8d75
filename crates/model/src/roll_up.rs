//! Roll-ups: fields that count or sum up the records that refer to one.
//!
//! They are never stored: whoever reads one gets the figure over the records that they may see.

use serde::{Deserialize, Serialize};

use crate::{
    Field, FieldType, Filter, Object, Registry,
    query::{Environment, QueryError, parse_filter},
};

/// What a field counts or sums up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollUp {
    /// API name of the object whose records are counted.
    pub object: String,
    /// Its relation that leads to the field's own object.
    pub by: String,
    /// Its number that is summed up; without one, records are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum: Option<String>,
    /// Which records, as a filter text; all when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub filter: String,
}

/// What is wrong with a roll-up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RollUpError {
    /// There is no such object, or no relation of it that leads here.
    #[error("choose an object and its relation that leads here")]
    Relation,
    /// What is summed up is no number that can be.
    #[error("choose a number of that object")]
    Number,
    /// The filter can't be read.
    #[error(transparent)]
    Filter(#[from] QueryError),
}

/// A roll-up with everything it names.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked<'a> {
    /// The object whose records are counted.
    pub object: &'a Object,
    /// The relation.
    pub by: &'a Field,
    /// What is summed up.
    pub sum: Option<&'a Field>,
    /// Which records.
    pub filter: Filter,
}

impl RollUp {
    /// Finds what the roll-up of a field of `object` names.
    pub fn check<'a>(
        &self,
        registry: &'a Registry,
        object: &str,
        environment: Environment,
    ) -> Result<Checked<'a>, RollUpError> {
        let of = registry.object(&self.object).ok_or(RollUpError::Relation)?;
        let by = of
            .field(&self.by)
            .filter(|by| leads_to(by, object) && by.is_filterable())
            .ok_or(RollUpError::Relation)?;
        let sum = match &self.sum {
            None => None,
            Some(name) => Some(
                of.field(name)
                    .filter(|field| is_summable(field))
                    .ok_or(RollUpError::Number)?,
            ),
        };
        let filter = parse_filter(registry, of, environment, &self.filter)?;
        filter.check(registry, of)?;
        Ok(Checked {
            object: of,
            by,
            sum,
            filter,
        })
    }

    /// The type of the figure.
    pub fn kind(&self, registry: &Registry) -> FieldType {
        let summed = || registry.object(&self.object)?.field(self.sum.as_deref()?);
        summed().map_or(FieldType::Integer, |field| field.kind.clone())
    }
}

/// Whether a field is a relation to `object`.
pub fn leads_to(field: &Field, object: &str) -> bool {
    match &field.kind {
        FieldType::Relation { to } => to == object,
        FieldType::AnyRelation { to } => to.iter().any(|to| to == object),
        _ => false,
    }
}

/// Whether a field can be summed up: a stored number that has an index where it is a workspace's own.
pub fn is_summable(field: &Field) -> bool {
    field.kind.scale().is_some()
        && field.kind != FieldType::Percent
        && field.roll_up.is_none()
        && field.is_filterable()
        && field.name != "version"
}
