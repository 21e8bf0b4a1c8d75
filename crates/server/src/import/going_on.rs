//! Checkpoints of an import in the workspace's tables, and what they come to when it goes on.

use std::collections::HashSet;

use bytes::Bytes;
use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use serde_json::json;
use tokio_postgres::Row;

use super::{
    Checkpoint, Mapping, Resume,
    parts::{Kind, note_with},
    postgres::OfUpload,
    resume::By,
    uploads::{Upload, as_json, get, json_of, unkept},
};
use crate::{
    database::{pool::Step, signed},
    store::PgStore,
};

/// Numbers of what there is already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) number: i32,
    pub(super) batches: i32,
    pub(super) failed_parts: usize,
}

/// Where an upload's import goes on, and under which numbers.
pub(super) struct GoingOn {
    pub(super) resume: Resume,
    pub(super) of: OfUpload,
}

const CHECKPOINT: &str = "INSERT INTO app.import_checkpoint (tenant_id, user_id, upload_id, number, up_to_row, waits, settled, progress, batches, failed_parts) \
    SELECT u.tenant_id, u.user_id, u.id, $3, $4, $5, $6, $7, $8, $9 FROM app.import_upload u \
    WHERE u.id = $1 AND u.claims = $2 AND u.state = 'running' RETURNING number";
/// An early end, of an import whose file is still here and that nobody has taken back. One that a version before had begun can't go on.
const CAN_GO_ON: &str = "u.state = 'ended' AND u.outcome IN ('stopped', 'cancelled') AND u.run_id IS NOT NULL \
    AND u.problem IS DISTINCT FROM 'interrupted' AND EXISTS (SELECT FROM app.import_part p WHERE p.upload_id = u.id AND p.kind = 'file') \
    AND NOT EXISTS (SELECT FROM app.import_undo n WHERE n.run_id = u.run_id)";
const USEFUL: &str = "UPDATE app.import_upload u SET useful_claim = u.claims, progress = $3 WHERE u.id = $1 AND u.claims = $2";
const CHECKPOINTS: &str = "SELECT c.number, c.up_to_row, c.waits, c.settled, c.progress, c.batches, c.failed_parts \
    FROM app.import_checkpoint c WHERE c.upload_id = $1 ORDER BY c.number";
/// Batches announced since; those of a version before say no rows.
const SINCE: &str = "SELECT b.first_row, b.last_row, b.created, b.updated, b.versions, b.created_rows, b.updated_rows, b.number \
    FROM app.import_batch b WHERE b.run_id = $1 AND b.number >= $2 ORDER BY b.number";
const GOES_ON: &str = "UPDATE app.import_upload u SET interruptions = u.interruptions + 1, resumed_at = transaction_timestamp(), resumed_row = $3, progress = $4 \
    WHERE u.id = $1 AND u.claims = $2 AND u.state = 'running' AND NOT EXISTS (SELECT FROM app.import_undo n WHERE n.run_id = u.run_id) RETURNING u.id";
const REOPEN: &str = "UPDATE app.import_run r SET ended_at = NULL, outcome = NULL WHERE r.id = $1 AND EXISTS ( \
    SELECT FROM app.import_upload u WHERE u.id = $2 AND u.claims = $3 AND u.state = 'running')";

