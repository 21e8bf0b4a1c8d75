//! Files that people have brought in the browser, and imports that were run and taken back: what is kept of them, as one person sees it.
//!
//! An upload is its person's alone, by the policies. An import that was run is everybody's to see; whoever has rights may take it back.

use bytes::Bytes;
use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tokio_postgres::{
    Row,
    types::{FromSql, ToSql},
};

use super::{
    Batch, Choices, End, Kept, Progress, Undone,
    parts::{Kind, note_with},
};
use crate::{
    attachments::AttachmentError,
    database::{pool::Step, signed},
    identity::audit::Action,
    store::{PgStore, store_error},
};

const UPLOAD_PREFIX: [u8; 3] = *b"0IU";
/// Imports shown.
const RUNS: i64 = 200;
/// Files of one person that nothing was imported from yet.
const DRAFTS_MAX: i64 = 10;
/// And bytes of all of them.
const DRAFTS_BYTES_MAX: i64 = 1 << 30;

/// A file that somebody has brought.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) id: RecordId,
    pub(crate) object: String,
    pub(crate) file: String,
    /// How large it is, or is said to be.
    pub(crate) bytes: u64,
    /// What its text is written in, once all of it has arrived.
    pub(crate) encoding: Option<String>,
    pub(crate) choices: Choices,
    pub(crate) state: State,
    pub(crate) run: Option<RecordId>,
    pub(crate) progress: Progress,
    pub(crate) cancelled: bool,
    pub(crate) problem: Option<String>,
    /// How often it was interrupted and went on, and from which row the last time.
    pub(crate) interruptions: u64,
    pub(crate) resumed_row: u64,
    /// The claim under which it last got anywhere.
    pub(crate) useful_claim: i32,
}

/// How far an upload, or taking an import back, has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Arriving,
    Draft,
    Queued,
    Running,
    Ended,
}

impl State {
    fn of(name: &str) -> Self {
        match name {
            "arriving" => Self::Arriving,
            "draft" => Self::Draft,
            "queued" => Self::Queued,
            "running" => Self::Running,
            _ => Self::Ended,
        }
    }
}

/// An import that was run.
#[derive(Debug, Clone)]
pub(crate) struct ImportRun {
    pub(crate) id: RecordId,
    pub(crate) object: String,
    pub(crate) file: String,
    pub(crate) by: RecordId,
    pub(crate) began_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) outcome: Option<String>,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) skipped: i64,
    pub(crate) failed: i64,
    pub(crate) undo: Option<Undo>,
}

/// Taking an import back.
#[derive(Debug, Clone)]
pub(crate) struct Undo {
    pub(crate) state: State,
    pub(crate) undone: Undone,
    pub(crate) problem: Option<String>,
}

const UPLOAD: &str = "SELECT id, object, file, choices, state, run_id, progress, cancelled, problem, bytes, encoding, interruptions, resumed_row, useful_claim FROM app.import_upload";
const RUN: &str = "SELECT r.id, r.object, r.file, r.by_id, r.began_at, r.ended_at, r.outcome, r.created, r.updated, r.skipped, r.failed, \
    u.state, u.progress, u.problem FROM app.import_run r LEFT JOIN app.import_undo u ON u.tenant_id = r.tenant_id AND u.run_id = r.id";

