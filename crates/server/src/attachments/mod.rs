//! Files on records: their content, sealed part by part in the object store, and what the database knows of it.
//!
//! An upload is announced (type, size, perhaps its SHA-256), its parts are put in any order and any number of times, and completed: only then
//! does the attachment say that its content is there. What is complete never changes. Rights are the attachment's: whoever reads the record
//! reads its content, whoever may change the record uploads it.

mod download;
mod rows;
mod settings;
mod storage;
mod sweep;
mod upload;

use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use jiff::Timestamp;
use serde::Serialize;

pub use self::download::{Download, Span};
pub use self::settings::ObjectSettings;
pub(crate) use self::storage::Object;
pub use self::storage::{Bucket, ObjectStorage, StorageError};
pub use self::sweep::Sweep;
pub use self::upload::{Announcement, media_type};

/// Bytes of every part but the last: 4 MiB.
pub const PART_SIZE: u64 = 4 << 20;

/// How an upload stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Upload {
    /// What kind of content it is.
    pub content_type: String,
    /// Bytes in all.
    pub size: u64,
    /// SHA-256 of all of it, hexadecimal, if that is known.
    pub sha256: Option<String>,
    /// Bytes of every part but the last.
    pub part_size: u64,
    /// How many parts there are.
    pub parts: u32,
    /// The parts that have arrived.
    pub received: Vec<u32>,
    /// When all of it had arrived and was checked.
    pub stored_at: Option<Timestamp>,
    /// Under what each part that has arrived lies.
    #[serde(skip)]
    objects: Vec<String>,
}

impl Upload {
    /// Bytes of the part of this number; `None` when there is no such part.
    fn length_of(&self, number: u32) -> Option<u64> {
        if number >= self.parts {
            return None;
        }
        let start = u64::from(number) * self.part_size;
        Some(self.part_size.min(self.size - start))
    }
}

/// Why content can't be put or had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentError {
    /// The record, or the database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object store.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No content was announced, or it hasn't arrived.
    #[error("This file's content hasn't arrived yet. Whoever added it can upload it again.")]
    NotThere,
    /// The content is there already, and not to be replaced.
    #[error("This file has its content already. Add another file instead.")]
    Complete,
    /// An announcement that can't be.
    #[error("{0}")]
    BadAnnouncement(&'static str),
    /// A part that isn't one of the announced content.
    #[error("Part {number} of this upload has {wanted} bytes. Send exactly these.")]
    BadPart {
        /// Which part.
        number: u32,
        /// How many bytes it has.
        wanted: u64,
    },
    /// Completed too early.
    #[error(
        "Some parts haven't arrived. Send those that are missing and complete the upload again."
    )]
    Missing(Vec<u32>),
    /// What arrived isn't what was announced. The parts are forgotten.
    #[error("What arrived isn't what was announced. Upload the file again.")]
    Different,
}

/// Keeps the content of attachments. A store without an object store answers that it keeps none.
pub trait AttachmentStore: Send + Sync {
    /// Begins an upload or goes on with it: an equal announcement keeps the parts that have arrived, another one begins anew.
    fn announce(
        &self,
        attachment: RecordId,
        announcement: &Announcement,
    ) -> impl Future<Output = Result<Upload, AttachmentError>> + Send {
        let _ = (attachment, announcement);
        async { Err(StorageError::None.into()) }
    }

    /// How an upload stands.
    fn upload_state(
        &self,
        attachment: RecordId,
    ) -> impl Future<Output = Result<Upload, AttachmentError>> + Send {
        let _ = attachment;
        async { Err(AttachmentError::NotThere) }
    }

    /// Keeps one part. A part that has arrived before stays as it is.
    fn put_part(
        &self,
        attachment: RecordId,
        number: u32,
        content: bytes::Bytes,
    ) -> impl Future<Output = Result<(), AttachmentError>> + Send {
        let _ = (attachment, number, content);
        async { Err(StorageError::None.into()) }
    }

    /// Checks that all has arrived as it was announced; from then on the attachment has its content.
    fn complete(
        &self,
        attachment: RecordId,
    ) -> impl Future<Output = Result<Upload, AttachmentError>> + Send {
        let _ = attachment;
        async { Err(StorageError::None.into()) }
    }

    /// The content of an attachment, to be read.
    fn download(
        &self,
        attachment: RecordId,
    ) -> impl Future<Output = Result<Download, AttachmentError>> + Send {
        let _ = attachment;
        async { Err(AttachmentError::NotThere) }
    }
}
