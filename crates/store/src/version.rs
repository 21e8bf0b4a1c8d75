//! One version of a record: the change that made it.

use fieldstone_model::RecordId;

use crate::{HistoryEntry, Store, StoreError};

/// The entry of the change that made `version` of a record that is at version `current` now; `None` when it isn't remembered.
///
/// Every change makes one version and one entry, so the entry stands as far down as there are versions since. Its place in the order of
/// all changes says nothing of versions: each store has an order of its own.
pub async fn entry_of_version<S: Store>(
    store: &S,
    id: RecordId,
    current: i64,
    version: i64,
) -> Result<Option<HistoryEntry>, StoreError> {
    let since = current
        .checked_sub(version)
        .and_then(|since| usize::try_from(since).ok());
    let asked = since.and_then(|since| u32::try_from(since).ok()?.checked_add(1));
    let (Some(since), Some(asked)) = (since, asked) else {
        return Ok(None);
    };
    let mut history = store.history(id, None, asked).await?;
    Ok((since < history.len()).then(|| history.swap_remove(since)))
}
