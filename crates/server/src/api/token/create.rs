//! A new token.

use fieldstone_model::{FieldError, Problem, Rights};
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Map, Value as Json, json};

use crate::api::{
    ApiStore, RECORD_BYTES_MAX, body,
    call::Call,
    error::{ApiError, ApiResult},
    written,
};

/// How many days a token lives when nothing is said, unless the workspace allows less.
const DAYS: i64 = 90;

/// `POST /tokens` with `{"name","scopes"?,"days"?}`: 201 with the secret, which is never shown again.
///
/// Without scopes it may do everything its owner may today, and nothing that they may do only later.
pub(in crate::api) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let days_max = call.store()?.token_days_max().await?;
    let wanted = Wanted::read(&body::object(&bytes)?, call.rights(), days_max)?;
    let expires_at = call.viewer()?.now + SignedDuration::from_hours(24 * wanted.days);
    let scopes: Vec<&str> = wanted.scopes.iter().map(String::as_str).collect();
    let (id, secret) = call
        .store()?
        .add_token(&wanted.name, &scopes, expires_at)
        .await?;
    let token = json!({ "id": id, "name": wanted.name, "scopes": scopes, "expires_at": expires_at, "token": secret.as_str() });
    written::value(StatusCode::CREATED, &token)
}

/// What a token is to be.
pub(in crate::api) struct Wanted {
    pub(in crate::api) name: String,
    /// Names of capabilities.
    pub(in crate::api) scopes: Vec<String>,
    pub(in crate::api) days: i64,
}

impl Wanted {
    /// Reads the body; a token is never made for more than `rights`.
    pub(in crate::api) fn read(
        members: &Map<String, Json>,
        rights: &Rights,
        days_max: i64,
    ) -> Result<Self, ApiError> {
        let mut wanted = Self {
            name: String::new(),
            scopes: rights
                .capabilities()
                .map(|capability| capability.name().to_owned())
                .collect(),
            days: DAYS.min(days_max),
        };
        let mut errors = Vec::new();
        if !members.contains_key("name") {
            errors.push(FieldError::new("name", Problem::Required));
        }
        for (member, json) in members {
            let read = match member.as_str() {
                "name" => name(json).map(|name| wanted.name = name),
                "scopes" => scopes(json, rights).map(|scopes| wanted.scopes = scopes),
                "days" => days(json, days_max).map(|days| wanted.days = days),
                _ => Err(Problem::UnknownField),
            };
            errors.extend(
                read.err()
                    .map(|problem| FieldError::new(member.clone(), problem)),
            );
        }
        if errors.is_empty() {
            Ok(wanted)
        } else {
            Err(ApiError::invalid("", &errors))
        }
    }
}

/// What something is called: one line.
pub(in crate::api) fn name(json: &Json) -> Result<String, Problem> {
    let name = json
        .as_str()
        .ok_or(Problem::WrongType { expected: "a text" })?
        .trim();
    if name.is_empty() {
        Err(Problem::Required)
    } else if name.chars().count() > 255 {
        Err(Problem::TooLong { max: 255 })
    } else if name.chars().any(char::is_control) {
        Err(Problem::ControlCharacter)
    } else {
        Ok(name.to_owned())
    }
}

/// Capabilities that the caller has: a token is never made for more.
fn scopes(json: &Json, rights: &Rights) -> Result<Vec<String>, Problem> {
    let expected = "a list of texts";
    let items = json.as_array().ok_or(Problem::WrongType { expected })?;
    let mut scopes: Vec<String> = Vec::new();
    for item in items {
        let scope = item.as_str().ok_or(Problem::WrongType { expected })?;
        if !rights
            .capabilities()
            .any(|capability| capability.name() == scope)
        {
            return Err(Problem::UnknownChoice);
        }
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    // No scopes at all would mean all of them.
    if scopes.is_empty() {
        Err(Problem::Required)
    } else {
        Ok(scopes)
    }
}

fn days(json: &Json, max: i64) -> Result<i64, Problem> {
    let days = json.as_i64().filter(|days| (1..=max).contains(days));
    days.ok_or_else(|| Problem::OutOfRange {
        min: "1".to_owned(),
        max: max.to_string(),
    })
}
