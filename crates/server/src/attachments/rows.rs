//! What the database knows of content.

use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::{Announcement, AttachmentError, PART_SIZE, Upload};
use crate::{
    database::{pool::Step, signed},
    store::{PgStore, column, store_error},
};

const SHOW: &str = "SELECT c.content_type, c.size, c.sha256, c.part_size, c.ready_at, \
    ARRAY(SELECT p.number FROM app.content_part p WHERE p.content_id = c.id ORDER BY p.number), \
    ARRAY(SELECT p.object FROM app.content_part p WHERE p.content_id = c.id ORDER BY p.number) \
    FROM app.content c JOIN app.attachment a ON a.tenant_id = c.tenant_id AND a.id = c.id WHERE c.id = $1";
/// Parts of other content than what is announced now. Content that is complete keeps its own.
const FORGET: &str = "WITH c AS (SELECT c.tenant_id, c.id FROM app.content c WHERE c.id = $1 AND c.ready_at IS NULL \
        AND (c.content_type, c.size, c.part_size, c.sha256) IS DISTINCT FROM ($2::text, $3::bigint, $4::bigint, $5::text) FOR UPDATE) \
    DELETE FROM app.content_part p USING c WHERE p.tenant_id = c.tenant_id AND p.content_id = c.id RETURNING p.number, p.object";
const ANNOUNCE: &str = "INSERT INTO app.content AS c (tenant_id, id, content_type, size, part_size, sha256, created_at, created_by_id) \
    SELECT a.tenant_id, a.id, $2::text, $3::bigint, $4::bigint, $5::text, $6::timestamptz, (SELECT app.user_id()) \
    FROM app.attachment a WHERE a.id = $1 AND a.deleted_at IS NULL \
    ON CONFLICT (tenant_id, id) DO UPDATE SET content_type = excluded.content_type, size = excluded.size, \
    part_size = excluded.part_size, sha256 = excluded.sha256, created_at = excluded.created_at, created_by_id = excluded.created_by_id \
    WHERE c.ready_at IS NULL";
const PUT: &str = "INSERT INTO app.content_part (tenant_id, content_id, number, object) \
    SELECT c.tenant_id, c.id, $2, $3 FROM app.content c WHERE c.id = $1 AND c.ready_at IS NULL \
    ON CONFLICT (tenant_id, content_id, number) DO NOTHING RETURNING number";
const FORGET_ALL: &str = "WITH c AS (SELECT c.tenant_id, c.id FROM app.content c WHERE c.id = $1 AND c.ready_at IS NULL FOR UPDATE) \
    DELETE FROM app.content_part p USING c WHERE p.tenant_id = c.tenant_id AND p.content_id = c.id RETURNING p.number, p.object";
/// Only what was looked at becomes complete: not what somebody has announced or sent meanwhile.
const READY: &str = "UPDATE app.content c SET ready_at = $2::timestamptz, sha256 = $3 WHERE c.id = $1 AND c.ready_at IS NULL \
    AND (c.content_type, c.size) = ($4::text, $5::bigint) AND c.sha256 IS NOT DISTINCT FROM $6::text \
    AND ARRAY(SELECT p.object FROM app.content_part p WHERE p.tenant_id = c.tenant_id AND p.content_id = c.id ORDER BY p.number) = $7::text[]";
const STORED: &str = "UPDATE app.attachment a SET content_type = c.content_type, content_type_key = c.content_type, size = c.size, \
    sha256 = c.sha256, sha256_key = c.sha256, stored_at = c.ready_at, version = a.version + 1, updated_at = c.ready_at, updated_by_id = (SELECT app.user_id()) \
    FROM app.content c WHERE a.id = $1 AND a.stored_at IS NULL AND c.tenant_id = a.tenant_id AND c.id = a.id AND c.ready_at = $2::timestamptz";
const TELL: &str = "INSERT INTO app.history (tenant_id, record_id, version, at, by_id, action, changes) \
    SELECT a.tenant_id, a.id, a.version, $2::timestamptz, a.updated_by_id, 'updated', jsonb_build_object( \
        'content_type', jsonb_build_array(NULL, a.content_type), 'size', jsonb_build_array(NULL, a.size)) \
    FROM app.attachment a WHERE a.id = $1 AND a.stored_at = $2::timestamptz";

impl PgStore {
    /// What is known of an attachment's content.
    pub(super) async fn content_of(&self, id: RecordId) -> Result<Option<Upload>, AttachmentError> {
        let rows = self.run_step(SHOW, &[&id.as_str()]).await?;
        Ok(rows.first().map(read).transpose()?)
    }

