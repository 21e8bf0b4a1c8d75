//! Files of a device's records: hung on them, sent, fetched, read.

use std::{io::Write, path::Path};

use fieldstone_model::{Change, RecordId, Value, Values};
use fieldstone_store::{Store as _, StoreError};

use super::{Device, DeviceError};
use crate::files::{Exchange, FileError, FileReport, facts_of};

impl Device {
    fn exchange(&self) -> Exchange<'_> {
        Exchange::new(&self.files, &self.local, &self.transport)
    }

    /// Hangs the file at `from` on the record `about`; it is sent with the next sync. The attachment's id.
    pub async fn attach(
        &self,
        about: RecordId,
        from: &Path,
        name: &str,
    ) -> Result<RecordId, DeviceError> {
        let store = self.store();
        let unknown = || StoreError::UnknownObject("attachment".to_owned());
        let id = store.new_id("attachment").ok_or_else(unknown)?;
        // The content first: no record is here without it, and content without a record goes with the next exchange.
        let facts = self.files.keep(id, from)?;
        self.exchange().wait(id, facts).await?;
        let create = Change::Create {
            object: "attachment".to_owned(),
            id,
            values: Values::new()
                .with("name", Value::Text(name.to_owned()))
                .with("about_id", Value::Id(about)),
        };
        if let Err(error) = store.apply(&[create]).await {
            self.exchange().forget(id).await?;
            return Err(error.into());
        }
        Ok(id)
    }

    /// Sends and fetches files. To be called when the records are in step.
    pub async fn exchange_files(&self, report: impl FnMut(&FileReport)) -> Result<(), DeviceError> {
        self.exchange().run(&self.store(), report).await
    }

    /// How many files wait to be sent.
    pub async fn waiting_files(&self) -> Result<usize, DeviceError> {
        Ok(self.exchange().waiting().await?.len())
    }

    /// Writes the content of an attachment, fetched first if it isn't here.
    pub async fn write_content(
        &self,
        attachment: RecordId,
        out: &mut impl Write,
    ) -> Result<(), DeviceError> {
        let record = self.store().get("attachment", attachment, &[]).await?;
        if !self.files.has(attachment) {
            let facts = facts_of(&record).ok_or(FileError::NotHere)?;
            let fetching = self.exchange();
            fetching.fetch(attachment, &facts, &mut |_| {}).await?;
        }
        Ok(self.files.open(attachment)?.copy_to(out)?)
    }
}
