//! Files to and from the platform: what waits is sent, what is missing is fetched, what is out of sight goes.

use std::collections::BTreeMap;

use fieldstone_model::{Query, Record, RecordId};
use fieldstone_store::Store as _;
use serde::Deserialize;
use serde_json::json;

use super::{Facts, FileError, Files, Opened, Sealing};
use crate::{
    device::DeviceError,
    store::{DeviceStore, Local},
    transport::{Transport, TransportError},
};

/// Where the files that wait to be sent are kept.
const WAITING: &str = "files.waiting";
/// Larger files are fetched only when somebody asks for them.
const FETCHED_MAX: u64 = 32 << 20;
/// Most bytes that are fetched without being asked for.
const BUDGET: u64 = 1 << 30;
/// Attachments looked at together.
const AT_ONCE: u32 = 200;

/// What is being done, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileReport {
    /// So many bytes of a file were sent.
    Sent {
        /// The attachment.
        id: RecordId,
        /// So far.
        bytes: u64,
        /// In all.
        size: u64,
    },
    /// So many bytes of a file were fetched.
    Fetched {
        /// The attachment.
        id: RecordId,
        /// So far.
        bytes: u64,
        /// In all.
        size: u64,
    },
}

/// How an upload stands, as the platform says it.
#[derive(Debug, Deserialize)]
struct Upload {
    part_size: u64,
    parts: u32,
    received: Vec<u32>,
    stored_at: Option<String>,
}

/// One exchange of files.
pub struct Exchange<'a> {
    files: &'a Files,
    local: &'a Local,
    transport: &'a Transport,
}

impl<'a> Exchange<'a> {
    /// Between these files and the platform.
    pub fn new(files: &'a Files, local: &'a Local, transport: &'a Transport) -> Self {
        Self {
            files,
            local,
            transport,
        }
    }

    /// Notes that the content of `attachment` is here and waits to be sent.
    pub async fn wait(&self, attachment: RecordId, facts: Facts) -> Result<(), DeviceError> {
        let mut waiting = self.waiting().await?;
        waiting.insert(attachment, facts);
        Ok(self.local.keep(WAITING, &waiting).await?)
    }

    /// Forgets a file that was to be sent.
    pub async fn forget(&self, attachment: RecordId) -> Result<(), DeviceError> {
        let mut waiting = self.waiting().await?;
        waiting.remove(&attachment);
        self.local.keep(WAITING, &waiting).await?;
        Ok(self.files.remove(attachment)?)
    }

    /// The files that wait to be sent.
    pub async fn waiting(&self) -> Result<BTreeMap<RecordId, Facts>, DeviceError> {
        Ok(self.local.kept(WAITING).await?.unwrap_or_default())
    }

    /// Sends, fetches and removes what there is to, once the records are in step.
    pub async fn run(
        &self,
        store: &DeviceStore,
        mut report: impl FnMut(&FileReport),
    ) -> Result<(), DeviceError> {
        let unsent: Vec<RecordId> = self
            .local
            .pending()
            .await?
            .iter()
            .map(|pending| pending.mutation.record)
            .collect();
        let mut waiting = self.waiting().await?;
        for (id, facts) in waiting.clone() {
            if unsent.contains(&id) {
                continue;
            }
            match self.send(id, &facts, &mut report).await {
                Ok(false) => continue,
                // Refused when the record is gone, or has its content from elsewhere: then there is nothing left to send.
                Ok(true)
                | Err(DeviceError::Transport(TransportError::Refused {
                    status: 404 | 409, ..
                })) => {}
                Err(error) => return Err(error),
            }
            waiting.remove(&id);
            self.local.keep(WAITING, &waiting).await?;
        }
        let wanted = self.in_sight(store).await?;
        for id in self.files.ids() {
            if !wanted.contains_key(&id) && !waiting.contains_key(&id) && !unsent.contains(&id) {
                self.files.remove(id)?;
            }
        }
        let mut budget = BUDGET;
        for (id, facts) in wanted {
            let Some(facts) = facts else { continue };
            if facts.size > FETCHED_MAX || facts.size > budget {
                continue;
            }
            budget -= facts.size;
            if self.files.has(id) {
                continue;
            }
            match self.fetch(id, &facts, &mut report).await {
                // One file that isn't what its record says keeps none of the others away.
                Err(DeviceError::File(error @ FileError::Different)) => {
                    tracing::warn!(%error, %id, "a file was left out");
                }
                answer => answer?,
            }
        }
        Ok(())
    }

