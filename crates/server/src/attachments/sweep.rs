//! Removes from the object store what no attachment needs any more: content of purged records, and uploads that were given up.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::ObjectStorage;
use crate::jobs::{Job, Work};

/// How often.
const EVERY: Duration = Duration::from_mins(10);
/// Days after which an upload that isn't complete is given up.
const PATIENCE_DAYS: i32 = 7;
/// Most contents looked for at once.
const AT_ONCE: i32 = 100;

/// The job.
#[derive(Debug)]
pub struct Sweep {
    objects: ObjectStorage,
}

impl Sweep {
    /// Over this object store.
    pub fn new(objects: ObjectStorage) -> Self {
        Self { objects }
    }
}

impl Job for Sweep {
    fn name(&self) -> &'static str {
        "sweep attachments"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn run<'a>(&'a self, work: &'a Work<'a>) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            while !work.is_stopping() {
                let found = work
                    .client
                    .query(
                        "SELECT o.tenant_id, o.id FROM app.orphaned_contents($1, $2) o",
                        &[&PATIENCE_DAYS, &AT_ONCE],
                    )
                    .await?;
                if found.is_empty() {
                    break;
                }
                for row in found {
                    let (tenant, id): (String, String) = (row.try_get(0)?, row.try_get(1)?);
                    self.objects.remove_all(&tenant, &id).await?;
                    work.client
                        .execute("SELECT app.forget_content($1, $2)", &[&tenant, &id])
                        .await?;
                }
            }
            Ok(())
        }
        .boxed()
    }
}
