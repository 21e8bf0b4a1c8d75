//! Parts of the files that people bring, and of those of failed rows: sealed in the object store, or in the database where there is none.
//!
//! Nobody holds more than a part of a file at a time.

use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use tokio::runtime::Handle;
use tokio_postgres::types::ToSql;

use crate::{
    attachments::{AttachmentError, Object, PART_SIZE},
    database::{pool::Step, signed},
    store::{PgStore, store_error},
};

/// Bytes of every part of a file but the last.
pub(crate) const PART: usize = {
    assert!(PART_SIZE == 4 << 20, "the table of parts takes as much");
    4 << 20
};

/// What a part is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What somebody sends.
    Brought,
    /// What is imported: what was sent, or for a workbook the text made of it.
    File,
    /// The file of failed rows.
    Failed,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Brought => "brought",
            Self::File => "file",
            Self::Failed => "failed",
        }
    }

    /// The number of its first part.
    fn first(self) -> i32 {
        match self {
            Self::Brought => 0,
            Self::File => 1 << 29,
            Self::Failed => 1 << 30,
        }
    }
}

/// One part.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    number: i32,
    size: u64,
    /// Its name in the object store; none for bytes in the database.
    object: Option<String>,
}

/// A part that lies where it is to lie, and of which the database doesn't know yet.
pub(crate) struct Laid {
    part: Part,
    kind: Kind,
    data: Option<Bytes>,
}

/// Notes parts of upload `$1`, under the claim `$7` if there is one.
const NOTE: &str = "INSERT INTO app.import_part (tenant_id, user_id, upload_id, number, kind, size, object, data) \
    SELECT u.tenant_id, u.user_id, u.id, p.number, p.kind, p.size, p.object, p.data \
    FROM app.import_upload u, unnest($2::int[], $3::text[], $4::bigint[], $5::text[], $6::bytea[]) p(number, kind, size, object, data) \
    WHERE u.id = $1 AND ($7::int IS NULL OR u.claims = $7)";
/// The same for one that somebody sends, once.
const NOTE_BROUGHT: &str = "INSERT INTO app.import_part (tenant_id, user_id, upload_id, number, kind, size, object, data) \
    SELECT u.tenant_id, u.user_id, u.id, $2, 'brought', $3, $4, $5 FROM app.import_upload u WHERE u.id = $1 AND u.state = 'arriving' \
    ON CONFLICT (tenant_id, user_id, upload_id, number) DO NOTHING RETURNING number";
const LIST: &str = "SELECT p.number, p.size, p.object FROM app.import_part p WHERE p.upload_id = $1 AND p.kind = $2 ORDER BY p.number";
const DATA: &str = "SELECT p.data FROM app.import_part p WHERE p.upload_id = $1 AND p.number = $2";

/// What [`NOTE`] is told besides the upload.
struct Columns<'a> {
    numbers: Vec<i32>,
    kinds: Vec<&'static str>,
    sizes: Vec<i64>,
    objects: Vec<Option<&'a str>>,
    data: Vec<Option<&'a [u8]>>,
    claim: Option<i32>,
}

impl<'a> Columns<'a> {
    fn of(laid: &'a [Laid], claim: Option<i32>) -> Self {
        let parts = || laid.iter().map(|laid| &laid.part);
        Self {
            numbers: parts().map(|part| part.number).collect(),
            kinds: laid.iter().map(|laid| laid.kind.name()).collect(),
            sizes: parts().map(|part| signed(part.size)).collect(),
            objects: parts().map(|part| part.object.as_deref()).collect(),
            data: laid.iter().map(|laid| laid.data.as_deref()).collect(),
            claim,
        }
    }

    fn params<'b>(&'b self, upload: &'b &'b str) -> [&'b (dyn ToSql + Sync); 7] {
        [
            upload,
            &self.numbers,
            &self.kinds,
            &self.sizes,
            &self.objects,
            &self.data,
            &self.claim,
        ]
    }
}

