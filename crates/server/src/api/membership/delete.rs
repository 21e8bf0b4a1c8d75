//! Leaving the workspace.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header::SET_COOKIE};

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
    let cookie = HeaderValue::from_str(&session::clear_cookie())
        .map_err(fieldstone_store::StoreError::internal)?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    response.extensions_mut().insert(AccessEnded);
    Ok(response)
}
