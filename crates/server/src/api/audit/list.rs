//! Events, newest first.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use crate::{
    api::{
        ApiStore,
        call::Call,
        error::{ApiError, ApiResult},
        parameters::Parameters,
        written,
    },
    identity::audit::{Action, Filter},
};

/// Events when no limit is said.
const LIMIT: u64 = 50;
/// Most events of one answer.
const LIMIT_MAX: u64 = 500;

/// `GET /audit-events?actor=&action=&target=&from=&until=&limit=&cursor=`: `{"events","next"}`.
pub(in crate::api) async fn list<S: ApiStore>(call: Call<S>) -> ApiResult {
    let parameters = call.parameters(&[
        "actor", "action", "target", "from", "until", "limit", "cursor",
    ])?;
    let limit = parameters.number("limit", (1, LIMIT_MAX))?.unwrap_or(LIMIT);
    let most = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
    let before = parameters.number("cursor", (1, most))?;
    let before = before.and_then(|before| i64::try_from(before).ok());
    let filter = filter(&parameters)?;
    let limit = i64::try_from(limit).unwrap_or(1);
    // One more than asked for tells whether there are more.
    let mut events = call
        .store()?
        .audit_events(&filter, before, limit + 1)
        .await?;
    let has_more = i64::try_from(events.len()).is_ok_and(|found| found > limit);
    events.truncate(usize::try_from(limit).unwrap_or(1));
    let next = events.last().filter(|_| has_more);
    let next = next.map(|event| event.seq.to_string());
    written::value(StatusCode::OK, &json!({ "events": events, "next": next }))
}

fn filter(parameters: &Parameters) -> Result<Filter, ApiError> {
    let moment = |name: &str| match parameters.get(name) {
        None => Ok(None),
        Some(text) => text.parse::<Timestamp>().map(Some).map_err(|_| {
            let detail = "Send an instant such as 2026-05-01T12:00:00Z.";
            ApiError::bad_parameter(name, "bad_value", detail)
        }),
    };
    let text =
        |name: &str| {
            let text = parameters.get(name);
            match text {
                Some(text) if text.contains('\0') || text.len() > 255 => Err(
                    ApiError::bad_parameter(name, "bad_value", "Send an id or a name."),
                ),
                text => Ok(text.map(str::to_owned)),
            }
        };
    let action = match parameters.get("action") {
        None => None,
        Some(name) => Some(Action::of(name).ok_or_else(|| {
            ApiError::bad_parameter("action", "unknown_choice", "There is no such action.")
        })?),
    };
    Ok(Filter {
        actor: text("actor")?,
        action,
        target: text("target")?,
        from: moment("from")?,
        until: moment("until")?,
    })
}
