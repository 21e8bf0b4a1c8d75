//! Uploads: announced, put in parts, checked, complete.

use aws_lc_rs::{digest, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use fieldstone_model::{Capability, RecordId, objects::attachment::SIZE_MAX};
use fieldstone_store::{Store as _, StoreError};

use super::rows::Part;
use super::storage::Object;
use super::{AttachmentError, AttachmentStore, Download, ObjectStorage, StorageError, Upload};
use crate::store::PgStore;

/// What somebody says of the content they are about to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    pub(super) content_type: String,
    pub(super) size: u64,
    pub(super) sha256: Option<String>,
}

impl Announcement {
    /// Checks what was said: a media type, at most 1 GiB, a SHA-256 in hexadecimal if there is one.
    pub fn new(
        content_type: &str,
        size: u64,
        sha256: Option<&str>,
    ) -> Result<Self, AttachmentError> {
        if size > SIZE_MAX {
            return Err(AttachmentError::BadAnnouncement(
                "A file has at most 1 GiB. Send a smaller one.",
            ));
        }
        let content_type = media_type(content_type).ok_or(AttachmentError::BadAnnouncement(
            "Say what kind of content it is, such as image/jpeg.",
        ))?;
        let is_digest =
            |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !sha256.is_none_or(is_digest) {
            return Err(AttachmentError::BadAnnouncement(
                "A SHA-256 has 64 hexadecimal digits.",
            ));
        }
        Ok(Self {
            content_type,
            size,
            sha256: sha256.map(str::to_ascii_lowercase),
        })
    }
}

/// A media type without its parameters (RFC 9110, 8.3.1), in lower case.
pub fn media_type(text: &str) -> Option<String> {
    let essence = text.split(';').next()?.trim();
    let (kind, subtype) = essence.split_once('/')?;
    let is_token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    (essence.len() <= 127 && is_token(kind) && is_token(subtype))
        .then(|| essence.to_ascii_lowercase())
}

impl PgStore {
    fn objects(&self) -> Result<&ObjectStorage, AttachmentError> {
        self.object_storage()
            .ok_or(AttachmentError::Storage(StorageError::None))
    }

    /// Refuses whoever may not change records.
    fn check_may_upload(&self) -> Result<(), AttachmentError> {
        if self.user().role.can(Capability::RecordsWrite) {
            Ok(())
        } else {
            Err(StoreError::Denied.into())
        }
    }

    /// The upload, under way, of an attachment that the person sees.
    async fn under_way(&self, attachment: RecordId) -> Result<Upload, AttachmentError> {
        self.check_may_upload()?;
        let upload = self.upload_state(attachment).await?;
        if upload.stored_at.is_some() {
            return Err(AttachmentError::Complete);
        }
        Ok(upload)
    }

    /// Removes parts that nothing refers to any more. What can't be removed now goes with the content.
    async fn remove_parts(&self, attachment: RecordId, parts: &[Part]) {
        let Ok(objects) = self.objects() else { return };
        let tenant = self.actor().tenant.to_string();
        for (number, name) in parts {
            let object = Object {
                tenant: &tenant,
                attachment: attachment.as_str(),
                name,
                number: *number,
            };
            if let Err(error) = objects.remove(&object).await {
                tracing::warn!(%error, %attachment, "a part that isn't needed any more can't be removed");
            }
        }
    }

    /// All content, checked: its SHA-256.
    async fn digest_of(
        &self,
        attachment: RecordId,
        upload: &Upload,
    ) -> Result<String, AttachmentError> {
        let objects = self.objects()?;
        let tenant = self.actor().tenant.to_string();
        let mut context = digest::Context::new(&digest::SHA256);
        for (number, name) in (0..upload.parts).zip(&upload.objects) {
            let object = Object {
                tenant: &tenant,
                attachment: attachment.as_str(),
                name,
                number,
            };
            context.update(&objects.get(&object).await?);
            tokio::task::yield_now().await;
        }
        Ok(hex::encode(context.finish().as_ref()))
    }
}

impl AttachmentStore for PgStore {
    async fn announce(
        &self,
        attachment: RecordId,
        announcement: &Announcement,
    ) -> Result<Upload, AttachmentError> {
        self.check_may_upload()?;
        self.objects()?;
        let (upload, forgotten) = self.announce_content(attachment, announcement).await?;
        self.remove_parts(attachment, &forgotten).await;
        let upload = upload.ok_or(StoreError::NotFound(attachment))?;
        let is_as_announced = upload.content_type == announcement.content_type
            && upload.size == announcement.size
            && (announcement.sha256.is_none() || upload.sha256 == announcement.sha256);
        if upload.stored_at.is_some() && !is_as_announced {
            return Err(AttachmentError::Complete);
        }
        Ok(upload)
    }

