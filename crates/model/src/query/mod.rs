//! Queries as data: object, columns, filter, order, page. The `store` crate compiles them to SQL.

mod filter_text;
mod path;

use serde::{Deserialize, Serialize};

use crate::{FieldType, Object, Problem, RecordId, Registry, Value, fold, value};
pub use filter_text::{Environment, depends_on_date, filter_parts, parse_filter};
pub use path::Path;

/// Most records on a page.
pub const LIMIT_MAX: u32 = 200;
/// Records on a page when nothing is said.
pub const LIMIT_DEFAULT: u32 = 50;
/// Most comparisons in a filter.
pub const TERMS_MAX: usize = 100;
/// Most fields in an order, besides the id that always ends it.
pub const ORDER_MAX: usize = 3;

/// What to read: records of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// API name of the object.
    pub object: String,
    /// Columns wanted; id and version always come along.
    pub columns: Vec<Path>,
    /// Which records.
    pub filter: Filter,
    /// Words that all must be found, by their beginnings.
    pub search: Option<String>,
    /// Deleted records or living ones.
    pub presence: Presence,
    /// In which order; the id always ends it. Empty means newest first.
    pub order: Vec<Order>,
    /// Most records on the page.
    pub limit: u32,
    /// Where the page starts.
    pub cursor: Option<Cursor>,
}

/// Deleted records or living ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence {
    /// Not deleted.
    #[default]
    Living,
    /// Deleted.
    Deleted,
    /// Both.
    All,
}

/// Which records: a tree of comparisons.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Filter {
    /// Every record.
    #[default]
    All,
    /// Records that match every part.
    And(Vec<Filter>),
    /// Records that match a part.
    Or(Vec<Filter>),
    /// Records that don't match.
    Not(Box<Filter>),
    /// One field against one value; records without a value match only `NotEqual`.
    Compare {
        /// The field.
        path: Path,
        /// How it is compared.
        comparison: Comparison,
        /// With what; never null.
        value: Value,
    },
    /// One of several values.
    In {
        /// The field.
        path: Path,
        /// The values; none of them null.
        values: Vec<Value>,
    },
    /// No value.
    Empty {
        /// The field.
        path: Path,
    },
}

/// How a field is compared with a value. Text compares folded: without case or accents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// The same.
    Equal,
    /// Not the same; a field without a value is not the same as any.
    NotEqual,
    /// Before.
    Less,
    /// Before or the same.
    LessOrEqual,
    /// After.
    Greater,
    /// After or the same.
    GreaterOrEqual,
    /// Text that has these characters in it; a multiple choice that has this option.
    Contains,
    /// Text that begins so.
    StartsWith,
}

/// One field of an order. Records without a value come last either way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The field.
    pub path: Path,
    /// Largest first.
    pub descending: bool,
}

/// Where a page starts: the order's keys of the record beside it. Made by a store, opaque to callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// One key for each field of the order.
    #[serde(rename = "k")]
    pub keys: Vec<CursorKey>,
    /// The record beside the page.
    #[serde(rename = "i")]
    pub id: RecordId,
    /// Whether the page lies before the record instead of after it.
    #[serde(rename = "b", default, skip_serializing_if = "std::ops::Not::not")]
    pub backward: bool,
}

/// One key of a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CursorKey {
    /// No value: after everything else.
    Null,
    /// A number.
    Int(i64),
    /// Folded text.
    Text(String),
}

/// Why a query can't be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// No such object.
    #[error("There is no object called “{0}”.")]
    UnknownObject(String),
    /// A path leads nowhere.
    #[error("There is no field “{0}” here. Check its spelling.")]
    UnknownField(String),
    /// Long text, or a custom field without an index.
    #[error(
        "“{0}” can't be filtered by. Long texts never can; a custom field can once it is indexed."
    )]
    NotFilterable(String),
    /// A field that can't be ordered by.
    #[error("“{0}” can't be sorted by.")]
    NotSortable(String),
    /// A comparison the field's type doesn't have.
    #[error("“{0}” can't be compared that way.")]
    BadComparison(String),
    /// A value that the field can't have.
    #[error("“{field}”: {problem}")]
    BadValue {
        /// The field, as a path.
        field: String,
        /// What is wrong with the value.
        problem: Problem,
    },
    /// A filter text that can't be read.
    #[error("The filter can't be read at character {at}: {expected} is missing there.")]
    Syntax {
        /// Characters before the place.
        at: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// Too many comparisons, levels, order fields or columns.
    #[error(
        "This query is too large. Use at most {TERMS_MAX} comparisons, {ORDER_MAX} sort fields and 100 columns."
    )]
    TooLarge,
    /// A limit outside its range.
    #[error("The limit must be from 1 to {LIMIT_MAX}.")]
    BadLimit,
    /// A cursor that wasn't made for this query.
    #[error("This cursor doesn't belong to this query. Start again without one.")]
    BadCursor,
}