    /// Announces content; `None` when there is no such attachment to give content to. With it, the parts of what was announced before.
    pub(super) async fn announce_content(
        &self,
        id: RecordId,
        announced: &Announcement,
    ) -> Result<(Option<Upload>, Vec<Part>), AttachmentError> {
        let (size, part_size) = (signed(announced.size), signed(PART_SIZE));
        let (kind, digest) = (&announced.content_type, &announced.sha256);
        let now = self.now();
        let steps = [
            Step {
                sql: FORGET,
                params: &[&id.as_str(), kind, &size, &part_size, digest],
            },
            Step {
                sql: ANNOUNCE,
                params: &[&id.as_str(), kind, &size, &part_size, digest, &now],
            },
            Step {
                sql: SHOW,
                params: &[&id.as_str()],
            },
        ];
        let rows = self.write_content(&steps).await?;
        let shown = rows.last().and_then(|rows| rows.first());
        let forgotten = parts(rows.first().map(Vec::as_slice).unwrap_or_default())?;
        Ok((shown.map(read).transpose()?, forgotten))
    }

    /// Notes that a part has arrived; false when it had arrived before.
    pub(super) async fn note_part(
        &self,
        id: RecordId,
        number: u32,
        object: &str,
    ) -> Result<bool, AttachmentError> {
        let number = i32::try_from(number).map_err(StoreError::internal)?;
        let step = Step {
            sql: PUT,
            params: &[&id.as_str(), &number, &object],
        };
        let rows = self.write_content(&[step]).await?;
        Ok(rows.first().is_some_and(|rows| !rows.is_empty()))
    }

    /// Forgets which parts have arrived; answers them.
    pub(super) async fn forget_parts(&self, id: RecordId) -> Result<Vec<Part>, AttachmentError> {
        let step = Step {
            sql: FORGET_ALL,
            params: &[&id.as_str()],
        };
        let rows = self.write_content(&[step]).await?;
        Ok(parts(rows.first().map(Vec::as_slice).unwrap_or_default())?)
    }

    /// Notes that all content is there, unless it isn't what `upload` says any more.
    pub(super) async fn note_complete(
        &self,
        id: RecordId,
        upload: &Upload,
        sha256: &str,
    ) -> Result<(), AttachmentError> {
        let now = self.now();
        let size = signed(upload.size);
        let steps = [
            Step {
                sql: READY,
                params: &[
                    &id.as_str(),
                    &now,
                    &sha256,
                    &upload.content_type,
                    &size,
                    &upload.sha256,
                    &upload.objects,
                ],
            },
            Step {
                sql: STORED,
                params: &[&id.as_str(), &now],
            },
            Step {
                sql: TELL,
                params: &[&id.as_str(), &now],
            },
        ];
        self.write_content(&steps).await.map(drop)
    }

    async fn write_content(&self, steps: &[Step<'_>]) -> Result<Vec<Vec<Row>>, AttachmentError> {
        let flight = self.pool().flight(self.actor(), None, steps).await;
        let rows = self.note_outcome(flight.map_err(store_error))?;
        self.note_written();
        Ok(rows)
    }
}

/// A part by its number, with its name in the object store.
pub(super) type Part = (u32, String);

fn parts(rows: &[Row]) -> Result<Vec<Part>, StoreError> {
    rows.iter()
        .map(|row| {
            let number: i32 = row.try_get(0).map_err(StoreError::internal)?;
            let object = row.try_get(1).map_err(StoreError::internal)?;
            Ok((u32::try_from(number).map_err(StoreError::internal)?, object))
        })
        .collect()
}

fn read(row: &Row) -> Result<Upload, StoreError> {
    let number = |at: usize| {
        column::<i64>(row, at)?
            .try_into()
            .map_err(StoreError::internal)
    };
    let (size, part_size): (u64, u64) = (number(1)?, number(3)?);
    let received: Vec<i32> = column(row, 5)?;
    Ok(Upload {
        content_type: column(row, 0)?,
        size,
        sha256: column(row, 2)?,
        part_size,
        parts: u32::try_from(size.div_ceil(part_size.max(1))).map_err(StoreError::internal)?,
        received: received
            .into_iter()
            .map(u32::try_from)
            .collect::<Result<_, _>>()
            .map_err(StoreError::internal)?,
        stored_at: column::<Option<Timestamp>>(row, 4)?,
        objects: column(row, 6)?,
    })
}