    async fn upload_state(&self, attachment: RecordId) -> Result<Upload, AttachmentError> {
        if let Some(upload) = self.content_of(attachment).await? {
            return Ok(upload);
        }
        // Says of an attachment that isn't there that it isn't.
        self.get("attachment", attachment, &[]).await?;
        Err(AttachmentError::NotThere)
    }

    async fn put_part(
        &self,
        attachment: RecordId,
        number: u32,
        content: Bytes,
    ) -> Result<(), AttachmentError> {
        self.check_room()?;
        let upload = self.under_way(attachment).await?;
        let wanted = upload.length_of(number);
        if wanted != u64::try_from(content.len()).ok() {
            return Err(AttachmentError::BadPart {
                number,
                wanted: wanted.unwrap_or(0),
            });
        }
        if upload.received.contains(&number) {
            return Ok(());
        }
        // A name of its own: what is written beside it or after it never takes its place.
        let mut random = [0; 12];
        rand::fill(&mut random).map_err(|_| StoreError::Busy)?;
        let name = format!("{number}-{}", URL_SAFE_NO_PAD.encode(random));
        let tenant = self.actor().tenant.to_string();
        let object = Object {
            tenant: &tenant,
            attachment: attachment.as_str(),
            name: &name,
            number,
        };
        let objects = self.objects()?;
        objects.put(&object, content).await?;
        if !self.note_part(attachment, number, &name).await? {
            objects.remove(&object).await?;
        }
        Ok(())
    }

    async fn complete(&self, attachment: RecordId) -> Result<Upload, AttachmentError> {
        self.check_may_upload()?;
        let upload = self.upload_state(attachment).await?;
        if upload.stored_at.is_some() {
            return Ok(upload);
        }
        let missing: Vec<u32> = (0..upload.parts)
            .filter(|number| !upload.received.contains(number))
            .collect();
        if !missing.is_empty() {
            return Err(AttachmentError::Missing(missing));
        }
        let digest = self.digest_of(attachment, &upload).await?;
        if upload
            .sha256
            .as_ref()
            .is_some_and(|announced| *announced != digest)
        {
            let forgotten = self.forget_parts(attachment).await?;
            self.remove_parts(attachment, &forgotten).await;
            return Err(AttachmentError::Different);
        }
        self.note_complete(attachment, &upload, &digest).await?;
        let complete = self.upload_state(attachment).await?;
        if complete.stored_at.is_none() {
            // Somebody has announced other content meanwhile, and it isn't there yet.
            let missing = (0..complete.parts).filter(|number| !complete.received.contains(number));
            return Err(AttachmentError::Missing(missing.collect()));
        }
        Ok(complete)
    }

    async fn download(&self, attachment: RecordId) -> Result<Download, AttachmentError> {
        let upload = self.upload_state(attachment).await?;
        if upload.stored_at.is_none() {
            return Err(AttachmentError::NotThere);
        }
        let tenant = self.actor().tenant.to_string();
        Ok(Download::new(
            self.objects()?.clone(),
            tenant,
            attachment,
            upload,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_told_from_other_texts() {
        for (text, read) in [
            ("image/jpeg", Some("image/jpeg")),
            ("Text/Plain; charset=utf-8", Some("text/plain")),
            (
                "application/vnd.ms-excel.sheet+xml",
                Some("application/vnd.ms-excel.sheet+xml"),
            ),
            ("", None),
            ("image", None),
            ("image/", None),
            ("/png", None),
            ("a/b/c", None),
            ("a b/c", None),
            ("text/html\r\nx: y", None),
            ("bild/gr\u{f6}\u{df}e", None),
        ] {
            assert_eq!(media_type(text).as_deref(), read, "{text:?}");
        }
        assert!(media_type(&format!("a/{}", "b".repeat(126))).is_none());
    }

    #[test]
    fn announcements_have_bounds() {
        let digest = "A".repeat(64);
        let announced = Announcement::new("a/b", SIZE_MAX, Some(&digest)).unwrap();
        assert_eq!(announced.sha256, Some("a".repeat(64)));
        assert!(Announcement::new("a/b", SIZE_MAX + 1, None).is_err());
        assert!(Announcement::new("a", 1, None).is_err());
        assert!(Announcement::new("a/b", 1, Some("abc")).is_err());
        assert!(Announcement::new("a/b", 1, Some(&"g".repeat(64))).is_err());
    }
}