impl Query {
    /// Living records of `object`, newest first, with no columns yet.
    pub fn new(object: impl Into<String>) -> Self {
        Self {
            object: object.into(),
            columns: Vec::new(),
            filter: Filter::All,
            search: None,
            presence: Presence::Living,
            order: Vec::new(),
            limit: LIMIT_DEFAULT,
            cursor: None,
        }
    }

    /// Adds a column by its path; a text that is no path is an unknown field later.
    #[must_use]
    pub fn column(mut self, path: &str) -> Self {
        self.columns.push(Path::from_text(path));
        self
    }

    /// Adds several columns.
    #[must_use]
    pub fn columns<'a>(self, paths: impl IntoIterator<Item = &'a str>) -> Self {
        paths.into_iter().fold(self, Self::column)
    }

    /// Keeps only records that also match `filter`.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = self.filter.and(filter);
        self
    }

    /// Sorts by `path` after what is sorted by already.
    #[must_use]
    pub fn order(mut self, path: &str, descending: bool) -> Self {
        self.order.push(Order {
            path: Path::from_text(path),
            descending,
        });
        self
    }

    /// At most this many records.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Checks the query against the registry: names, types, limits, and that the cursor fits the order.
    pub fn check<'a>(&self, registry: &'a Registry) -> Result<&'a Object, QueryError> {
        let object = registry
            .object(&self.object)
            .ok_or_else(|| QueryError::UnknownObject(self.object.clone()))?;
        let unknown = |path: &Path| QueryError::UnknownField(path.to_string());
        if !(1..=LIMIT_MAX).contains(&self.limit) {
            return Err(QueryError::BadLimit);
        }
        if self.order.len() > ORDER_MAX
            || self.columns.len() > 100
            || self.filter.terms() > TERMS_MAX
        {
            return Err(QueryError::TooLarge);
        }
        for path in &self.columns {
            registry
                .resolve(object, path)
                .ok_or_else(|| unknown(path))?;
        }
        let mut sorted_by = Vec::new();
        for order in &self.order {
            let resolved = registry
                .resolve(object, &order.path)
                .ok_or_else(|| unknown(&order.path))?;
            if !resolved.field.is_sortable() {
                return Err(QueryError::NotSortable(order.path.to_string()));
            }
            sorted_by.push(resolved);
        }
        self.filter.check(registry, object)?;
        let fits = self.cursor.as_ref().is_none_or(|cursor| {
            cursor.keys.len() == sorted_by.len()
                && cursor
                    .keys
                    .iter()
                    .zip(sorted_by)
                    .all(|(key, by)| key.fits(&by.field.kind, by.is_never_empty()))
        });
        if fits {
            Ok(object)
        } else {
            Err(QueryError::BadCursor)
        }
    }
}

impl CursorKey {
    /// Whether a field of type `kind` can have this key. A cursor comes back from outside, so it is checked like any other input.
    fn fits(&self, kind: &FieldType, never_empty: bool) -> bool {
        match self {
            Self::Null => !never_empty,
            Self::Int(number) => match kind {
                FieldType::Boolean => (0..=1).contains(number),
                FieldType::Date => {
                    value::days_to_date(*number).is_some_and(value::is_storable_date)
                }
                FieldType::Time => value::micros_to_time(*number).is_some() && *number >= 0,
                FieldType::DateTime => {
                    jiff::Timestamp::from_microsecond(*number).is_ok_and(value::is_storable_instant)
                }
                kind => kind.scale().is_some(),
            },
            Self::Text(text) => {
                text.len() <= fold::KEY_MAX
                    && !text.contains('\0')
                    && (kind.is_folded()
                        || kind.is_relation()
                        || matches!(kind, FieldType::Choice { .. } | FieldType::Id))
            }
        }
    }
}