impl PgStore {
    /// Makes room for a file of so many bytes, which then arrives part by part.
    pub(crate) async fn expect_upload(
        &self,
        object: &str,
        file: &str,
        bytes: u64,
        choices: &Choices,
    ) -> Result<RecordId, StoreError> {
        let id = self.fresh_id(UPLOAD_PREFIX);
        let file: String = file.chars().filter(|c| !c.is_control()).take(255).collect();
        let file = if file.is_empty() {
            "file".to_owned()
        } else {
            file
        };
        let (size, choices) = (i64::try_from(bytes).unwrap_or(i64::MAX), as_json(choices));
        let room = (DRAFTS_BYTES_MAX - size).max(0);
        let steps = [
            // Files that somebody brought and went no further with make room for new ones, the oldest first.
            Step {
                sql: "DELETE FROM app.import_upload u WHERE u.state IN ('arriving', 'draft') AND u.id NOT IN ( \
                    SELECT d.id FROM (SELECT d.id, row_number() OVER newest AS place, (sum(d.bytes) OVER newest)::bigint AS bytes \
                        FROM app.import_upload d WHERE d.state IN ('arriving', 'draft') WINDOW newest AS (ORDER BY d.created_at DESC, d.id DESC)) d \
                    WHERE d.place <= $1 AND d.bytes <= $2)",
                params: &[&(DRAFTS_MAX - 1), &room],
            },
            Step {
                sql: "INSERT INTO app.import_upload (tenant_id, user_id, id, object, file, bytes, choices, state, in_parts, created_at) \
                    SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), $1, $2, $3, $4, $5, 'arriving', true, transaction_timestamp()",
                params: &[&id.as_str(), &object, &file, &size, &choices],
            },
        ];
        let flight = self.pool().flight(self.actor(), None, &steps).await;
        self.note_outcome(flight.map_err(store_error))?;
        self.note_written();
        Ok(id)
    }

    /// Notes what was found out about a file of which all has arrived: from then on it is a draft. False when it was one before.
    pub(crate) async fn note_arrived(
        &self,
        id: RecordId,
        object: &str,
        bytes: u64,
        encoding: &str,
        choices: &Choices,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE app.import_upload u SET state = 'draft', object = $2, bytes = $3, encoding = $4, choices = $5, claimed_until = NULL \
            WHERE u.id = $1 AND u.state = 'arriving' RETURNING u.id";
        let size = i64::try_from(bytes).unwrap_or(i64::MAX);
        let (id, choices) = (id.to_string(), as_json(choices));
        let steps = [
            Step {
                sql,
                params: &[&id, &object, &size, &encoding, &choices],
            },
            Step {
                // Where other text was made of it, it is of no use any more.
                sql: "UPDATE app.import_part p SET kind = 'file' WHERE p.upload_id = $1 AND p.kind = 'brought' \
                    AND EXISTS (SELECT FROM app.import_upload u WHERE u.id = $1 AND u.state = 'draft') \
                    AND NOT EXISTS (SELECT FROM app.import_part f WHERE f.upload_id = $1 AND f.kind = 'file')",
                params: &[&id],
            },
        ];
        let flight = self.pool().flight(self.actor(), None, &steps).await;
        let answers = self.note_outcome(flight.map_err(store_error))?;
        self.note_written();
        Ok(answers.first().is_some_and(|rows| !rows.is_empty()))
    }

    /// Takes the turn to look through a file that has arrived; false while somebody else has it, for minutes at most.
    pub(crate) async fn claim_arrival(&self, id: RecordId) -> Result<bool, StoreError> {
        let sql = "UPDATE app.import_upload u SET claimed_until = transaction_timestamp() + interval '5 minutes' \
            WHERE u.id = $1 AND u.state = 'arriving' AND (u.claimed_until IS NULL OR u.claimed_until < transaction_timestamp()) RETURNING u.id";
        self.changed(sql, &[&id.as_str()]).await
    }

    /// Gives that turn back: the file may be looked through again.
    pub(crate) async fn release_arrival(&self, id: RecordId) -> Result<(), StoreError> {
        let sql = "UPDATE app.import_upload u SET claimed_until = NULL WHERE u.id = $1 AND u.state = 'arriving'";
        self.run_step(sql, &[&id.as_str()]).await.map(drop)
    }

    /// Throws a file away that was looked through and is of no use.
    pub(crate) async fn drop_arrival(&self, id: RecordId) -> Result<(), StoreError> {
        let sql = "DELETE FROM app.import_upload u WHERE u.id = $1 AND u.state = 'arriving'";
        self.run_step(sql, &[&id.as_str()]).await.map(drop)
    }

    /// One of the caller's uploads.
    pub(crate) async fn import_upload(&self, id: RecordId) -> Result<Option<Upload>, StoreError> {
        let rows = self
            .run_step(&format!("{UPLOAD} WHERE id = $1"), &[&id.as_str()])
            .await?;
        rows.first().map(upload).transpose()
    }