impl PgStore {
    /// Keeps a checkpoint with the failed rows before it; answers how many parts these have now.
    pub(super) async fn note_checkpoint(
        &self,
        upload: &OfUpload,
        marks: Marks,
        checkpoint: &Checkpoint,
        failed: Bytes,
    ) -> Result<usize, StoreError> {
        let laid = self.lay_all(upload.id, Kind::Failed, marks.failed_parts, failed);
        let laid = laid.await.map_err(unkept)?;
        let failed_parts = marks.failed_parts + laid.len();
        let parts = i32::try_from(failed_parts).map_err(StoreError::internal)?;
        let rows = |rows: &[u64]| -> Vec<i64> { rows.iter().copied().map(signed).collect() };
        let (waits, settled) = (rows(&checkpoint.waits), rows(&checkpoint.settled));
        let (up_to_row, progress) = (signed(checkpoint.up_to_row), as_json(&checkpoint.progress));
        let id = upload.id.to_string();
        let steps = [
            Step {
                sql: CHECKPOINT,
                params: &[
                    &id,
                    &upload.claim,
                    &marks.number,
                    &up_to_row,
                    &waits,
                    &settled,
                    &progress,
                    &marks.batches,
                    &parts,
                ],
            },
            Step {
                sql: USEFUL,
                params: &[&id, &upload.claim, &progress],
            },
        ];
        let noted = note_with(self, upload.id, &laid, Some(upload.claim), &steps).await?;
        if noted.first().is_none_or(Vec::is_empty) {
            // Another server goes on with it.
            return Err(StoreError::Busy);
        }
        Ok(failed_parts)
    }

    /// Keeps failed rows of an import that ends early, behind those that have `before` parts; answers how many parts these have now.
    pub(super) async fn note_failed(
        &self,
        upload: &OfUpload,
        before: usize,
        failed: Bytes,
    ) -> Result<usize, StoreError> {
        let laid = self.lay_all(upload.id, Kind::Failed, before, failed);
        let laid = laid.await.map_err(unkept)?;
        note_with(self, upload.id, &laid, Some(upload.claim), &[]).await?;
        Ok(before + laid.len())
    }

    /// Where the import of an upload goes on that has a run; `None` when that can't be told.
    pub(super) async fn going_on(
        &self,
        upload: &Upload,
        run: RecordId,
        claim: i32,
    ) -> Result<Option<GoingOn>, StoreError> {
        let Some(began) = self.import_run(run).await? else {
            return Ok(None);
        };
        let rows = self.run_step(CHECKPOINTS, &[&upload.id.as_str()]).await?;
        let mut resume = Resume::new(run);
        let mut of = OfUpload::new(upload.id, claim);
        for row in &rows {
            resume.replay(&checkpoint(row)?);
        }
        if let Some(last) = rows.last() {
            of.checkpoints = get::<i32>(last, 0)? + 1;
            of.batches = get(last, 5)?;
            of.failed_parts = usize::try_from(get::<i32>(last, 6)?).unwrap_or(0);
        }
        let since = self.run_step(SINCE, &[&run.as_str(), &of.batches]).await?;
        let by = By {
            person: began.by,
            since: began.began_at,
        };
        for row in &since {
            let mut batch = super::uploads::batch(row)?;
            let (Some(created), Some(updated)) = (numbers(row, 5)?, numbers(row, 6)?) else {
                return Ok(None);
            };
            (batch.created_rows, batch.updated_rows) = (created, updated);
            let there = self.taken(&batch.created).await?;
            resume.add(&batch, &there, self, by).await?;
            of.batches = get::<i32>(row, 7)? + 1;
        }
        Ok(Some(GoingOn { resume, of }))
    }

    /// Those of the ids that records have, whoever sees them.
    async fn taken(&self, ids: &[RecordId]) -> Result<HashSet<RecordId>, StoreError> {
        let ids: Vec<&str> = ids.iter().map(RecordId::as_str).collect();
        let sql = "SELECT t.id FROM app.taken_ids($1) AS t (id)";
        let rows: Vec<Row> = self.run_step(sql, &[&ids]).await?;
        rows.iter()
            .map(|row| get::<&str>(row, 0)?.parse().map_err(StoreError::internal))
            .collect()
    }

