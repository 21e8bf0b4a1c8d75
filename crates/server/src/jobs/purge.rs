//! Forgets what has had its time: answers to repeated requests, letters that left, links that ended, attempts that count no more. Gives up
//! letters that nobody took, and notes the end of access that was given for support.

use std::time::Duration;

use fieldstone_store::once::REMEMBERED;
use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Job, Work};

/// How often.
const EVERY: Duration = Duration::from_mins(10);
/// Most answers forgotten per workspace in one statement.
const AT_ONCE: i32 = 10_000;

/// The job.
#[derive(Debug)]
pub struct Purge;

impl Job for Purge {
    fn name(&self) -> &'static str {
        "purge"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn run<'a>(&'a self, work: &'a Work<'a>) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            work.client
                .execute("SELECT app.tidy_letters()", &[])
                .await?;
            work.client
                .execute("SELECT app.forget_attempts()", &[])
                .await?;
            work.client
                .execute("SELECT app.expire_support_accesses()", &[])
                .await?;
            let seconds = i32::try_from(REMEMBERED.as_secs())?;
            while !work.is_stopping() {
                let row = work
                    .client
                    .query_one(
                        "SELECT app.purge_idempotency_keys($1, $2)",
                        &[&seconds, &AT_ONCE],
                    )
                    .await?;
                if row.try_get::<_, i64>(0)? == 0 {
                    break;
                }
            }
            Ok(())
        }
        .boxed()
    }
}