    /// The caller's upload that a run came of.
    pub(crate) async fn upload_of_run(&self, run: RecordId) -> Result<Option<Upload>, StoreError> {
        let rows = self
            .run_step(&format!("{UPLOAD} WHERE run_id = $1"), &[&run.as_str()])
            .await?;
        rows.first().map(upload).transpose()
    }

    /// The caller's uploads that aren't done with, newest first.
    pub(crate) async fn open_uploads(&self) -> Result<Vec<Upload>, StoreError> {
        let sql = format!(
            "{UPLOAD} WHERE state <> 'arriving' AND (state <> 'ended' OR run_id IS NULL) ORDER BY id DESC LIMIT 20"
        );
        let rows = self.run_step(&sql, &[]).await?;
        rows.iter().map(upload).collect()
    }

    /// Whether an upload has failed rows.
    pub(crate) async fn has_failed_rows(&self, id: RecordId) -> Result<bool, StoreError> {
        let sql =
            "SELECT 1 FROM app.import_part p WHERE p.upload_id = $1 AND p.kind = 'failed' LIMIT 1";
        Ok(!self.run_step(sql, &[&id.as_str()]).await?.is_empty())
    }

    /// Notes what is chosen about a draft; false when it is none any more.
    pub(crate) async fn choose(&self, id: RecordId, choices: &Choices) -> Result<bool, StoreError> {
        let sql = "UPDATE app.import_upload u SET choices = $2 WHERE u.id = $1 AND u.state = 'draft' RETURNING u.id";
        self.changed(sql, &[&id.as_str(), &as_json(choices)]).await
    }

    /// Hands a draft over to the job that imports.
    pub(crate) async fn start_upload(&self, upload: &Upload) -> Result<bool, StoreError> {
        let sql = "UPDATE app.import_upload u SET state = 'queued', progress = '{}', problem = NULL WHERE u.id = $1 AND u.state = 'draft' RETURNING u.id";
        let detail = json!({ "object": upload.object, "name": upload.file });
        self.hand_over(sql, upload, &detail).await
    }

    /// Hands an import over to the job by `sql`, which answers whether it is one that can be.
    pub(super) async fn hand_over(
        &self,
        sql: &str,
        upload: &Upload,
        detail: &Json,
    ) -> Result<bool, StoreError> {
        let id = upload.id.to_string();
        let params: &[&(dyn ToSql + Sync)] = &[&id];
        self.run_if_found(Step { sql, params }, Action::ImportStart, upload.id, detail)
            .await
    }

    /// Asks an import that waits or runs to end.
    pub(crate) async fn cancel_upload(&self, id: RecordId) -> Result<bool, StoreError> {
        let sql = "UPDATE app.import_upload u SET cancelled = true WHERE u.id = $1 AND u.state IN ('queued', 'running') RETURNING u.id";
        self.changed(sql, &[&id.as_str()]).await
    }

    /// Makes a draft again of what ended before it had begun.
    pub(crate) async fn retry_upload(&self, id: RecordId) -> Result<bool, StoreError> {
        let sql = "UPDATE app.import_upload u SET state = 'draft', outcome = NULL, problem = NULL, ended_at = NULL, cancelled = false, \
            useful_claim = u.claims, mapping = NULL, claimed_until = NULL WHERE u.id = $1 AND u.state = 'ended' AND u.run_id IS NULL RETURNING u.id";
        self.changed(sql, &[&id.as_str()]).await
    }

    /// Throws away what arrives, a draft, or what ended before it had begun.
    pub(crate) async fn drop_upload(&self, id: RecordId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM app.import_upload u WHERE u.id = $1 AND u.state IN ('arriving', 'draft', 'ended') RETURNING u.id";
        self.changed(sql, &[&id.as_str()]).await
    }

