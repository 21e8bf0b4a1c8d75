//! Conflicts: what a person settles by a mutation of the conflict itself, on a device, or on a page.
//!
//! A conflict shows of a record what its reader may see of it, as any other way to it does.

use fieldstone_model::{Change, RecordId, Value, Values};
use fieldstone_protocol::{
    conflict::{Conflict, ConflictField as Plain, EACH, Kind, MINE, RESOLUTION, THEIRS, field_of},
    push::{Mutation, Outcome},
};
use fieldstone_store::{
    ChangeError, Store as _, StoreError,
    conflict::{
        ConflictField, ConflictKind, ConflictStore, OpenConflict, PAGE, RefusedChange, Settled,
        Settlement,
    },
};
use tokio_postgres::Row;

use super::{
    SyncError,
    plan::{rejected, rejected_field},
    push::Extra,
    sealed::Waiting,
};
use crate::store::{PgStore, column};

const SELECT: &str = "SELECT c.id, c.user_id, c.person, c.object, c.record_id, c.kind, c.fields, c.created_at, c.device, c.settled FROM app.conflicts($1, $2, $3, $4) c";

impl PgStore {
    /// Works out what settling a conflict writes: the change of the record, if it is to be changed, and that the conflict is settled.
    pub(super) async fn settling(
        &self,
        mutation: &Mutation,
    ) -> Result<Result<(Vec<Change>, Extra), Outcome>, SyncError> {
        let chosen = mutation
            .fields
            .get(RESOLUTION)
            .and_then(|edit| edit.wanted.as_str())
            .unwrap_or_default();
        let Some((conflict, settled)) = self.read_conflict(mutation.record, false).await? else {
            return Ok(Err(rejected(
                "not_found",
                "This conflict doesn't exist any more.",
            )));
        };
        if settled {
            return Ok(Err(Outcome::Applied { version: 2 }));
        }
        let settlement = match chosen {
            MINE => Settlement::Mine,
            THEIRS => Settlement::Theirs,
            EACH => match self.each(&conflict, mutation) {
                Ok(values) => Settlement::Each(values),
                Err(outcome) => return Ok(Err(outcome)),
            },
            _ => return Ok(Err(rejected("invalid", "Choose one of the two sides."))),
        };
        Ok(Ok(settle(&conflict, settlement)))
    }

    /// What each field shall be that a mutation names.
    fn each(&self, conflict: &OpenConflict, mutation: &Mutation) -> Result<Values, Outcome> {
        let unknown = || {
            rejected(
                "unknown_object",
                "The workspace has no such kind of record any more.",
            )
        };
        let object = self
            .registry()
            .object(&conflict.object)
            .ok_or_else(unknown)?;
        let mut values = Values::new();
        for (name, edit) in &mutation.fields {
            let Some(name) = field_of(name) else { continue };
            let field = object.field(name).filter(|field| field.is_writable());
            let field = field.ok_or_else(|| {
                rejected_field(name, "unknown_field", "This field can't be changed.")
            })?;
            match Value::from_json(field, &edit.wanted) {
                Ok(value) => values.set(name, value),
                Err(problem) => {
                    return Err(rejected_field(name, problem.code(), &problem.to_string()));
                }
            }
        }
        Ok(values)
    }

    /// One conflict, and whether it is settled.
    async fn read_conflict(
        &self,
        id: RecordId,
        everybodys: bool,
    ) -> Result<Option<(OpenConflict, bool)>, StoreError> {
        let rows = self
            .run_step(
                SELECT,
                &[&everybodys, &Some(id.to_string()), &None::<String>, &1],
            )
            .await?;
        rows.first()
            .map(|row| self.conflict_row_of(row))
            .transpose()
    }