impl PgStore {
    /// Whether files of any size can be kept.
    pub(crate) fn keeps_large_files(&self) -> bool {
        self.object_storage().is_some()
    }

    /// Puts one part where it is to lie. Nothing refers to it yet.
    pub(crate) async fn lay_part(
        &self,
        upload: RecordId,
        kind: Kind,
        at: usize,
        content: Bytes,
    ) -> Result<Laid, AttachmentError> {
        self.check_room()?;
        let number = i32::try_from(at)
            .ok()
            .and_then(|at| at.checked_add(kind.first()))
            .ok_or_else(|| StoreError::internal("a file has too many parts"))?;
        let mut part = Part {
            number,
            size: u64::try_from(content.len()).map_err(StoreError::internal)?,
            object: None,
        };
        let Some(objects) = self.object_storage() else {
            return Ok(Laid {
                part,
                kind,
                data: Some(content),
            });
        };
        let mut random = [0; 12];
        rand::fill(&mut random).map_err(|_| StoreError::Busy)?;
        let name = format!("{number}-{}", URL_SAFE_NO_PAD.encode(random));
        let tenant = self.actor().tenant.to_string();
        objects
            .put(&object(&tenant, &upload, number, &name), content)
            .await?;
        part.object = Some(name);
        Ok(Laid {
            part,
            kind,
            data: None,
        })
    }

    /// Keeps one part that somebody sends; one that has arrived before stays as it is. False when nothing is expected.
    pub(crate) async fn keep_brought(
        &self,
        upload: RecordId,
        at: usize,
        content: Bytes,
    ) -> Result<bool, AttachmentError> {
        let laid = self.lay_part(upload, Kind::Brought, at, content).await?;
        let part = &laid.part;
        let (size, data) = (signed(part.size), laid.data.as_deref());
        let rows = self
            .run_step(
                NOTE_BROUGHT,
                &[&upload.as_str(), &part.number, &size, &part.object, &data],
            )
            .await?;
        self.note_written();
        if rows.is_empty() {
            self.remove_laid(upload, std::slice::from_ref(part)).await;
            let known = self.import_parts(upload, Kind::Brought).await?;
            return Ok(known.iter().any(|known| known.number == part.number));
        }
        Ok(true)
    }

    /// Keeps parts that were laid.
    pub(crate) async fn note_parts(
        &self,
        upload: RecordId,
        laid: &[Laid],
    ) -> Result<(), StoreError> {
        note_with(self, upload, laid, None, &[]).await.map(drop)
    }

