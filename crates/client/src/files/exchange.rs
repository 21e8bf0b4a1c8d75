//! Files to and from the platform: what waits is sent, what is missing is fetched, what is out of sight goes.

use std::collections::BTreeMap;

use fieldstone_model::{Query, Record, RecordId};
use fieldstone_store::Store as _;
use serde::{Deserialize, Serialize};
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

/// A file that the platform hasn't got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What it is called.
    #[serde(default)]
    pub name: String,
    /// What is known of its content.
    #[serde(flatten)]
    pub facts: Facts,
    /// Why the platform doesn't take it, or why it can't be read, for people. It waits for its author then.
    #[serde(default)]
    pub refused: Option<String>,
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
    pub async fn wait(&self, attachment: RecordId, file: Waiting) -> Result<(), DeviceError> {
        let mut waiting = self.waiting().await?;
        waiting.insert(attachment, file);
        Ok(self.local.keep(WAITING, &waiting).await?)
    }

    /// Forgets a file that was to be sent. False when there is none.
    pub async fn forget(&self, attachment: RecordId) -> Result<bool, DeviceError> {
        let mut waiting = self.waiting().await?;
        if waiting.remove(&attachment).is_none() {
            return Ok(false);
        }
        self.local.keep(WAITING, &waiting).await?;
        self.files.remove(attachment)?;
        Ok(true)
    }

    /// Sends a refused file again with the next exchange. False when there is none.
    pub async fn retry(&self, attachment: RecordId) -> Result<bool, DeviceError> {
        let mut waiting = self.waiting().await?;
        let Some(file) = waiting.get_mut(&attachment) else {
            return Ok(false);
        };
        file.refused = None;
        self.local.keep(WAITING, &waiting).await?;
        Ok(true)
    }

    /// The files that wait to be sent.
    pub async fn waiting(&self) -> Result<BTreeMap<RecordId, Waiting>, DeviceError> {
        Ok(self.local.kept(WAITING).await?.unwrap_or_default())
    }

    /// Sends, fetches and removes what there is to, once the records are in step.
    pub async fn run(
        &self,
        store: &DeviceStore,
        mut report: impl FnMut(&FileReport),
    ) -> Result<(), DeviceError> {
        let pending = self.local.pending().await?;
        let unsent: Vec<RecordId> = pending
            .iter()
            .map(|pending| pending.mutation.record)
            .collect();
        self.send_all(&unsent, &mut report).await?;
        let waiting = self.waiting().await?;
        let wanted = self.in_sight(store).await?;
        for id in self.files.ids() {
            if !wanted.contains_key(&id) && !waiting.contains_key(&id) && !unsent.contains(&id) {
                self.files.remove(id)?;
            }
        }
        self.fetch_all(wanted, &waiting, &mut report).await
    }

    /// Sends every file that waits and whose record was sent. One that is refused keeps none of the others back.
    async fn send_all(
        &self,
        unsent: &[RecordId],
        report: &mut impl FnMut(&FileReport),
    ) -> Result<(), DeviceError> {
        let mut waiting = self.waiting().await?;
        for (id, file) in waiting.clone() {
            if unsent.contains(&id) || file.refused.is_some() {
                continue;
            }
            match self.send(id, &file.facts, report).await {
                Ok(false) => continue,
                Ok(true) => drop(waiting.remove(&id)),
                Err(error) => {
                    let refused = Some(refusal(error)?);
                    waiting.insert(id, Waiting { refused, ..file });
                }
            }
            self.local.keep(WAITING, &waiting).await?;
        }
        Ok(())
    }

    /// Fetches what isn't here or isn't whole. One that can't be had keeps none of the others away.
    async fn fetch_all(
        &self,
        wanted: BTreeMap<RecordId, Option<Facts>>,
        waiting: &BTreeMap<RecordId, Waiting>,
        report: &mut impl FnMut(&FileReport),
    ) -> Result<(), DeviceError> {
        let mut budget = BUDGET;
        let mut cut_off = Ok(());
        for (id, facts) in wanted {
            let Some(facts) = facts.filter(|_| !waiting.contains_key(&id)) else {
                continue;
            };
            if facts.size > FETCHED_MAX || facts.size > budget {
                continue;
            }
            budget -= facts.size;
            if self.files.is_whole(id, facts.size) {
                continue;
            }
            match self.fetch(id, &facts, report).await {
                Err(error @ DeviceError::Transport(TransportError::Unexpected)) => {
                    cut_off = Err(error);
                }
                Err(DeviceError::File(error @ FileError::Different)) => {
                    tracing::warn!(%error, %id, "a file was left out");
                }
                Err(DeviceError::Transport(
                    error @ (TransportError::Refused { .. } | TransportError::Forbidden { .. }),
                )) => tracing::warn!(%error, %id, "a file was left out"),
                answer => answer?,
            }
        }
        cut_off
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

/// Why this one file can't be sent, for its author. A failure that has nothing to do with it is one of the exchange.
fn refusal(error: DeviceError) -> Result<String, DeviceError> {
    match error {
        DeviceError::Transport(TransportError::Refused { status: 404, .. }) => {
            Ok("Its record was deleted, or you don't see it any more.".to_owned())
        }
        DeviceError::Transport(
            TransportError::Refused { .. } | TransportError::Forbidden { .. },
        )
        | DeviceError::File(_) => Ok(error.to_string()),
        error => Err(error),
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