    /// Notes how far an import is and claims it for longer; answers whether it is to end, or nothing when it isn't this claim's any more.
    pub(super) async fn note_progress(
        &self,
        id: RecordId,
        claim: i32,
        progress: &Progress,
        lease_s: f64,
    ) -> Result<Option<bool>, StoreError> {
        let sql = "UPDATE app.import_upload u SET progress = $2, claimed_until = transaction_timestamp() + make_interval(secs => $3) \
            WHERE u.id = $1 AND u.claims = $4 AND u.state = 'running' RETURNING u.cancelled";
        let rows = self
            .run_step(sql, &[&id.as_str(), &as_json(progress), &lease_s, &claim])
            .await?;
        rows.first().map(|row| get(row, 0)).transpose()
    }

    /// Notes how an import ended, with its last failed rows. Nothing happens when it isn't this claim's any more.
    pub(super) async fn end_upload(
        &self,
        id: RecordId,
        claim: i32,
        end: &End,
        progress: &Progress,
        failed: Bytes,
    ) -> Result<(), StoreError> {
        let (outcome, problem) = match end {
            End::Complete => ("complete", None),
            End::Cancelled => ("cancelled", None),
            End::Stopped(why) => ("stopped", Some(why)),
            End::Suspended => return Ok(()),
        };
        let problem: Option<String> = problem.map(|text| text.chars().take(2000).collect());
        let (key, progress) = (id.to_string(), as_json(progress));
        let known = self.import_parts(id, Kind::Failed).await?.len();
        let laid = self.lay_all(id, Kind::Failed, known, failed);
        let laid = laid.await.map_err(unkept)?;
        let step = Step {
            sql: "UPDATE app.import_upload u SET state = 'ended', outcome = $2, progress = $3, problem = $4, ended_at = transaction_timestamp() \
                WHERE u.id = $1 AND u.claims = $5 AND u.state = 'running' RETURNING u.id",
            params: &[&key, &outcome, &progress, &problem, &claim],
        };
        let noted = note_with(self, id, &laid, Some(claim), &[step]).await?;
        if noted.first().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        if *end == End::Complete {
            // Nobody needs it any more; what failed lies apart.
            self.remove_parts_from(id, Kind::File, 0).await?;
        }
        // Whether that can be told or not: the import has ended.
        if let Err(error) = self.tell_import(id).await {
            tracing::debug!(%error, "nobody could be told that an import has ended");
        }
        Ok(())
    }

    /// Closes the journal of an import that ends early. Nothing happens when it isn't this claim's any more.
    pub(super) async fn close_run(
        &self,
        id: RecordId,
        claim: i32,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE app.import_run r SET ended_at = transaction_timestamp(), outcome = 'stopped', created = $3, updated = $4, skipped = $5, failed = $6 \
            WHERE r.id = (SELECT u.run_id FROM app.import_upload u WHERE u.id = $1 AND u.claims = $2 AND u.state = 'running') AND r.ended_at IS NULL";
        let [created, updated, skipped, failed] = [
            progress.created,
            progress.updated,
            progress.skipped,
            progress.failed,
        ]
        .map(signed);
        let params: &[&(dyn ToSql + Sync)] =
            &[&id.as_str(), &claim, &created, &updated, &skipped, &failed];
        self.run_step(sql, params).await.map(drop)
    }

    /// Imports of the workspace, newest first.
    pub(crate) async fn import_runs(&self) -> Result<Vec<ImportRun>, StoreError> {
        let rows = self
            .run_step(&format!("{RUN} ORDER BY r.id DESC LIMIT {RUNS}"), &[])
            .await?;
        rows.iter().map(run).collect()
    }

    /// One of them.
    pub(crate) async fn import_run(&self, id: RecordId) -> Result<Option<ImportRun>, StoreError> {
        let rows = self
            .run_step(&format!("{RUN} WHERE r.id = $1"), &[&id.as_str()])
            .await?;
        rows.first().map(run).transpose()
    }