    /// Lays text of any length out in parts that follow those there are.
    pub(crate) async fn lay_all(
        &self,
        upload: RecordId,
        kind: Kind,
        first: usize,
        text: Bytes,
    ) -> Result<Vec<Laid>, AttachmentError> {
        let mut laid = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PART));
            laid.push(
                self.lay_part(upload, kind, first + laid.len(), piece)
                    .await?,
            );
        }
        Ok(laid)
    }

    /// The parts of an upload's file, or of its failed rows.
    pub(crate) async fn import_parts(
        &self,
        upload: RecordId,
        kind: Kind,
    ) -> Result<Vec<Part>, StoreError> {
        let rows = self
            .run_step(LIST, &[&upload.as_str(), &kind.name()])
            .await?;
        rows.iter().map(part).collect()
    }

    /// Removes parts of a kind from the `first` on.
    pub(crate) async fn remove_parts_from(
        &self,
        upload: RecordId,
        kind: Kind,
        first: usize,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM app.import_part p WHERE p.upload_id = $1 AND p.kind = $2 AND p.number IN ( \
            SELECT o.number FROM app.import_part o WHERE o.upload_id = $1 AND o.kind = $2 ORDER BY o.number OFFSET $3) \
            RETURNING p.number, p.size, p.object";
        let first = i64::try_from(first).unwrap_or(i64::MAX);
        let rows = self
            .run_step(sql, &[&upload.as_str(), &kind.name(), &first])
            .await?;
        let parts = rows.iter().map(part).collect::<Result<Vec<_>, _>>()?;
        self.remove_laid(upload, &parts).await;
        Ok(())
    }

    /// Removes from the object store what nothing refers to any more. What can't be removed now goes with the upload.
    pub(crate) async fn remove_laid(&self, upload: RecordId, parts: &[Part]) {
        let Some(objects) = self.object_storage() else {
            return;
        };
        let tenant = self.actor().tenant.to_string();
        for part in parts {
            let Some(name) = &part.object else { continue };
            let object = object(&tenant, &upload, part.number, name);
            if let Err(error) = objects.remove(&object).await {
                tracing::warn!(%error, %upload, "a part that isn't needed any more can't be removed");
            }
        }
    }

    /// The bytes of one part.
    async fn read_part(&self, upload: RecordId, part: &Part) -> Result<Bytes, AttachmentError> {
        let bytes = if let Some(name) = &part.object {
            let objects = self.object_storage().ok_or(AttachmentError::NotThere)?;
            let tenant = self.actor().tenant.to_string();
            let object = object(&tenant, &upload, part.number, name);
            objects.get(&object).await?
        } else {
            let rows = self
                .run_step(DATA, &[&upload.as_str(), &part.number])
                .await?;
            let row = rows.first().ok_or(AttachmentError::NotThere)?;
            let data: Option<Vec<u8>> = row.try_get(0).map_err(StoreError::internal)?;
            data.ok_or(AttachmentError::NotThere)?.into()
        };
        if u64::try_from(bytes.len()).ok() != Some(part.size) {
            return Err(AttachmentError::Different);
        }
        Ok(bytes)
    }

    /// What the parts of a kind come to, to be read.
    pub(crate) async fn kept_file(
        &self,
        upload: RecordId,
        kind: Kind,
        name: &str,
    ) -> Result<KeptFile, StoreError> {
        let parts = self.import_parts(upload, kind).await?;
        let mut size = 0;
        let parts = parts
            .into_iter()
            .map(|part| {
                let start = size;
                size += part.size;
                (start, part)
            })
            .collect();
        Ok(KeptFile(Arc::new(Inner {
            store: self.clone(),
            upload,
            name: name.to_owned(),
            parts,
            size,
            first: OnceLock::new(),
            failed: AtomicBool::new(false),
            runtime: Handle::current(),
        })))
    }
}

fn object<'a>(tenant: &'a str, upload: &'a RecordId, number: i32, name: &'a str) -> Object<'a> {
    Object {
        tenant,
        attachment: upload.as_str(),
        name,
        number: number.unsigned_abs(),
    }
}

fn part(row: &tokio_postgres::Row) -> Result<Part, StoreError> {
    let get = |error| StoreError::internal(error);
    Ok(Part {
        number: row.try_get(0).map_err(get)?,
        size: row.try_get::<_, i64>(1).map_err(get)?.unsigned_abs(),
        object: row.try_get(2).map_err(get)?,
    })
}

/// A file that lies in parts. Cheap to clone.
#[derive(Clone)]
pub struct KeptFile(Arc<Inner>);

struct Inner {
    store: PgStore,
    upload: RecordId,
    name: String,
    /// Each part, and where it begins.
    parts: Vec<(u64, Part)>,
    size: u64,
    /// A page looks at the beginning several times.
    first: OnceLock<Bytes>,
    /// Whether a part could not be had.
    failed: AtomicBool,
    runtime: Handle,
}

impl std::fmt::Debug for KeptFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptFile")
            .field("upload", &self.0.upload)
            .field("size", &self.0.size)
            .finish_non_exhaustive()
    }
}

impl KeptFile {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Bytes in all.
    pub(crate) fn size(&self) -> u64 {
        self.0.size
    }

    /// The bytes of the part with this place.
    async fn at(&self, at: usize) -> Result<Bytes, AttachmentError> {
        let inner = &self.0;
        if let Some(first) = inner.first.get().filter(|_| at == 0) {
            return Ok(first.clone());
        }
        let (_, part) = inner.parts.get(at).ok_or(AttachmentError::NotThere)?;
        let bytes = inner.store.read_part(inner.upload, part).await?;
        if at == 0 {
            let _ = inner.first.set(bytes.clone());
        }
        Ok(bytes)
    }

