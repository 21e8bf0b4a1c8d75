//! Aggregates: figures over groups of records.

use fieldstone_model::{
    FieldType, Filter, Object, Registry, Value, query::Path, query::QueryError,
};

/// Which figures, over which records, in which groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// API name of the object.
    pub object: String,
    /// Which records.
    pub filter: Filter,
    /// At most two groupings; none gives one row over everything.
    pub groups: Vec<Group>,
    /// The figures.
    pub measures: Vec<Measure>,
    /// Most rows answered.
    pub limit: u32,
}

/// One grouping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The field.
    pub path: Path,
    /// How dates fall together.
    pub bucket: Option<Bucket>,
}

/// How dates fall together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// By calendar month; the key is its first day.
    Month,
    /// By calendar year; the key is its first day.
    Year,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// How it is computed.
    pub function: Function,
    /// Over which field; none for a count.
    pub path: Option<Path>,
}

/// How a figure is computed. An average is a sum over a count, so that nobody averages averages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// How many records (with a path: that have a value).
    Count,
    /// The sum.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

/// A sum as a figure: one that leaves the range stops at its end, where it can still be negated.
pub fn sum_figure(sum: i128) -> Value {
    let end = i128::from(i64::MAX);
    Value::Int(i64::try_from(sum.clamp(-end, end)).unwrap_or(i64::MAX))
}

/// One row of figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AggregateRow {
    /// The group's values, in the order of the groupings.
    pub keys: Vec<Value>,
    /// The figures, in their order; counts and sums as integers in the field's scale.
    pub figures: Vec<Value>,
}

impl Aggregate {
    /// Everything of `object`, no groups, no figures yet.
    pub fn new(object: impl Into<String>) -> Self {
        Self {
            object: object.into(),
            filter: Filter::All,
            groups: Vec::new(),
            measures: Vec::new(),
            limit: 1000,
        }
    }

    /// Keeps only records that also match.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = self.filter.and(filter);
        self
    }

    /// Groups by a field.
    #[must_use]
    pub fn group(mut self, path: &str, bucket: Option<Bucket>) -> Self {
        self.groups.push(Group {
            path: Path::from_text(path),
            bucket,
        });
        self
    }

    /// Adds the count of records.
    #[must_use]
    pub fn count(mut self) -> Self {
        self.measures.push(Measure {
            function: Function::Count,
            path: None,
        });
        self
    }

    /// Adds a figure over a field.
    #[must_use]
    pub fn measure(mut self, function: Function, path: &str) -> Self {
        self.measures.push(Measure {
            function,
            path: Some(Path::from_text(path)),
        });
        self
    }

    /// Checks names and types against the registry.
    pub fn check<'a>(&self, registry: &'a Registry) -> Result<&'a Object, QueryError> {
        let object = registry
            .object(&self.object)
            .ok_or_else(|| QueryError::UnknownObject(self.object.clone()))?;
        if self.groups.len() > 2 || self.measures.len() > 10 || !(1..=10_000).contains(&self.limit)
        {
            return Err(QueryError::TooLarge);
        }
        let resolve = |path: &Path| {
            registry
                .resolve(object, path)
                .map(|resolved| resolved.field)
                .ok_or_else(|| QueryError::UnknownField(path.to_string()))
        };
        for group in &self.groups {
            let field = resolve(&group.path)?;
            let bucket_fits = group.bucket.is_none()
                || matches!(field.kind, FieldType::Date | FieldType::DateTime);
            if !field.is_filterable()
                || matches!(field.kind, FieldType::MultiChoice { .. })
                || !bucket_fits
            {
                return Err(QueryError::BadComparison(group.path.to_string()));
            }
        }
        for measure in &self.measures {
            let Some(path) = &measure.path else { continue };
            let field = resolve(path)?;
            let fits = match measure.function {
                Function::Count => true,
                Function::Sum => field.kind.scale().is_some(),
                Function::Min | Function::Max => {
                    field.kind.scale().is_some()
                        || matches!(field.kind, FieldType::Date | FieldType::DateTime)
                }
            };
            if !fits || !field.is_filterable() {
                return Err(QueryError::BadComparison(path.to_string()));
            }
        }
        self.filter.check(registry, object)?;
        Ok(object)
    }
}