    /// Notes that an import goes on, and takes back what was written of failed rows after the last checkpoint. False when it isn't this server's.
    pub(super) async fn note_going_on(&self, going: &GoingOn) -> Result<bool, StoreError> {
        let GoingOn { resume, of } = going;
        let (id, run) = (of.id.to_string(), resume.run.to_string());
        let (row, progress) = (signed(resume.up_to_row + 1), as_json(&resume.progress));
        let steps = [
            Step {
                sql: GOES_ON,
                params: &[&id, &of.claim, &row, &progress],
            },
            Step {
                sql: REOPEN,
                params: &[&run, &id, &of.claim],
            },
        ];
        let noted = note_with(self, of.id, &[], None, &steps).await?;
        if noted.first().is_none_or(Vec::is_empty) {
            return Ok(false);
        }
        self.remove_parts_from(of.id, Kind::Failed, of.failed_parts)
            .await?;
        Ok(true)
    }

    /// The mapping with which an import began.
    pub(super) async fn mapping_of(&self, id: RecordId) -> Result<Option<Mapping>, StoreError> {
        let sql = "SELECT u.mapping FROM app.import_upload u WHERE u.id = $1";
        let rows = self.run_step(sql, &[&id.as_str()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let json: Option<serde_json::Value> = get(row, 0)?;
        Ok(json.and_then(|json| serde_json::from_value(json).ok()))
    }

    /// Keeps it.
    pub(super) async fn keep_mapping(
        &self,
        id: RecordId,
        claim: i32,
        mapping: &Mapping,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE app.import_upload u SET mapping = $3 WHERE u.id = $1 AND u.claims = $2";
        self.run_step(sql, &[&id.as_str(), &claim, &as_json(mapping)])
            .await
            .map(drop)
    }

    /// Gives an import back that goes on later, at once or when its claim would have ended.
    pub(super) async fn release_upload(
        &self,
        id: RecordId,
        claim: i32,
        at_once: bool,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE app.import_upload u SET state = 'queued', claimed_until = CASE WHEN $3 THEN NULL ELSE u.claimed_until END \
            WHERE u.id = $1 AND u.claims = $2 AND u.state = 'running'";
        self.run_step(sql, &[&id.as_str(), &claim, &at_once])
            .await
            .map(drop)
    }

    /// Hands an import over to the job once more that came to an early end. False when it can't go on any more.
    pub(crate) async fn continue_upload(&self, upload: &Upload) -> Result<bool, StoreError> {
        let sql = format!(
            "WITH u AS (UPDATE app.import_upload u SET state = 'queued', outcome = NULL, problem = NULL, ended_at = NULL, cancelled = false, \
            claimed_until = NULL, useful_claim = u.claims WHERE u.id = $1 AND {CAN_GO_ON} RETURNING u.run_id) \
            UPDATE app.import_run r SET ended_at = NULL, outcome = NULL FROM u WHERE r.id = u.run_id RETURNING r.id"
        );
        let detail = json!({ "object": upload.object, "name": upload.file, "continued": true });
        self.hand_over(&sql, upload, &detail).await
    }

    /// Whether an import that came to an early end can go on.
    pub(crate) async fn can_continue(&self, upload: &Upload) -> Result<bool, StoreError> {
        let sql = format!("SELECT 1 FROM app.import_upload u WHERE u.id = $1 AND {CAN_GO_ON}");
        Ok(!self
            .run_step(&sql, &[&upload.id.as_str()])
            .await?
            .is_empty())
    }
}

/// Numbers of rows.
fn numbers(row: &Row, at: usize) -> Result<Option<Vec<u64>>, StoreError> {
    let numbers: Option<Vec<i64>> = get(row, at)?;
    Ok(numbers.map(|numbers| numbers.into_iter().map(i64::unsigned_abs).collect()))
}

fn checkpoint(row: &Row) -> Result<Checkpoint, StoreError> {
    Ok(Checkpoint {
        up_to_row: get::<i64>(row, 1)?.unsigned_abs(),
        waits: numbers(row, 2)?.unwrap_or_default(),
        settled: numbers(row, 3)?.unwrap_or_default(),
        progress: json_of(row, 4)?,
    })
}
