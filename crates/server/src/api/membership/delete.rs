//! Leaving the workspace.

use std::sync::Arc;

use http::StatusCode;

use crate::{
    api::{ApiStore, call::Call, error::ApiResult, written},
    identity::{AccessEnded, Identity, session},
    pages::Entrance,
};

/// `DELETE /membership`: 204; every session and token of the caller has ended. The last owner can't.
pub(in crate::api) async fn delete<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    call.store()?.leave().await?;
    if let (Some(entrance), Some(identity)) = (
        call.parts.extensions.get::<Entrance>(),
        call.parts.extensions.get::<Arc<Identity>>(),
    ) {
        entrance.authenticator.forget(identity);
    }
    let mut response = written::nothing(StatusCode::NO_CONTENT);
    session::forget_browser(response.headers_mut());
    response.extensions_mut().insert(AccessEnded);
    Ok(response)
}
