//! Tells people of tasks that are due and of what they want to be reminded of, queues the letters about what they left unread, and forgets what has had its time.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Job, Work};

/// How often.
const EVERY: Duration = Duration::from_mins(1);

/// The job.
#[derive(Debug)]
pub struct Telling;

impl Job for Telling {
    fn name(&self) -> &'static str {
        "telling"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn run<'a>(&'a self, work: &'a Work<'a>) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            for chore in [
                "SELECT app.tell_due()",
                "SELECT app.tell_reminders()",
                "SELECT app.queue_digests()",
                "SELECT app.tidy_notifications()",
            ] {
                work.client.execute(chore, &[]).await?;
            }
            Ok(())
        }
        .boxed()
    }
}
