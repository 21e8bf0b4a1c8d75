//! How long tokens may live in the workspace.

use std::ops::RangeInclusive;

use fieldstone_model::Problem;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::{
    ApiStore, RECORD_BYTES_MAX, body, call::Call, error::ApiResult, programs::Faults, written,
};
use crate::identity::service_account::TokenPolicy;

fn shown(policy: TokenPolicy) -> Json {
    json!({ "api_token_days_max": policy.days_max, "oauth_access_minutes": policy.access_minutes })
}

/// `GET /workspace/token-policy`
pub(super) async fn show<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    written::value(StatusCode::OK, &shown(call.store()?.token_policy().await?))
}

/// `PATCH /workspace/token-policy` with `{"api_token_days_max"?,"oauth_access_minutes"?}`: the policy, for tokens that are made from now on.
pub(super) async fn update<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let members = body::object(&bytes)?;
    let mut policy = call.store()?.token_policy().await?;
    let mut faults = Faults::default();
    for (member, json) in &members {
        let (place, range) = match member.as_str() {
            "api_token_days_max" => (&mut policy.days_max, TokenPolicy::DAYS),
            "oauth_access_minutes" => (&mut policy.access_minutes, TokenPolicy::MINUTES),
            _ => {
                faults.unknown(member);
                continue;
            }
        };
        if let Some(number) = faults.read(member, within(json, &range)) {
            *place = number;
        }
    }
    faults.check()?;
    call.store()?.set_token_policy(policy).await?;
    written::value(StatusCode::OK, &shown(policy))
}

fn within(json: &Json, range: &RangeInclusive<i64>) -> Result<i64, Problem> {
    let number = json.as_i64().filter(|number| range.contains(number));
    number.ok_or_else(|| Problem::OutOfRange {
        min: range.start().to_string(),
        max: range.end().to_string(),
    })
}
