//! What is known of one person outside: found over all records, taken away as JSON, erased for good.
//!
//! Everything goes through the store, so nobody finds, exports or erases what they can't see. What has to stay is said on the page: the audit
//! log, which names who did what and no values, and backups until they are too old.

use std::collections::BTreeSet;

use fieldstone_model::query::{Filter, Path};
use fieldstone_model::{Change, Object, ObjectClass, Query, RecordId, Value};
use fieldstone_store::{Store as _, StoreError};
use serde_json::{Value as Json, json};

use crate::database::pool::Step;
use crate::identity::audit::Action;
use crate::store::PgStore;

/// Records of each object that a search shows.
const MOST: u32 = 50;
/// Most records taken away or erased at once.
pub const AT_ONCE: usize = 200;
/// Most entries of one record's history.
const ENTRIES: u32 = 1_000;

/// A record that may be about the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// API name of the object.
    pub object: String,
    /// The record.
    pub id: RecordId,
    /// What it is called.
    pub name: String,
}

impl PgStore {
    /// Records of all objects that have all these words: a name, an address, a number.
    pub(crate) async fn find_personal(&self, words: &str) -> Result<Vec<Found>, StoreError> {
        let mut found = Vec::new();
        for object in self.registry().objects().map(AsRef::as_ref) {
            if !may_hold_people(object) {
                continue;
            }
            let query = Query {
                columns: vec![Path::from_text(&object.name_field)],
                search: Some(words.to_owned()),
                limit: MOST,
                ..Query::new(object.name.clone())
            };
            let page = self.list(&query).await?;
            found.extend(page.records.iter().map(|record| {
                Found {
                    object: object.name.to_string(),
                    id: record.id,
                    name: record
                        .values
                        .first()
                        .and_then(Value::as_text)
                        .unwrap_or_default()
                        .to_owned(),
                }
            }));
        }
        Ok(found)
    }

    /// The records with everything that is known of them: fields, history, files.
    pub(crate) async fn export_personal(&self, ids: &[RecordId]) -> Result<Json, StoreError> {
        let mut records = Vec::new();
        for id in with_files(self, ids).await? {
            let Some(object) = self.registry().object_of(id).cloned() else {
                continue;
            };
            let record = self.get(&object.name, id, &[]).await?;
            let mut text = String::new();
            record.write_json(&mut text);
            let values: Json = serde_json::from_str(&text).map_err(StoreError::internal)?;
            let mut history = Vec::new();
            for entry in self.history(id, None, ENTRIES).await? {
                let fields: Vec<Json> = entry
                    .fields
                    .iter()
                    .map(|change| json!({ "field": change.field, "old": shown(&object, &change.field, &change.old), "new": shown(&object, &change.field, &change.new) }))
                    .collect();
                history.push(json!({ "at": entry.at, "by": entry.by, "action": entry.action.name(), "fields": fields }));
            }
            let mut about = json!({ "object": object.name, "record": values, "history": history });
            if object.name == "attachment"
                && let Some(about) = about.as_object_mut()
            {
                about.insert(
                    "content".to_owned(),
                    format!("/api/v1/records/attachment/{id}/content").into(),
                );
            }
            records.push(about);
        }
        let detail = json!({ "records": records.len() });
        self.run_audited(&[], Action::PersonalDataExport, "", &detail)
            .await?;
        Ok(json!({ "records": records }))
    }

    /// Deletes the records and the files on them, and removes them for good; answers how many.
    pub(crate) async fn erase_personal(&self, ids: &[RecordId]) -> Result<u64, StoreError> {
        let ids = with_files(self, ids).await?;
        let mut changes = Vec::new();
        for id in &ids {
            let Some(object) = self.registry().object_of(*id) else {
                continue;
            };
            changes.push(Change::Delete {
                object: object.name.to_string(),
                id: *id,
                expected: None,
            });
        }
        self.apply(&changes).await?;
        let texts: Vec<&str> = ids.iter().map(RecordId::as_str).collect();
        let erase = Step {
            sql: "SELECT app.erase_records($1)",
            params: &[&texts],
        };
        let detail = json!({ "records": ids.len() });
        let rows = self
            .run_audited(&[erase], Action::PersonalDataErase, "", &detail)
            .await?;
        let erased: i64 = rows
            .first()
            .and_then(|rows| rows.first())
            .map(|row| row.try_get(0))
            .transpose()
            .map_err(StoreError::internal)?
            .unwrap_or_default();
        Ok(erased.unsigned_abs())
    }
}

fn may_hold_people(object: &Object) -> bool {
    object.class != ObjectClass::Managed && object.searchable_fields().next().is_some()
}

/// A value of the history as the API shows it; of a field that is gone, nothing.
fn shown(object: &Object, field: &str, value: &Value) -> Json {
    let Some(field) = object.field(field) else {
        return Json::Null;
    };
    let mut text = String::new();
    value.write_json(&field.kind, &mut text);
    serde_json::from_str(&text).unwrap_or_default()
}

/// The records, and the files that hang on them: files first, as they are deleted.
async fn with_files(store: &PgStore, ids: &[RecordId]) -> Result<Vec<RecordId>, StoreError> {
    let mut files = BTreeSet::new();
    for id in ids {
        let query = Query {
            columns: vec![Path::from_text("name")],
            filter: Filter::equal("about_id", Value::Id(*id)),
            limit: MOST,
            ..Query::new("attachment".to_owned())
        };
        files.extend(
            store
                .list(&query)
                .await?
                .records
                .iter()
                .map(|record| record.id),
        );
    }
    let mut all: Vec<RecordId> = files.into_iter().collect();
    let others: Vec<RecordId> = ids.iter().copied().filter(|id| !all.contains(id)).collect();
    all.extend(others);
    Ok(all)
}
