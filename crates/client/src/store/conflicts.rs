//! Conflicts on a device: the platform sends them like records, and settling one is a change like any other.

use std::collections::BTreeSet;

use fieldstone_model::{RecordId, Value};
use fieldstone_protocol::{
    Columns,
    conflict::{self, Conflict, EACH, Kind, MINE, RESOLUTION, THEIRS, value_of},
};
use fieldstone_store::{
    Store as _, StoreError,
    conflict::{
        ConflictField, ConflictKind, ConflictStore, OpenConflict, PAGE, Settled, Settlement,
    },
};

use super::{DeviceStore, outbox};

impl DeviceStore {
    /// Open conflicts, the newest first: those that nothing in the outbox settles.
    async fn open_conflicts(&self) -> Result<Vec<OpenConflict>, StoreError> {
        let rows = self.local().other_rows(conflict::OBJECT).await;
        let rows = rows.map_err(StoreError::internal)?;
        let pending = self.local().pending().await.map_err(StoreError::internal)?;
        let settled: BTreeSet<RecordId> = pending
            .iter()
            .map(|pending| pending.mutation.record)
            .collect();
        let open = rows.into_iter().filter(|(id, _)| !settled.contains(id));
        let mut conflicts: Vec<OpenConflict> = open
            .filter_map(|(id, columns)| self.read_conflict(id, columns))
            .collect();
        conflicts.reverse();
        Ok(conflicts)
    }

    /// What a row says. One that a newer platform writes differently isn't shown here.
    fn read_conflict(&self, id: RecordId, columns: Columns) -> Option<OpenConflict> {
        let created_at = columns
            .get("created_at")
            .and_then(|at| at.as_str()?.parse().ok())
            .unwrap_or_default();
        let plain: Conflict = serde_json::from_value(columns.into()).ok()?;
        let object = self.registry().object(&plain.object)?;
        let field = |plain: &conflict::ConflictField| {
            let field = object.field(&plain.field)?;
            let value = |json| Value::from_json(field, json).ok();
            Some(ConflictField {
                field: plain.field.clone(),
                seen: value(&plain.seen).unwrap_or(Value::Null),
                current: value(&plain.current).unwrap_or(Value::Null),
                wanted: value(&plain.wanted)?,
            })
        };
        Some(OpenConflict {
            id,
            user: self.user().id,
            person: None,
            fields: plain.fields.iter().filter_map(field).collect(),
            object: plain.object,
            record: plain.record,
            kind: match plain.kind {
                Kind::Edit => ConflictKind::Edit,
                Kind::EditOfDeleted => ConflictKind::EditOfDeleted,
                Kind::DeleteOfEdited => ConflictKind::DeleteOfEdited,
            },
            created_at,
            device: None,
        })
    }
}

impl ConflictStore for DeviceStore {
    async fn conflicts(
        &self,
        _: bool,
        before: Option<RecordId>,
    ) -> Result<Vec<OpenConflict>, StoreError> {
        let mut conflicts = self.open_conflicts().await?;
        conflicts.retain(|conflict| before.is_none_or(|before| conflict.id < before));
        conflicts.truncate(PAGE);
        Ok(conflicts)
    }

    async fn conflict(&self, id: RecordId) -> Result<Option<OpenConflict>, StoreError> {
        let mut open = self.open_conflicts().await?.into_iter();
        Ok(open.find(|conflict| conflict.id == id))
    }

    async fn conflict_of(&self, record: RecordId) -> Result<Option<RecordId>, StoreError> {
        let mut open = self.open_conflicts().await?.into_iter();
        let found = open.find(|conflict| conflict.record == record);
        Ok(found.map(|conflict| conflict.id))
    }

    async fn conflict_count(&self) -> Result<u64, StoreError> {
        let open = self.open_conflicts().await?.len();
        Ok(u64::try_from(open).unwrap_or(u64::MAX))
    }

    async fn settle(&self, id: RecordId, settlement: Settlement) -> Result<Settled, StoreError> {
        let Some(conflict) = self.conflict(id).await? else {
            return Ok(Settled::Gone);
        };
        let how = match &settlement {
            Settlement::Mine => MINE,
            Settlement::Theirs => THEIRS,
            Settlement::Each(_) => EACH,
        };
        let mut wanted = vec![(RESOLUTION.to_owned(), how.into())];
        if let Settlement::Each(values) = &settlement {
            let object = self.registry().object(&conflict.object);
            for (name, value) in values.iter() {
                if let Some(field) = object.and_then(|object| object.field(name)) {
                    wanted.push((value_of(name), outbox::to_json(value, &field.kind)));
                }
            }
        }
        let user = self.user().id;
        self.local()
            .change_other_fields(conflict::OBJECT, id, user, wanted)
            .await
            .map_err(StoreError::internal)?;
        Ok(Settled::Done)
    }
}