    fn conflict_row_of(&self, row: &Row) -> Result<(OpenConflict, bool), StoreError> {
        let id = |at: usize| {
            column::<&str>(row, at)?
                .parse()
                .map_err(StoreError::internal)
        };
        let kind = serde_json::from_value(column::<String>(row, 5)?.into());
        let plain = Conflict {
            object: column(row, 3)?,
            record: id(4)?,
            kind: kind.map_err(StoreError::internal)?,
            fields: serde_json::from_str(column(row, 6)?).map_err(StoreError::internal)?,
        };
        let object = self.registry().object(&plain.object);
        // What isn't known any more, or is kept from whoever asks, isn't shown.
        let field = |plain: &Plain| {
            let field = object?.field(&plain.field)?;
            let value = |json| Value::from_json(field, json).ok();
            Some(ConflictField {
                field: plain.field.clone(),
                seen: value(&plain.seen).unwrap_or(Value::Null),
                current: value(&plain.current).unwrap_or(Value::Null),
                wanted: value(&plain.wanted)?,
            })
        };
        let conflict = OpenConflict {
            id: id(0)?,
            user: id(1)?,
            person: column(row, 2)?,
            fields: plain.fields.iter().filter_map(field).collect(),
            object: plain.object,
            record: plain.record,
            kind: match plain.kind {
                Kind::Edit => ConflictKind::Edit,
                Kind::EditOfDeleted => ConflictKind::EditOfDeleted,
                Kind::DeleteOfEdited => ConflictKind::DeleteOfEdited,
            },
            created_at: column(row, 7)?,
            device: column(row, 8)?,
        };
        Ok((conflict, column(row, 9)?))
    }

    /// Whether the person decides about everybody's conflicts.
    fn settles_all(&self) -> bool {
        self.actor()
            .role
            .can(fieldstone_model::Capability::UsersManage)
    }
}

/// What settling writes: the change of the record, and that the conflict is settled.
fn settle(conflict: &OpenConflict, settlement: Settlement) -> (Vec<Change>, Extra) {
    let how = match &settlement {
        Settlement::Mine => MINE,
        Settlement::Theirs => THEIRS,
        Settlement::Each(_) => EACH,
    };
    let wanted = || -> Values {
        let fields = conflict.fields.iter();
        fields
            .map(|field| (field.field.clone(), field.wanted.clone()))
            .collect()
    };
    let values = match settlement {
        Settlement::Mine => Some(wanted()),
        // Of a record that somebody wants to delete there are no fields to choose.
        Settlement::Each(_) if conflict.kind == ConflictKind::DeleteOfEdited => None,
        Settlement::Theirs => None,
        Settlement::Each(values) => Some(values),
    };
    let extra = Extra {
        sql: "SELECT app.settle_conflict($1, $2)",
        params: vec![Box::new(conflict.id.to_string()), Box::new(how.to_owned())],
    };
    (
        values.map_or_else(Vec::new, |values| changes(conflict, values)),
        extra,
    )
}

/// What is done to the record so that it has these values, or isn't there.
fn changes(conflict: &OpenConflict, values: Values) -> Vec<Change> {
    let (object, id) = (conflict.object.clone(), conflict.record);
    let is_empty = values.is_empty();
    let update = Change::Update {
        object: object.clone(),
        id,
        expected: None,
        values,
    };
    match conflict.kind {
        ConflictKind::Edit if is_empty => Vec::new(),
        ConflictKind::Edit => vec![update],
        ConflictKind::EditOfDeleted if is_empty => vec![Change::Restore { object, id }],
        ConflictKind::EditOfDeleted => vec![Change::Restore { object, id }, update],
        ConflictKind::DeleteOfEdited => vec![Change::Delete {
            object,
            id,
            expected: None,
        }],
    }
}

/// What went wrong with the store; the rest can't go wrong here.
fn plain(error: SyncError) -> StoreError {
    match error {
        SyncError::Store(error) => error,
        error => StoreError::internal(error),
    }
}

