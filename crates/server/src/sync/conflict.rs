//! Conflicts: what a person settles by a mutation of the conflict itself, on a device or in the web.

use fieldstone_model::{Change, Value, Values};
use fieldstone_protocol::{
    conflict::{Conflict, Kind, MINE, RESOLUTION, THEIRS},
    push::{Mutation, Outcome},
};
use fieldstone_store::StoreError;

use super::{
    SyncError,
    push::{Extra, rejected},
    reading::column,
};
use crate::store::PgStore;

impl PgStore {
    /// Works out what settling a conflict writes: the change of the record, if it is to be changed, and that the conflict is settled.
    pub(super) async fn settling(
        &self,
        mutation: &Mutation,
    ) -> Result<Result<(Vec<Change>, Extra), Outcome>, SyncError> {
        let chosen = mutation
            .fields
            .get(RESOLUTION)
            .and_then(|edit| edit.wanted.as_str());
        let Some(chosen) = chosen.filter(|chosen| [MINE, THEIRS].contains(chosen)) else {
            return Ok(Err(rejected("invalid", "Choose one of the two sides.")));
        };
        let rows = self
            .run_step(
                "SELECT c.object, c.record_id, c.kind, c.fields::text, c.deleted_at IS NOT NULL, c.version FROM app.sync_conflict c WHERE c.id = $1",
                &[&mutation.record.as_str()],
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(Err(rejected(
                "not_found",
                "This conflict doesn't exist any more.",
            )));
        };
        if column::<bool>(row, 4)? {
            let version = column(row, 5)?;
            return Ok(Err(Outcome::Applied { version }));
        }
        let kind: Kind = serde_json::from_value(column::<String>(row, 2)?.into())
            .map_err(StoreError::internal)?;
        let conflict = Conflict {
            object: column(row, 0)?,
            record: column::<&str>(row, 1)?
                .parse()
                .map_err(StoreError::internal)?,
            kind,
            fields: serde_json::from_str(column(row, 3)?).map_err(StoreError::internal)?,
        };
        let changes = if chosen == MINE {
            self.mine(&conflict)
        } else {
            Vec::new()
        };
        let extra = Extra {
            sql: "UPDATE app.sync_conflict c SET deleted_at = $2, resolution = $3, version = c.version + 1 WHERE c.id = $1",
            params: vec![
                Box::new(mutation.record.to_string()),
                Box::new(self.now()),
                Box::new(chosen.to_owned()),
            ],
        };
        Ok(Ok((changes, extra)))
    }

    /// What the person on the device wanted.
    fn mine(&self, conflict: &Conflict) -> Vec<Change> {
        use fieldstone_store::Store as _;
        let (object, id) = (conflict.object.clone(), conflict.record);
        let Some(known) = self.registry().object(&object).cloned() else {
            return Vec::new();
        };
        let wanted = conflict.fields.iter().filter_map(|field| {
            let kind = known.field(&field.field)?;
            Some((
                field.field.clone(),
                Value::from_json(kind, &field.wanted).ok()?,
            ))
        });
        let values: Values = wanted.collect();
        let update = Change::Update {
            object: object.clone(),
            id,
            expected: None,
            values,
        };
        match conflict.kind {
            Kind::Edit => vec![update],
            Kind::EditOfDeleted => vec![Change::Restore { object, id }, update],
            Kind::DeleteOfEdited => vec![Change::Delete {
                object,
                id,
                expected: None,
            }],
        }
    }
}