    /// Hands an import that has ended over to the job that takes it back; false when somebody has done so already.
    pub(crate) async fn start_undo(&self, run: &ImportRun) -> Result<bool, StoreError> {
        let sql = "INSERT INTO app.import_undo AS u (tenant_id, run_id, by_id, began_at) \
            SELECT (SELECT app.tenant_id()), r.id, (SELECT app.user_id()), transaction_timestamp() FROM app.import_run r WHERE r.id = $1 AND r.ended_at IS NOT NULL \
            ON CONFLICT (tenant_id, run_id) DO UPDATE SET state = 'queued', by_id = excluded.by_id, problem = NULL, ended_at = NULL, claims = 0, \
                claimed_until = NULL WHERE u.state = 'ended' AND u.problem IS NOT NULL RETURNING run_id";
        let detail = json!({ "object": run.object, "name": run.file });
        let id = run.id.to_string();
        self.run_if_found(
            Step {
                sql,
                params: &[&id],
            },
            Action::ImportUndo,
            run.id,
            &detail,
        )
        .await
    }

    /// What an import announced, in order.
    pub(crate) async fn import_batches(&self, run: RecordId) -> Result<Vec<Batch>, StoreError> {
        let sql = "SELECT b.first_row, b.last_row, b.created, b.updated, b.versions FROM app.import_batch b WHERE b.run_id = $1 ORDER BY b.number";
        let rows = self.run_step(sql, &[&run.as_str()]).await?;
        rows.iter().map(batch).collect()
    }

    /// Notes how far taking back is, what it left, and claims it for longer; false when it isn't this job's any more.
    pub(crate) async fn note_undone(
        &self,
        run: RecordId,
        undone: &Undone,
        kept: &[Kept],
        lease_s: f64,
    ) -> Result<bool, StoreError> {
        let (records, fields, reasons): (Vec<&str>, Vec<&str>, Vec<&str>) = kept.iter().fold(
            Default::default(),
            |mut columns: (Vec<_>, Vec<_>, Vec<_>), kept| {
                columns.0.push(kept.record.as_str());
                columns.1.push(kept.field.as_deref().unwrap_or_default());
                columns.2.push(kept.reason.name());
                columns
            },
        );
        let (key, undone) = (run.to_string(), as_json(undone));
        let steps = [
            Step {
                sql: "INSERT INTO app.import_kept (tenant_id, run_id, record_id, field, reason) \
                    SELECT (SELECT app.tenant_id()), $1, k.record, k.field, k.reason FROM unnest($2::text[], $3::text[], $4::text[]) k(record, field, reason) \
                    ON CONFLICT (tenant_id, run_id, record_id, field) DO UPDATE SET reason = excluded.reason",
                params: &[&key, &records, &fields, &reasons],
            },
            Step {
                sql: "UPDATE app.import_undo u SET progress = $2, claimed_until = transaction_timestamp() + make_interval(secs => $3) \
                    WHERE u.run_id = $1 AND u.state = 'running' RETURNING u.run_id",
                params: &[&key, &undone, &lease_s],
            },
        ];
        let flight = self.pool().flight(self.actor(), None, &steps).await;
        let answers = self.note_outcome(flight.map_err(store_error))?;
        Ok(answers.last().is_some_and(|rows| !rows.is_empty()))
    }

    /// Notes that taking back has ended.
    pub(crate) async fn end_undo(
        &self,
        run: RecordId,
        problem: Option<&str>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE app.import_undo u SET state = 'ended', problem = $2, ended_at = transaction_timestamp() WHERE u.run_id = $1";
        self.run_step(sql, &[&run.as_str(), &problem])
            .await
            .map(drop)
    }

    /// What taking an import back has left: record, field, reason.
    pub(crate) async fn import_kept(
        &self,
        run: RecordId,
        most: i64,
    ) -> Result<Vec<(RecordId, String, String)>, StoreError> {
        let sql = "SELECT k.record_id, k.field, k.reason FROM app.import_kept k WHERE k.run_id = $1 ORDER BY k.record_id, k.field LIMIT $2";
        let rows = self.run_step(sql, &[&run.as_str(), &most]).await?;
        rows.iter()
            .map(|row| Ok((id(row, 0)?, get(row, 1)?, get(row, 2)?)))
            .collect()
    }

