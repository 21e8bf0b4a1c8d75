//! Folds the totals of deals together where many changes have added to them.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Job, Work};

/// How often. Until then a workspace that changes much has more rows to sum.
const EVERY: Duration = Duration::from_secs(15);

/// The job.
#[derive(Debug)]
pub struct Totals;

impl Job for Totals {
    fn name(&self) -> &'static str {
        "totals"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn run<'a>(&'a self, work: &'a Work<'a>) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            work.client
                .execute("SELECT app.fold_deal_totals()", &[])
                .await?;
            Ok(())
        }
        .boxed()
    }
}
