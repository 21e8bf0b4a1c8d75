//! Figures over groups of records.

use fieldstone_model::{
    FieldType, Object, Registry,
    query::{Path, QueryError},
    value::push_json_text,
};
use fieldstone_store::{Aggregate, AggregateRow, Bucket, Function, Group, Measure, StoreError};
use http::StatusCode;

use crate::api::{
    ApiStore,
    call::Call,
    error::{ApiError, ApiResult},
    written,
};

/// Most rows answered.
const ROWS_MAX: u64 = 10_000;

/// `GET /records/{object}/aggregate?group=status,close_date:month&measures=count,sum:amount`
pub(in crate::api) async fn aggregate<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let object = call.object().await?;
    let parameters = call.parameters(&["filter", "group", "measures", "limit"])?;
    let mut aggregate = Aggregate::new(object.name.clone());
    aggregate.filter = super::query(&call, &object, &parameters)?.filter;
    aggregate.groups = items(parameters.get("group"))
        .map(group)
        .collect::<Result<_, _>>()?;
    aggregate.measures = items(parameters.get("measures"))
        .map(measure)
        .collect::<Result<_, _>>()?;
    if aggregate.measures.is_empty() {
        aggregate = aggregate.count();
    }
    if let Some(limit) = parameters.number("limit", (1, ROWS_MAX))? {
        aggregate.limit = u32::try_from(limit).unwrap_or(u32::MAX);
    }
    let store = call.store()?;
    let rows = store
        .aggregate(&aggregate)
        .await
        .map_err(|error| refused(error, &aggregate))?;
    Ok(written::json(
        StatusCode::OK,
        text(store.registry(), &object, &aggregate, &rows),
    ))
}

/// A refused aggregate; a field that isn't there or doesn't fit stood in the groups or in the measures.
fn refused(error: StoreError, aggregate: &Aggregate) -> ApiError {
    match error {
        StoreError::Query(error) => {
            let in_group = match &error {
                QueryError::UnknownField(name) | QueryError::BadComparison(name) => aggregate
                    .groups
                    .iter()
                    .any(|group| group.path.to_string() == *name),
                _ => aggregate.groups.len() > 2,
            };
            ApiError::from_query(&error, Some(if in_group { "group" } else { "measures" }))
        }
        error => error.into(),
    }
}

fn items(list: Option<&str>) -> impl Iterator<Item = &str> {
    list.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

fn group(item: &str) -> Result<Group, ApiError> {
    let (path, bucket) = match item.split_once(':') {
        None => (item, None),
        Some((path, "month")) => (path, Some(Bucket::Month)),
        Some((path, "year")) => (path, Some(Bucket::Year)),
        Some(_) => {
            let detail = "Group a date by :month or :year.";
            return Err(ApiError::bad_parameter("group", "unknown_choice", detail));
        }
    };
    Ok(Group {
        path: Path::from_text(path),
        bucket,
    })
}

fn measure(item: &str) -> Result<Measure, ApiError> {
    let (name, path) = match item.split_once(':') {
        None => (item, None),
        Some((name, path)) => (name, Some(path)),
    };
    let function = match (name, path) {
        ("count", _) => Function::Count,
        ("sum", Some(_)) => Function::Sum,
        ("min", Some(_)) => Function::Min,
        ("max", Some(_)) => Function::Max,
        _ => {
            let detail = "Send count, count:field, sum:field, min:field or max:field.";
            return Err(ApiError::bad_parameter(
                "measures",
                "unknown_choice",
                detail,
            ));
        }
    };
    Ok(Measure {
        function,
        path: path.map(Path::from_text),
    })
}

/// The name of a figure: what was asked for.
fn figure_name(measure: &Measure) -> String {
    let function = match measure.function {
        Function::Count => "count",
        Function::Sum => "sum",
        Function::Min => "min",
        Function::Max => "max",
    };
    match &measure.path {
        Some(path) => format!("{function}:{path}"),
        None => function.to_owned(),
    }
}

fn text(
    registry: &Registry,
    object: &Object,
    aggregate: &Aggregate,
    rows: &[AggregateRow],
) -> String {
    let kind_of = |path: &Path| {
        let resolved = registry.resolve(object, path);
        resolved
            .map(|resolved| resolved.field.kind.clone())
            .unwrap_or_default()
    };
    let groups: Vec<(String, FieldType)> = aggregate
        .groups
        .iter()
        .map(|group| {
            let kind = if group.bucket.is_some() {
                FieldType::Date
            } else {
                kind_of(&group.path)
            };
            (group.path.to_string(), kind)
        })
        .collect();
    let figures: Vec<(String, FieldType)> = aggregate
        .measures
        .iter()
        .map(|measure| {
            let kind = match (&measure.path, measure.function) {
                (Some(path), Function::Sum | Function::Min | Function::Max) => kind_of(path),
                _ => FieldType::Integer,
            };
            (figure_name(measure), kind)
        })
        .collect();
    let mut text = String::with_capacity(32 + rows.len() * 96);
    text.push_str("{\"rows\":[");
    for (at, row) in rows.iter().enumerate() {
        text.push_str(if at > 0 {
            ",{\"group\":{"
        } else {
            "{\"group\":{"
        });
        push_members(&mut text, &groups, &row.keys);
        text.push_str("},\"figures\":{");
        push_members(&mut text, &figures, &row.figures);
        text.push_str("}}");
    }
    text.push_str("]}");
    text
}

fn push_members(
    text: &mut String,
    names: &[(String, FieldType)],
    values: &[fieldstone_model::Value],
) {
    for (at, ((name, kind), value)) in names.iter().zip(values).enumerate() {
        if at > 0 {
            text.push(',');
        }
        push_json_text(text, name);
        text.push(':');
        value.write_json(kind, text);
    }
}
