//! The `{id}` of a page's path.

use axum::{
    RequestPartsExt as _,
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use fieldstone_model::RecordId;
use fieldstone_ui::PageError;

/// The id in the path. One that can't be is of nothing that is there.
pub(crate) struct PathId(pub(crate) RecordId);

impl<T: Send + Sync> FromRequestParts<T> for PathId {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &T) -> Result<Self, PageError> {
        let params = parts
            .extract::<RawPathParams>()
            .await
            .map_err(|_| PageError::NotFound)?;
        let id = params
            .iter()
            .find(|(name, _)| *name == "id")
            .and_then(|(_, value)| value.parse().ok());
        id.map(Self).ok_or(PageError::NotFound)
    }
}