impl Filter {
    /// One field against one value.
    pub fn compare(path: &str, comparison: Comparison, value: Value) -> Self {
        Self::Compare {
            path: Path::from_text(path),
            comparison,
            value,
        }
    }

    /// One field that equals one value.
    pub fn equal(path: &str, value: Value) -> Self {
        Self::compare(path, Comparison::Equal, value)
    }

    /// Both filters.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, filter) | (filter, Self::All) => filter,
            (Self::And(mut parts), filter) => {
                parts.push(filter);
                Self::And(parts)
            }
            (first, second) => Self::And(vec![first, second]),
        }
    }

    /// How many comparisons there are.
    pub fn terms(&self) -> usize {
        match self {
            Self::All => 0,
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::terms).sum(),
            Self::Not(part) => part.terms(),
            Self::Compare { .. } | Self::Empty { .. } => 1,
            Self::In { values, .. } => values.len().max(1),
        }
    }

    /// Checks every comparison against the registry.
    pub fn check(&self, registry: &Registry, object: &Object) -> Result<(), QueryError> {
        let find = |path: &Path| {
            let field = registry
                .resolve(object, path)
                .ok_or_else(|| QueryError::UnknownField(path.to_string()))?
                .field;
            if field.is_filterable() {
                Ok(field)
            } else {
                Err(QueryError::NotFilterable(path.to_string()))
            }
        };
        let bad_value = |path: &Path, problem| QueryError::BadValue {
            field: path.to_string(),
            problem,
        };
        match self {
            Self::All => Ok(()),
            Self::And(parts) | Self::Or(parts) => parts
                .iter()
                .try_for_each(|part| part.check(registry, object)),
            Self::Not(part) => part.check(registry, object),
            Self::Empty { path } => find(path).map(drop),
            Self::In { path, values } => {
                let field = find(path)?;
                if matches!(field.kind, FieldType::MultiChoice { .. }) {
                    return Err(QueryError::BadComparison(path.to_string()));
                }
                values.iter().try_for_each(|value| {
                    compares_with(field, Comparison::Equal, value)
                        .map_err(|problem| bad_value(path, problem))
                })
            }
            Self::Compare {
                path,
                comparison,
                value,
            } => {
                let field = find(path)?;
                if !comparison.suits(&field.kind) {
                    return Err(QueryError::BadComparison(path.to_string()));
                }
                compares_with(field, *comparison, value).map_err(|problem| bad_value(path, problem))
            }
        }
    }
}

/// Whether `value` is of a type that `field` can be compared with; parts of texts needn't be valid whole values.
fn compares_with(
    field: &crate::Field,
    _comparison: Comparison,
    value: &Value,
) -> Result<(), Problem> {
    match (value, &field.kind) {
        (Value::Null, _) => Err(Problem::Required),
        (Value::Text(_), kind) if kind.is_folded() => Ok(()),
        // An option that was taken away may still be looked for; what no option can be is refused.
        (Value::Text(text), FieldType::Choice { .. } | FieldType::MultiChoice { .. }) => {
            if text.chars().any(char::is_control) {
                Err(Problem::ControlCharacter)
            } else {
                Ok(())
            }
        }
        (value, _) => crate::validate::check_value(field, value),
    }
}

impl Comparison {
    /// Whether fields of this type can be compared this way.
    pub fn suits(self, kind: &FieldType) -> bool {
        match self {
            Self::Contains => kind.is_folded() || matches!(kind, FieldType::MultiChoice { .. }),
            Self::StartsWith => kind.is_folded(),
            Self::Equal | Self::NotEqual => !matches!(
                kind,
                FieldType::MultiChoice { .. } | FieldType::LongText { .. }
            ),
            _ => {
                !kind.is_relation()
                    && !matches!(
                        kind,
                        FieldType::MultiChoice { .. }
                            | FieldType::LongText { .. }
                            | FieldType::Boolean
                    )
            }
        }
    }

    /// The operator in filter texts.
    pub fn operator(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Contains => "contains",
            Self::StartsWith => "startswith",
        }
    }
}

/// Reads an order such as `-amount,name`: a minus sorts largest first.
pub fn parse_order(text: &str) -> Vec<Order> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| match part.strip_prefix('-') {
            Some(path) => Order {
                path: Path::from_text(path),
                descending: true,
            },
            None => Order {
                path: Path::from_text(part),
                descending: false,
            },
        })
        .collect()
}
