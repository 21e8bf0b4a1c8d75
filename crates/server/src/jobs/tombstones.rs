//! Removes for good what was deleted long ago, and what only devices needed that haven't been seen for long.
//!
//! A device that was away compares everything once when it comes back; nothing of what was deleted stays on it.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Job, Work};
use crate::sync::keys::OPENS_DAYS;

/// How often.
const EVERY: Duration = Duration::from_hours(1);
/// For how many days something that was deleted can be restored.
const HORIZON_DAYS: i32 = 90;
/// After how many days without a word a device's cursors are forgotten.
const UNSEEN_DAYS: i32 = 60;
/// Most records of one kind removed per workspace in one statement.
const AT_ONCE: i32 = 1_000;

/// The job.
#[derive(Debug)]
pub struct Tombstones;

impl Job for Tombstones {
    fn name(&self) -> &'static str {
        "tombstones"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn run<'a>(&'a self, work: &'a Work<'a>) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            while !work.is_stopping() {
                let row = work
                    .client
                    .query_one(
                        "SELECT app.purge_deleted($1, $2, $3, $4)",
                        &[&HORIZON_DAYS, &UNSEEN_DAYS, &OPENS_DAYS, &AT_ONCE],
                    )
                    .await?;
                let purged: i64 = row.try_get(0)?;
                if purged == 0 {
                    break;
                }
                tracing::info!(purged, "what was deleted long ago was removed for good");
            }
            Ok(())
        }
        .boxed()
    }
}