    /// The attachments that the person sees, with what is known of their content if it is there.
    async fn in_sight(
        &self,
        store: &DeviceStore,
    ) -> Result<BTreeMap<RecordId, Option<Facts>>, DeviceError> {
        let mut found = BTreeMap::new();
        let mut query = Query::new("attachment").limit(AT_ONCE);
        for column in ["content_type", "size", "sha256", "stored_at"] {
            query = query.column(column);
        }
        loop {
            let page = store.list(&query).await?;
            found.extend(
                page.records
                    .iter()
                    .map(|record| (record.id, facts_of(record))),
            );
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// Sends what the platform hasn't got of a file. Whether all of it is there: false when parts got lost meanwhile, which are sent the next
    /// time.
    async fn send(
        &self,
        id: RecordId,
        facts: &Facts,
        report: &mut impl FnMut(&FileReport),
    ) -> Result<bool, DeviceError> {
        let mut opened = self.files.open(id)?;
        let announcement = json!({
            "content_type": facts.content_type, "size": facts.size, "sha256": facts.sha256,
        });
        let upload: Upload = self.transport.announce_file(id, &announcement).await?;
        if upload.stored_at.is_some() {
            return Ok(true);
        }
        let missing = (0..upload.parts).filter(|number| !upload.received.contains(number));
        for number in missing {
            let part = part_of(&mut opened, number, upload.part_size)?;
            let bytes = u64::from(number) * upload.part_size + super::length(part.len());
            self.transport.put_file_part(id, number, part).await?;
            report(&FileReport::Sent {
                id,
                bytes,
                size: facts.size,
            });
        }
        match self.transport.complete_file(id).await {
            Err(TransportError::Refused { status: 409, .. }) => Ok(false),
            answer => Ok(answer.map(|()| true)?),
        }
    }

    /// Fetches the content of an attachment, or what is missing of it.
    pub async fn fetch(
        &self,
        id: RecordId,
        facts: &Facts,
        report: &mut impl FnMut(&FileReport),
    ) -> Result<(), DeviceError> {
        let (mut sealing, start) = Sealing::resume(self.files, id)?;
        let mut bytes = start;
        if start < facts.size {
            let mut content = self.transport.file_content(id, start).await?;
            while let Some(chunk) = content.chunk().await.map_err(TransportError::connection)? {
                bytes += super::length(chunk.len());
                if bytes > facts.size {
                    break;
                }
                sealing.take(&chunk)?;
                report(&FileReport::Fetched {
                    id,
                    bytes,
                    size: facts.size,
                });
            }
        }
        if bytes < facts.size {
            // What has come so far stays, and the rest is fetched the next time.
            return Err(TransportError::Unexpected.into());
        }
        sealing.finish()?;
        let draft = self.files.draft(id);
        let is_right =
            bytes == facts.size && Opened::at(self.files, id, &draft)?.digest()? == facts.sha256;
        if !is_right {
            self.files.remove(id)?;
            return Err(FileError::Different.into());
        }
        Ok(self.files.publish(id)?)
    }
}

fn part_of(opened: &mut Opened, number: u32, size: u64) -> Result<Vec<u8>, FileError> {
    let most = usize::try_from(size).unwrap_or(usize::MAX);
    opened.read_at(u64::from(number) * size, most)
}

/// What a record says of its content; `None` while that hasn't arrived.
pub(crate) fn facts_of(record: &Record) -> Option<Facts> {
    let text = |field: &str| Some(record.get(field).as_text()?.to_owned());
    if record.get("stored_at").is_null() {
        return None;
    }
    Some(Facts {
        content_type: text("content_type")?,
        size: record.get("size").as_int()?.try_into().ok()?,
        sha256: text("sha256")?,
    })
}
