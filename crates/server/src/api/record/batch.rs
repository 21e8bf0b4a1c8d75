//! Many changes of one object's records, all of them or none.

use std::fmt::Write as _;

use fieldstone_model::{Capability, Change, FieldError, Object, Problem, RecordId};
use fieldstone_store::{Applied, Store, StoreError};
use http::StatusCode;
use serde_json::{Map, Value as Json};

use crate::api::{
    ApiStore, BATCH_BYTES_MAX, body,
    call::Call,
    error::{ApiError, ApiResult, Place},
    once::{Attempt, Begun, Effect},
    written,
};

/// Most changes in one batch.
const CHANGES_MAX: usize = 200;

/// `POST /records/{object}/batch` with
/// `{"changes":[{"action":"create|update|delete|restore","id"?,"version"?,"values"?}, …]}`.
///
/// Answers `{"results":[{"id","version"}, …]}` in their order.
pub(in crate::api) async fn batch<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let object = call.object_to_write().await?;
    call.parameters(&[])?;
    let bytes = call.json(BATCH_BYTES_MAX)?;
    let once = match Attempt::begin(&call, &bytes).await? {
        Begun::Fresh(attempt) => attempt,
        Begun::Answered(response) => return Ok(response),
    };
    let store = call.store()?;
    let changes = changes(store, &object, &body::object(&bytes)?)?;
    let deletes = changes
        .iter()
        .any(|change| matches!(change, Change::Delete { .. } | Change::Restore { .. }));
    if deletes && !call.rights().can(Capability::RecordsDelete) {
        return Err(ApiError::denied());
    }
    let refuse = |error| super::refused(error, |index| format!("/changes/{index}/values"));
    match once
        .apply(store, &changes, StatusCode::OK, "", refuse)
        .await?
    {
        Effect::Before(answer) => Ok(answer),
        Effect::Applied(applied) => {
            once.finish(store, written::json(StatusCode::OK, text(&applied)))
                .await
        }
    }
}

fn changes<S: Store>(
    store: &S,
    object: &Object,
    members: &Map<String, Json>,
) -> Result<Vec<Change>, ApiError> {
    let detail = "Send {\"changes\": [ … ]} with 1 to 200 changes.";
    let invalid = |place: Place| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).with(
            place,
            "wrong_type",
            detail,
        )
    };
    if let Some(unknown) = members.keys().find(|name| *name != "changes") {
        let errors = [FieldError::new(unknown.clone(), Problem::UnknownField)];
        return Err(ApiError::invalid("", &errors));
    }
    match members.get("changes") {
        Some(Json::Array(items)) if (1..=CHANGES_MAX).contains(&items.len()) => items
            .iter()
            .enumerate()
            .map(|(index, item)| change(store, object, index, item))
            .collect(),
        _ => Err(invalid(Place::member("", "changes"))),
    }
}

fn change<S: Store>(
    store: &S,
    object: &Object,
    index: usize,
    item: &Json,
) -> Result<Change, ApiError> {
    let base = format!("/changes/{index}");
    let wrong =
        |name: &str, problem: Problem| ApiError::invalid(&base, &[FieldError::new(name, problem)]);
    let Json::Object(item) = item else {
        let expected = "an object";
        let errors = [FieldError::new(
            index.to_string(),
            Problem::WrongType { expected },
        )];
        return Err(ApiError::invalid("/changes", &errors));
    };
    let action = item.get("action").and_then(Json::as_str);
    let known: &[&str] = match action {
        Some("create") => &["action", "id", "values"],
        Some("update") => &["action", "id", "version", "values"],
        Some("delete") => &["action", "id", "version"],
        Some("restore") => &["action", "id"],
        _ => return Err(wrong("action", Problem::UnknownChoice)),
    };
    if let Some(unknown) = item.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(wrong(unknown, Problem::UnknownField));
    }
    let id = match item.get("id") {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => {
            let id = text.parse::<RecordId>();
            Some(id.map_err(|_| wrong("id", Problem::NotAReference))?)
        }
        Some(_) => return Err(wrong("id", Problem::WrongType { expected: "a text" })),
    };
    let expected = match item.get("version") {
        None | Some(Json::Null) => None,
        Some(version) => {
            let expected = "a whole number";
            Some(
                version
                    .as_i64()
                    .ok_or_else(|| wrong("version", Problem::WrongType { expected }))?,
            )
        }
    };
    let values = || match item.get("values") {
        Some(Json::Object(members)) => super::values(object, members, &format!("{base}/values")),
        Some(_) => Err(wrong(
            "values",
            Problem::WrongType {
                expected: "an object",
            },
        )),
        None => Err(wrong("values", Problem::Required)),
    };
    let needed = id.ok_or_else(|| wrong("id", Problem::Required));
    let name = object.name.to_string();
    Ok(match action {
        Some("create") => Change::Create {
            id: match id {
                Some(id) => id,
                None => store
                    .new_id(&name)
                    .ok_or_else(|| StoreError::UnknownObject(name.clone()))?,
            },
            values: values()?,
            object: name,
        },
        Some("update") => Change::Update {
            id: needed?,
            expected,
            values: values()?,
            object: name,
        },
        Some("delete") => Change::Delete {
            id: needed?,
            expected,
            object: name,
        },
        _ => Change::Restore {
            id: needed?,
            object: name,
        },
    })
}

fn text(applied: &[Applied]) -> String {
    let mut text = String::with_capacity(16 + applied.len() * 48);
    text.push_str("{\"results\":[");
    for (at, applied) in applied.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{comma}{{\"id\":\"{}\",\"version\":{}}}",
            applied.id, applied.version
        );
    }
    text.push_str("]}");
    text
}
