//! Taking a change back: what it set is set to what was there before, as long as nobody has changed it since.

use axum::response::{IntoResponse as _, Redirect};
use fieldstone_model::{Change, Field, Record, RecordId, Values};
use fieldstone_store::{Action, HistoryEntry, Store, entry_of_version};

use crate::{
    error::PageError,
    form::local_path,
    notice,
    request::{AtRecord, PageResult, Submitted},
};

/// `POST /{objects}/{id}/reversal` with the version that the change made: takes one's own change back.
pub(crate) async fn reverse<S: Store + Clone + 'static>(
    at: AtRecord<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    if !at.may_write(&at.object) {
        return Err(PageError::Forbidden);
    }
    let version: i64 = pairs
        .get("version")
        .and_then(|version| version.parse().ok())
        .ok_or(PageError::Invalid)?;
    let back = pairs
        .get("back")
        .and_then(local_path)
        .unwrap_or_else(|| format!("/{}/{}", at.object.plural, at.id));
    let record = at.store.get(&at.object.name, at.id, &[]).await?;
    let entry = entry_of_version(&at.store, at.id, record.version, version)
        .await?
        .filter(|entry| is_own_change(entry, at.viewer.user_id))
        .ok_or(PageError::Conflict)?;
    if record.deleted {
        return Err(PageError::Conflict);
    }
    let values = old_values(&at.object, &record, &entry);
    if values.is_empty() {
        return Err(PageError::Conflict);
    }
    let change = Change::Update {
        object: at.object.name.to_string(),
        id: at.id,
        expected: Some(record.version),
        values,
    };
    at.store.apply(&[change]).await?;
    Ok(Redirect::to(&notice::address(&back, "reverted", at.id)).into_response())
}

fn is_own_change(entry: &HistoryEntry, me: RecordId) -> bool {
    entry.action == Action::Updated && entry.by == me
}

/// What stood there before the change, for fields that still have what it set.
pub(crate) fn old_values(
    object: &fieldstone_model::Object,
    record: &Record,
    entry: &HistoryEntry,
) -> Values {
    let is_back = |change: &&fieldstone_store::FieldChange| {
        object.field(&change.field).is_some_and(Field::is_writable)
            && *record.get(&change.field) == change.new
    };
    entry
        .fields
        .iter()
        .filter(is_back)
        .map(|change| (change.field.clone(), change.old.clone()))
        .collect()
}