    /// The beginning.
    pub(crate) async fn head(&self) -> Result<Bytes, AttachmentError> {
        self.at(0).await
    }

    /// Whether a reader could not have a part of it: then nothing is known of what it holds.
    pub(crate) fn has_failed(&self) -> bool {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// Reads it from its beginning, on a thread where it may wait.
    pub(crate) fn reader(&self) -> PartReader {
        PartReader {
            file: self.clone(),
            position: 0,
            at: None,
            part: Bytes::new(),
        }
    }
}

/// Reads parts one after the other, or here and there. Waits for each: never on a thread that runs tasks.
pub(crate) struct PartReader {
    file: KeptFile,
    position: u64,
    /// Which part is at hand.
    at: Option<usize>,
    part: Bytes,
}

impl Read for PartReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let inner = &self.file.0;
        if self.position >= inner.size {
            return Ok(0);
        }
        let at = inner
            .parts
            .partition_point(|(start, _)| *start <= self.position)
            .saturating_sub(1);
        if self.at != Some(at) {
            self.part = inner
                .runtime
                .block_on(self.file.at(at))
                .inspect_err(|_| inner.failed.store(true, Ordering::Relaxed))
                .map_err(io::Error::other)?;
            self.at = Some(at);
        }
        let start = inner.parts.get(at).map_or(0, |(start, _)| *start);
        let offset = usize::try_from(self.position - start).unwrap_or(usize::MAX);
        let rest = self.part.get(offset..).unwrap_or_default();
        let count = rest.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.position += u64::try_from(count).unwrap_or(0);
        Ok(count)
    }
}

impl Seek for PartReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.file.0.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "before the beginning"))?;
        Ok(self.position)
    }
}

/// Writes a file in parts. Waits for each: never on a thread that runs tasks.
pub(crate) struct PartWriter {
    store: PgStore,
    upload: RecordId,
    kind: Kind,
    runtime: Handle,
    buffer: Vec<u8>,
    laid: Vec<Laid>,
}

impl PartWriter {
    /// Writes parts of this kind.
    pub(crate) fn new(store: PgStore, upload: RecordId, kind: Kind) -> Self {
        Self {
            store,
            upload,
            kind,
            runtime: Handle::current(),
            buffer: Vec::with_capacity(PART),
            laid: Vec::new(),
        }
    }

    fn lay(&mut self) -> io::Result<()> {
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(PART));
        let laid = self.runtime.block_on(self.store.lay_part(
            self.upload,
            self.kind,
            self.laid.len(),
            full.into(),
        ));
        self.laid.push(laid.map_err(io::Error::other)?);
        Ok(())
    }

    /// What was written, to be noted.
    pub(crate) fn finish(mut self) -> io::Result<Vec<Laid>> {
        if !self.buffer.is_empty() {
            self.lay()?;
        }
        Ok(self.laid)
    }
}

impl Write for PartWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PART - self.buffer.len();
        let taken = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        self.buffer.extend_from_slice(taken);
        if self.buffer.len() == PART {
            self.lay()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Notes parts in one flight with what else is to be written.
pub(crate) async fn note_with(
    store: &PgStore,
    upload: RecordId,
    laid: &[Laid],
    claim: Option<i32>,
    steps: &[Step<'_>],
) -> Result<Vec<Vec<tokio_postgres::Row>>, StoreError> {
    let columns = Columns::of(laid, claim);
    let upload = upload.as_str();
    let params = columns.params(&upload);
    let mut all = steps.to_vec();
    if !laid.is_empty() {
        all.push(Step {
            sql: NOTE,
            params: &params,
        });
    }
    let flight = store.pool().flight(store.actor(), None, &all).await;
    let rows = store.note_outcome(flight.map_err(store_error))?;
    store.note_written();
    Ok(rows)
}
