//! All objects.

use http::StatusCode;
use serde_json::json;

use crate::api::{ApiStore, call::Call, describe, error::ApiResult, written};

/// `GET /objects`: all objects without their fields.
pub(in crate::api) async fn list<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let objects = call.store()?.registry().objects();
    let objects: Vec<_> = objects
        .map(|object| describe::summary(object, call.rights()))
        .collect();
    written::value(StatusCode::OK, &json!({ "objects": objects }))
}
