//! Conflicts as JSON: what was changed on two sides and waits for a person to decide.

use fieldstone_model::{Capability, FieldError, Object, Problem, RecordId, Value, Values};
use fieldstone_store::conflict::{ConflictKind, OpenConflict, PAGE, Settled, Settlement};
use http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::{
    ApiStore, RECORD_BYTES_MAX, body,
    call::Call,
    error::{ApiError, ApiResult},
    team::{only, required, text},
    written,
};
use crate::sync::to_json;

fn gone() -> ApiError {
    ApiError::not_found("This conflict is settled already, or isn't yours.")
}

fn shown(object: Option<&Object>, conflict: &OpenConflict) -> Json {
    let field = |field: &fieldstone_store::conflict::ConflictField| {
        let known = object.and_then(|object| object.field(&field.field));
        let plain = |value: &Value| to_json(value, known.and_then(|known| known.kind.scale()));
        json!({
            "field": field.field,
            "seen": plain(&field.seen),
            "theirs": plain(&field.current),
            "mine": plain(&field.wanted),
        })
    };
    let kind = match conflict.kind {
        ConflictKind::Edit => "edit",
        ConflictKind::EditOfDeleted => "edit_of_deleted",
        ConflictKind::DeleteOfEdited => "delete_of_edited",
    };
    json!({
        "id": conflict.id,
        "user_id": conflict.user,
        "object": conflict.object,
        "record_id": conflict.record,
        "kind": kind,
        "fields": conflict.fields.iter().map(field).collect::<Vec<Json>>(),
        "device": conflict.device,
        "created_at": conflict.created_at.to_string(),
    })
}

/// `GET /conflicts?of=me|everybody&before=ID`: the newest first; everybody's for those who manage people.
pub(super) async fn list<S: ApiStore>(call: Call<S>) -> ApiResult {
    let parameters = call.parameters(&["of", "before"])?;
    let everybodys = match parameters.get("of") {
        None | Some("me") => false,
        Some("everybody") if call.rights().can(Capability::UsersManage) => true,
        Some("everybody") => return Err(ApiError::denied()),
        Some(_) => {
            let detail = "Send “me” or “everybody”.";
            return Err(ApiError::bad_parameter("of", "unknown_choice", detail));
        }
    };
    let before = parameters.get("before").map(str::parse::<RecordId>);
    let before = before.transpose().map_err(|_| {
        let detail = "Send “next” of the page before.";
        ApiError::bad_parameter("before", "not_an_id", detail)
    })?;
    let store = call.store()?;
    let found = store.conflicts(everybodys, before).await?;
    let registry = store.registry();
    let object = |conflict: &OpenConflict| registry.object(&conflict.object).map(AsRef::as_ref);
    let conflicts: Vec<Json> = found
        .iter()
        .map(|conflict| shown(object(conflict), conflict))
        .collect();
    let next = found.last().filter(|_| found.len() >= PAGE);
    let next = next.map(|last| last.id);
    written::value(
        StatusCode::OK,
        &json!({ "conflicts": conflicts, "next": next }),
    )
}

/// `GET /conflicts/{id}`.
pub(super) async fn show<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let conflict = find(&mut call).await?;
    let object = call.store()?.registry().object(&conflict.object).cloned();
    written::value(StatusCode::OK, &shown(object.as_deref(), &conflict))
}

async fn find<S: ApiStore>(call: &mut Call<S>) -> Result<OpenConflict, ApiError> {
    let id = call.path("id").await?;
    call.parameters(&[])?;
    let id = id.parse::<RecordId>().map_err(|_| gone())?;
    call.store()?.conflict(id).await?.ok_or_else(gone)
}

/// `POST /conflicts/{id}/settlement` with `{"choose":"mine"|"theirs"|"each","values"?}`: 204.
///
/// With `each`, the fields in `values` are written and all others stay as they are. The record gets no more than the caller may write.
pub(super) async fn settle<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let conflict = find(&mut call).await?;
    let members = body::object(&bytes)?;
    only(&members, &["choose", "values"])?;
    let store = call.store()?;
    let settlement = match text(&members, "choose")?.as_deref() {
        Some("mine") => Settlement::Mine,
        Some("theirs") => Settlement::Theirs,
        Some("each") => {
            let object = store.registry().object(&conflict.object);
            Settlement::Each(values(object.ok_or_else(gone)?, members.get("values"))?)
        }
        Some(_) => {
            let error = FieldError::new("choose", Problem::UnknownChoice);
            return Err(ApiError::invalid("", &[error]));
        }
        None => return Err(required("choose")),
    };
    // Deleting, and bringing back what was deleted, takes a right of its own, which a token may lack.
    if conflict.kind != ConflictKind::Edit
        && settlement != Settlement::Theirs
        && !call.rights().can(Capability::RecordsDelete)
    {
        return Err(ApiError::denied());
    }
    match store.settle(conflict.id, settlement).await? {
        Settled::Done => Ok(written::nothing(StatusCode::NO_CONTENT)),
        Settled::Gone => Err(gone()),
        Settled::Refused(error) => Err(ApiError::from_change(&error, "/values")),
    }
}

/// What fields shall be.
fn values(object: &Object, members: Option<&Json>) -> Result<Values, ApiError> {
    let empty = Map::new();
    let members = match members {
        None => &empty,
        Some(Json::Object(members)) => members,
        Some(_) => {
            let expected = "an object of fields";
            let error = FieldError::new("values", Problem::WrongType { expected });
            return Err(ApiError::invalid("", &[error]));
        }
    };
    let (mut values, mut errors) = (Values::new(), Vec::new());
    for (name, json) in members {
        match object.field(name).filter(|field| field.is_writable()) {
            None => errors.push(FieldError::new(name.clone(), Problem::UnknownField)),
            Some(field) => match Value::from_json(field, json) {
                Ok(value) => values.set(name.clone(), value),
                Err(problem) => errors.push(FieldError::new(name.clone(), problem)),
            },
        }
    }
    if errors.is_empty() {
        Ok(values)
    } else {
        Err(ApiError::invalid("/values", &errors))
    }
}
