//! Records: one file for each action, and what several of them share.

pub(super) mod aggregate;
pub(super) mod batch;
pub(super) mod convert;
pub(super) mod count;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod history;
pub(super) mod list;
pub(super) mod restore;
pub(super) mod show;
pub(super) mod update;

use axum::response::Response;
use fieldstone_model::{
    Change, FieldError, Object, Problem, Query, RecordId, Value, Values,
    query::{ORDER_MAX, Path, Presence, QueryError, parse_filter, parse_order},
};
use fieldstone_store::{Applied, ChangeError, Store, StoreError, decode_cursor};
use http::{HeaderValue, StatusCode, header::LOCATION};
use serde_json::{Map, Value as Json};

use super::{
    ROOT,
    call::Call,
    error::{ApiError, ApiResult},
    etag::Condition,
    parameters::Parameters,
    written,
};

/// The values of a record as a body has them. Members that aren't fields people set are refused, all at once.
pub(super) fn values(
    object: &Object,
    members: &Map<String, Json>,
    base: &str,
) -> Result<Values, ApiError> {
    let mut values = Values::new();
    let mut errors = Vec::new();
    for (name, json) in members {
        let read = match object.field(name) {
            None => Err(Problem::UnknownField),
            Some(field) if !field.is_writable() => Err(Problem::ReadOnly),
            Some(field) => Value::from_json(field, json),
        };
        match read {
            Ok(value) => values.set(name.clone(), value),
            Err(problem) => errors.push(FieldError::new(name.clone(), problem)),
        }
    }
    if errors.is_empty() {
        Ok(values)
    } else {
        Err(ApiError::invalid(base, &errors))
    }
}

/// The parameters that say which records: `filter`, `search`, `deleted`.
const WHICH: [&str; 3] = ["filter", "search", "deleted"];

/// The query that `parameters` make.
fn query<S: Store + Clone + 'static>(
    call: &Call<S>,
    object: &Object,
    parameters: &Parameters,
) -> Result<Query, ApiError> {
    let mut query = Query::new(object.name.clone());
    if let Some(text) = parameters.get("filter") {
        query.filter = parse_filter(call.store()?.registry(), object, call.environment()?, text)
            .map_err(|error| ApiError::from_query(&error, Some("filter")))?;
    }
    query.search = parameters
        .get("search")
        .filter(|words| !words.trim().is_empty())
        .map(str::to_owned);
    query.presence = match parameters.get("deleted") {
        None | Some("exclude") => Presence::Living,
        Some("only") => Presence::Deleted,
        Some("include") => Presence::All,
        Some(_) => {
            let detail = "Send exclude, only or include.";
            return Err(ApiError::bad_parameter("deleted", "unknown_choice", detail));
        }
    };
    if let Some(text) = parameters.get("order") {
        query.order = parse_order(text);
    }
    if let Some(text) = parameters.get("columns") {
        query.columns = paths(text);
    }
    if let Some(text) = parameters.get("limit") {
        query.limit = text.parse().unwrap_or(0);
    }
    if let Some(text) = parameters.get("cursor").filter(|text| !text.is_empty()) {
        let cursor = decode_cursor(text)
            .map_err(|error| ApiError::bad_parameter("cursor", "bad_cursor", error.to_string()))?;
        query.cursor = Some(cursor);
    }
    Ok(query)
}

/// A refused query; a field that isn't there stood in the order or among the columns.
fn refused_query(error: StoreError, query: &Query) -> ApiError {
    match error {
        StoreError::Query(error) => {
            let in_order = match &error {
                QueryError::UnknownField(name) => query
                    .order
                    .iter()
                    .any(|order| order.path.to_string() == *name),
                _ => query.order.len() > ORDER_MAX,
            };
            ApiError::from_query(&error, Some(if in_order { "order" } else { "columns" }))
        }
        error => error.into(),
    }
}

/// Paths separated by commas.
fn paths(text: &str) -> Vec<Path> {
    text.split(',')
        .map(str::trim)
        .filter(|path| !path.is_empty())
        .map(Path::from_text)
        .collect()
}

/// The version that a change expects, from `If-Match`.
///
/// Several tags are compared with the record as it is: the change then expects the one that is there.
async fn expected<S: Store + Clone + 'static>(
    call: &Call<S>,
    object: &Object,
    id: RecordId,
) -> Result<Option<i64>, ApiError> {
    match Condition::read(call.header("if-match")?, false) {
        Condition::None | Condition::Any => Ok(None),
        Condition::OneOf(versions) => match versions.as_slice() {
            [version] => Ok(Some(*version)),
            // A version that no record has.
            [] => Ok(Some(0)),
            several => {
                let record = call
                    .store()?
                    .get(&object.name, id, &[Path::from_text("id")])
                    .await?;
                let there = several.contains(&record.version);
                Ok(Some(if there { record.version } else { 0 }))
            }
        },
    }
}

/// Applies one change.
async fn apply<S: Store>(store: &S, change: Change) -> Result<Applied, ApiError> {
    let id = change.id();
    let applied = store.apply(std::slice::from_ref(&change)).await?;
    Ok(applied
        .first()
        .copied()
        .unwrap_or(Applied { id, version: 0 }))
}

/// The record as it is now, with all its fields.
async fn present<S: Store>(
    store: &S,
    status: StatusCode,
    object: &Object,
    id: RecordId,
) -> ApiResult {
    let record = store.get(&object.name, id, &[]).await?;
    Ok(written::record(status, &record))
}

/// The address of a record.
fn location(object: &Object, id: RecordId) -> String {
    format!("{ROOT}/records/{}/{id}", object.name)
}

fn set_location(response: &mut Response, address: &str) {
    // Names of objects and ids are letters, digits and underscores.
    if let Ok(value) = HeaderValue::from_str(address) {
        response.headers_mut().insert(LOCATION, value);
    }
}

/// A refusal of one of several changes, whose values stand at `place(index)` in the body.
fn refused(error: StoreError, place: impl FnOnce(usize) -> String) -> ApiError {
    match error {
        // Here the version comes from the body, so it isn't a precondition that failed.
        StoreError::Change(_, ChangeError::Stale { current }) => {
            ApiError::stale(StatusCode::CONFLICT, current)
        }
        StoreError::Change(index, error) => ApiError::from_change(&error, &place(index)),
        error => error.into(),
    }
}
