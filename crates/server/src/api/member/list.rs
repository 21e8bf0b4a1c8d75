//! The members.

use fieldstone_model::RecordId;
use http::StatusCode;
use serde_json::json;

use crate::api::{
    ApiStore,
    call::Call,
    error::{ApiError, ApiResult},
    written,
};

/// Fewest and most members of one answer, and how many when nothing is said.
const LIMITS: (u64, u64) = (1, 200);
const LIMIT: u64 = 50;

/// `GET /members?search=&limit=&cursor=`: by name, the deactivated ones included.
pub(in crate::api) async fn list<S: ApiStore>(call: Call<S>) -> ApiResult {
    let parameters = call.parameters(&["search", "limit", "cursor"])?;
    let limit = parameters.number("limit", LIMITS)?.unwrap_or(LIMIT);
    let after = parameters.get("cursor").map(str::parse::<RecordId>);
    let after = after.transpose().map_err(|_| {
        ApiError::bad_parameter("cursor", "bad_cursor", "Use `next` of the page before.")
    })?;
    let search = parameters.get("search").unwrap_or_default();
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut members = call
        .store()?
        .members(search, after, i64::try_from(limit + 1).unwrap_or(i64::MAX))
        .await?;
    let has_more = members.len() > wanted;
    members.truncate(wanted);
    let next = members.last().filter(|_| has_more).map(|last| last.id);
    written::value(StatusCode::OK, &json!({ "members": members, "next": next }))
}