    async fn changed(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<bool, StoreError> {
        let rows = self.run_step(sql, params).await?;
        if !rows.is_empty() {
            self.note_written();
        }
        Ok(!rows.is_empty())
    }
}

/// Why failed rows can't be kept, for whoever may try again.
pub(super) fn unkept(error: AttachmentError) -> StoreError {
    match error {
        AttachmentError::Store(error) => error,
        error => {
            tracing::warn!(%error, "failed rows of an import can't be kept");
            StoreError::Busy
        }
    }
}

pub(super) fn as_json(value: &impl serde::Serialize) -> Json {
    // Plain structs of texts and numbers always serialise.
    serde_json::to_value(value).unwrap_or_default()
}

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, StoreError> {
    row.try_get(at).map_err(StoreError::internal)
}

fn id(row: &Row, at: usize) -> Result<RecordId, StoreError> {
    get::<&str>(row, at)?
        .parse()
        .map_err(|_| StoreError::internal("a stored id can't be read"))
}

fn maybe_id(row: &Row, at: usize) -> Result<Option<RecordId>, StoreError> {
    Ok(get::<Option<&str>>(row, at)?.and_then(|text| text.parse().ok()))
}

/// What a newer version has written is read as far as it is known.
pub(super) fn json_of<T: serde::de::DeserializeOwned + Default>(
    row: &Row,
    at: usize,
) -> Result<T, StoreError> {
    let json: Option<Json> = get(row, at)?;
    Ok(json
        .and_then(|json| serde_json::from_value(json).ok())
        .unwrap_or_default())
}

fn upload(row: &Row) -> Result<Upload, StoreError> {
    Ok(Upload {
        id: id(row, 0)?,
        object: get(row, 1)?,
        file: get(row, 2)?,
        choices: json_of(row, 3)?,
        state: State::of(get(row, 4)?),
        run: maybe_id(row, 5)?,
        progress: json_of(row, 6)?,
        cancelled: get(row, 7)?,
        problem: get(row, 8)?,
        bytes: get::<i64>(row, 9)?.unsigned_abs(),
        encoding: get(row, 10)?,
        interruptions: u64::from(get::<i32>(row, 11)?.unsigned_abs()),
        resumed_row: get::<Option<i64>>(row, 12)?.unwrap_or(0).unsigned_abs(),
        useful_claim: get(row, 13)?,
    })
}

fn run(row: &Row) -> Result<ImportRun, StoreError> {
    let state: Option<&str> = get(row, 11)?;
    Ok(ImportRun {
        id: id(row, 0)?,
        object: get(row, 1)?,
        file: get(row, 2)?,
        by: id(row, 3)?,
        began_at: get(row, 4)?,
        ended_at: get(row, 5)?,
        outcome: get(row, 6)?,
        created: get(row, 7)?,
        updated: get(row, 8)?,
        skipped: get(row, 9)?,
        failed: get(row, 10)?,
        undo: match state {
            Some(state) => Some(Undo {
                state: State::of(state),
                undone: json_of(row, 12)?,
                problem: get(row, 13)?,
            }),
            None => None,
        },
    })
}

pub(super) fn batch(row: &Row) -> Result<Batch, StoreError> {
    let ids = |at: usize| -> Result<Vec<RecordId>, StoreError> {
        let texts: Vec<&str> = get(row, at)?;
        Ok(texts
            .into_iter()
            .filter_map(|text| text.parse().ok())
            .collect())
    };
    let (first, last): (i64, i64) = (get(row, 0)?, get(row, 1)?);
    let versions: Vec<i64> = get(row, 4)?;
    Ok(Batch {
        rows: (first.unsigned_abs(), last.unsigned_abs()),
        created: ids(2)?,
        updated: ids(3)?.into_iter().zip(versions).collect(),
        ..Batch::default()
    })
}

/// The people who ran imports, each once.
pub(crate) fn people(runs: &[ImportRun]) -> Vec<RecordId> {
    let mut by: Vec<RecordId> = runs.iter().map(|run| run.by).collect();
    by.sort_unstable();
    by.dedup();
    by
}
