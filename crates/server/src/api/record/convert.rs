//! A lead turned into an account, a contact and a deal.

use fieldstone_model::{
    FieldError, Problem, RecordId, Values,
    objects::lead::{Conversion, Target, conversion},
};
use fieldstone_store::{Store, StoreError};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::api::{
    ApiStore, RECORD_BYTES_MAX, body,
    call::Call,
    error::{ApiError, ApiResult},
    etag::Condition,
    once::{Attempt, Begun, Effect},
    written,
};

/// What a conversion made or used.
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "these are the names on the wire")]
struct Converted {
    account_id: RecordId,
    contact_id: RecordId,
    deal_id: Option<RecordId>,
}

/// `POST /records/lead/{id}/conversion` with `{"account_id"?, "deal_name"?}`: 201 with the ids of what it made.
///
/// Without an account it makes one; without a name for the deal it makes none. `If-Match` guards it.
pub(in crate::api) async fn convert<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = call.path("id").await?;
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let id = id
        .parse::<RecordId>()
        .map_err(|_| ApiError::no_such_record())?;
    let once = match Attempt::begin(&call, &bytes).await? {
        Begun::Fresh(attempt) => attempt,
        Begun::Answered(response) => return Ok(response),
    };
    let store = call.store()?;
    let plan = plan(store, &body::object(&bytes)?)?;
    let lead = store.get("lead", id, &[]).await?;
    let condition = Condition::read(call.header("if-match")?, false);
    if condition != Condition::None && !condition.names(lead.version) {
        return Err(ApiError::stale(
            StatusCode::PRECONDITION_FAILED,
            lead.version,
        ));
    }
    let values: Values = lead
        .iter()
        .map(|(column, value)| (column.name.clone(), value.clone()))
        .collect();
    if values
        .get("status")
        .and_then(fieldstone_model::Value::as_text)
        == Some("converted")
    {
        let detail = "This lead has been converted already.";
        return Err(ApiError::new(StatusCode::CONFLICT, "converted", detail));
    }
    let changes = conversion(id, lead.version, &values, &plan);
    let objects: Vec<String> = changes
        .iter()
        .map(|change| change.object().to_owned())
        .collect();
    let place = |index: usize| format!("/{}", objects.get(index).map_or("lead", String::as_str));
    let refuse = |error| super::refused(error, place);
    let location = format!("{}/records/lead/{id}", crate::api::ROOT);
    if let Effect::Before(answer) = once
        .apply(store, &changes, StatusCode::CREATED, &location, refuse)
        .await?
    {
        return Ok(answer);
    }
    let (Target::Existing(account_id) | Target::New(account_id)) = plan.account;
    let converted = Converted {
        account_id,
        contact_id: plan.contact_id,
        deal_id: plan.deal.as_ref().map(|(id, _)| *id),
    };
    let mut response = written::value(StatusCode::CREATED, &converted)?;
    super::set_location(&mut response, &location);
    once.finish(store, response).await
}

fn plan<S: Store>(store: &S, members: &Map<String, Json>) -> Result<Conversion, ApiError> {
    let new_id = |object: &str| {
        let unknown = || StoreError::UnknownObject(object.to_owned());
        store.new_id(object).ok_or_else(unknown)
    };
    let mut errors = Vec::new();
    let mut account = Target::New(new_id("account")?);
    let mut deal = None;
    for (name, json) in members {
        let problem = match (name.as_str(), json) {
            ("account_id" | "deal_name", Json::Null) => continue,
            ("account_id", Json::String(text)) => match text.parse() {
                Ok(id) => {
                    account = Target::Existing(id);
                    continue;
                }
                Err(_) => Problem::NotAReference,
            },
            ("deal_name", Json::String(text)) if text.trim().is_empty() => Problem::Required,
            ("deal_name", Json::String(text)) => {
                deal = Some((new_id("deal")?, text.trim().to_owned()));
                continue;
            }
            ("account_id" | "deal_name", _) => Problem::WrongType { expected: "a text" },
            _ => Problem::UnknownField,
        };
        errors.push(FieldError::new(name.clone(), problem));
    }
    if !errors.is_empty() {
        return Err(ApiError::invalid("", &errors));
    }
    Ok(Conversion {
        account,
        contact_id: new_id("contact")?,
        deal,
    })
}
