//! Files of a device's records: hung on them, sent, fetched, read.

use std::{collections::BTreeMap, io::Write, path::Path};

use fieldstone_model::{Change, RecordId, Value, Values};
use fieldstone_protocol::push::Kind;
use fieldstone_store::{Store as _, StoreError};

use super::{Device, DeviceError};
use crate::{
    files::{Exchange, FileError, FileReport, Waiting, facts_of},
    store::{OutboxError, Pending},
};

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
        let file = Waiting {
            name: name.to_owned(),
            facts,
            refused: None,
        };
        self.exchange().wait(id, file).await?;
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

    /// The files that wait to be sent.
    pub async fn waiting_files(&self) -> Result<BTreeMap<RecordId, Waiting>, DeviceError> {
        self.exchange().waiting().await
    }

    /// Gives up a file that waits to be sent. False when there is none.
    pub async fn give_up_file(&self, attachment: RecordId) -> Result<bool, DeviceError> {
        self.exchange().forget(attachment).await
    }

    /// Sends a refused file again with the next sync. False when there is none.
    pub async fn retry_file(&self, attachment: RecordId) -> Result<bool, DeviceError> {
        self.exchange().retry(attachment).await
    }

    /// Takes a change back that waits to be sent; with an attachment that was never sent, its file goes.
    pub async fn take_back(
        &self,
        uuid: String,
    ) -> Result<Result<Pending, OutboxError>, DeviceError> {
        let taken = self.local.undo(uuid).await?;
        if let Ok(pending) = &taken
            && pending.mutation.kind == Kind::Create
        {
            self.exchange().forget(pending.mutation.record).await?;
        }
        Ok(taken)
    }

    /// Writes the content of an attachment, fetched first if it isn't here.
    pub async fn write_content(
        &self,
        attachment: RecordId,
        out: &mut impl Write,
    ) -> Result<(), DeviceError> {
        let exchange = self.exchange();
        let is_own = exchange.waiting().await?.contains_key(&attachment);
        if !is_own {
            let record = self.store().get("attachment", attachment, &[]).await?;
            if !self.files.has(attachment) {
                let facts = facts_of(&record).ok_or(FileError::NotHere)?;
                exchange.fetch(attachment, &facts, &mut |_| {}).await?;
            }
        }
        let opened = self.files.open(attachment);
        let written = opened.and_then(|mut opened| opened.copy_to(out));
        if matches!(written, Err(FileError::Sealed(_))) && !is_own {
            self.files.remove(attachment)?;
        }
        Ok(written?)
    }
}
