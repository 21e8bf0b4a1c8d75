//! Checks the claims once a day, and keeps the report.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::SignedDuration;
use serde_json::json;
use tokio_postgres::GenericClient;

use super::{Report, Signer, Subject, run};
use crate::backup::{latest, worker_record};
use crate::database::DatabaseError;
use crate::jobs::{Job, Work};

/// How often it looks whether a check is due.
const EVERY: Duration = Duration::from_mins(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What runs are called among the operations.
pub(crate) const KIND: &str = "verify";

/// The job.
#[derive(Debug)]
pub struct VerifyJob {
    subject: Subject,
    signer: Arc<Signer>,
    started: std::sync::Mutex<Option<jiff::Timestamp>>,
}

impl VerifyJob {
    /// Checks of this subject.
    pub fn new(subject: Subject, signer: Signer) -> Self {
        Self {
            subject,
            signer: Arc::new(signer),
            started: std::sync::Mutex::default(),
        }
    }
}

impl Job for VerifyJob {
    fn name(&self) -> &'static str {
        KIND
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn run<'a>(&'a self, work: &'a Work<'a>) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            let began = self.subject.clock.now();
            // Whoever starts has other things to do in its first minute.
            let first_look = {
                let mut started = self
                    .started
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                started.replace(began).is_none()
            };
            let last = latest(work.client, KIND, 1).await?;
            let fresh = last
                .first()
                .is_some_and(|last| began.duration_since(last.began) < DAY);
            if first_look || fresh {
                return Ok(());
            }
            let report = self.signer.sign(run(&self.subject).await);
            for check in report
                .checks
                .iter()
                .filter(|check| check.status == super::Status::Fail)
            {
                tracing::error!(claim = check.id, seen = check.seen, "a claim does not hold");
            }
            worker_record(
                work.client,
                KIND,
                began,
                self.subject.clock.as_ref(),
                Ok(json!(report)),
            )
            .await?;
            Ok(())
        }
        .boxed()
    }
}

/// The last report; nothing when none was made yet.
pub async fn last_report(client: &impl GenericClient) -> Result<Option<Report>, DatabaseError> {
    let last = latest(client, KIND, 1).await?;
    Ok(last
        .into_iter()
        .next()
        .and_then(|operation| serde_json::from_value(operation.detail).ok()))
}
