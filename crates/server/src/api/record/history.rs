//! What happened to a record.

use fieldstone_model::query::Path;
use http::StatusCode;

use crate::api::{ApiStore, call::Call, error::ApiResult, history::text, written};

/// Entries on a page when nothing is said, and at most.
const LIMITS: (u64, u64) = (50, 200);

/// `GET /records/{object}/{id}/history?before=&limit=`: newest first; `next` goes into `before` for older ones.
pub(in crate::api) async fn history<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let (object, id) = call.record().await?;
    let parameters = call.parameters(&["before", "limit"])?;
    let before = parameters.number("before", (0, u64::MAX))?;
    let limit = parameters
        .number("limit", (1, LIMITS.1))?
        .unwrap_or(LIMITS.0);
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let store = call.store()?;
    // One more than the page tells whether there are older ones.
    let mut entries = store.history(id, before, limit + 1).await?;
    if entries.is_empty() {
        // Nothing older, or no record at all.
        store
            .get(&object.name, id, &[Path::from_text("id")])
            .await?;
    }
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let people: Vec<_> = entries.iter().map(|entry| entry.by).collect();
    let names = store.names(&people).await?;
    Ok(written::json(
        StatusCode::OK,
        text(&object, &entries, &names, more),
    ))
}