impl ConflictStore for PgStore {
    async fn conflicts(
        &self,
        everybodys: bool,
        before: Option<RecordId>,
    ) -> Result<Vec<OpenConflict>, StoreError> {
        let before = before.map(|id| id.to_string());
        let most = i32::try_from(PAGE).unwrap_or(i32::MAX);
        let rows = self
            .run_step(SELECT, &[&everybodys, &None::<String>, &before, &most])
            .await?;
        let read = |row| self.conflict_row_of(row).map(|(conflict, _)| conflict);
        rows.iter().map(read).collect()
    }

    async fn conflict(&self, id: RecordId) -> Result<Option<OpenConflict>, StoreError> {
        let found = self.read_conflict(id, self.settles_all()).await?;
        Ok(found.and_then(|(conflict, settled)| (!settled).then_some(conflict)))
    }

    async fn conflict_of(&self, record: RecordId) -> Result<Option<RecordId>, StoreError> {
        let sql = "SELECT c.id FROM app.sync_conflict c WHERE c.record_id = $1 AND c.deleted_at IS NULL ORDER BY c.id LIMIT 1";
        let rows = self.run_step(sql, &[&record.as_str()]).await?;
        let id = |row: &Row| {
            let id: &str = row.try_get(0).map_err(StoreError::internal)?;
            id.parse().map_err(StoreError::internal)
        };
        rows.first().map(id).transpose()
    }

    async fn refused_changes(&self) -> Result<Vec<RefusedChange>, StoreError> {
        let waiting = self.waiting_sealed(false, None).await.map_err(plain)?;
        let change = |waiting: Waiting| {
            let mutation = waiting.mutation?;
            let object = self.registry().object(&mutation.object);
            let fields = mutation.fields.iter();
            let wanted = fields.filter_map(|(name, edit)| {
                let field = object?.field(name)?;
                Some((name.clone(), Value::from_json(field, &edit.wanted).ok()?))
            });
            Some(RefusedChange {
                key: format!("{}.{}", waiting.device, waiting.sequence),
                wanted: wanted.collect(),
                record: mutation.record,
                object: mutation.object,
                message: waiting.message,
                at: waiting.delivered_at,
                device: waiting.device_name,
            })
        };
        Ok(waiting.into_iter().filter_map(change).collect())
    }

    async fn give_up(&self, key: &str) -> Result<bool, StoreError> {
        let Some((device, sequence)) = key.split_once('.') else {
            return Ok(false);
        };
        let (Ok(device), Ok(sequence)) = (device.parse(), sequence.parse()) else {
            return Ok(false);
        };
        self.dismiss_sealed(device, sequence).await.map_err(plain)
    }

    async fn conflict_count(&self) -> Result<u64, StoreError> {
        let rows = self.run_step("SELECT app.waiting_count()", &[]).await?;
        let count: i64 = match rows.first() {
            Some(row) => row.try_get(0).map_err(StoreError::internal)?,
            None => 0,
        };
        Ok(count.unsigned_abs())
    }

    async fn settle(&self, id: RecordId, settlement: Settlement) -> Result<Settled, StoreError> {
        let Some(conflict) = self.conflict(id).await? else {
            return Ok(Settled::Gone);
        };
        let (changes, extra) = settle(&conflict, settlement);
        match self
            .write_with(&self.fresh_registry().await?, &changes, vec![extra])
            .await
        {
            Ok(Some(_)) => Ok(Settled::Done),
            Ok(None) => Ok(Settled::Gone),
            // It is as it was meant to be.
            Err(StoreError::Change(_, ChangeError::Deleted))
                if conflict.kind == ConflictKind::DeleteOfEdited =>
            {
                let (_, extra) = settle(&conflict, Settlement::Theirs);
                let done = self.write_with(self.registry(), &[], vec![extra]).await?;
                Ok(done.map_or(Settled::Gone, |_| Settled::Done))
            }
            Err(StoreError::Change(_, error)) => Ok(Settled::Refused(error)),
            Err(error) => Err(error),
        }
    }
}
