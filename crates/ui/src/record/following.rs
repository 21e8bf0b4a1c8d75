//! Following a record: being told of what others change in it.

use axum::response::{IntoResponse as _, Redirect};
use fieldstone_store::Store;

use crate::{
    error::PageError,
    request::{AtRecord, PageResult, Submitted},
};

/// `POST /{objects}/{id}/follow`: begins, or ends, with `follow=no`.
pub(crate) async fn submit<S: Store + Clone + 'static>(
    at: AtRecord<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    // Nobody follows what they don't see.
    let record = at.store.get(&at.object.name, at.id, &[]).await?;
    let shelf = at.shelf.as_ref().ok_or(PageError::NotFound)?;
    let on = pairs.get("follow") != Some("no") && !record.deleted;
    shelf.0.follow(at.id, on).await?;
    Ok(Redirect::to(&format!("/{}/{}", at.object.plural, at.id)).into_response())
}
