//! The job that sends what is queued: claims a letter, writes it, hands it over, reports. Before that it finds out for whom the letters are
//! that people ask for who have forgotten their passwords.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fieldstone_model::clock::Clock;
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio_postgres::Client;
use zeroize::Zeroizing;

use super::text::Draft;
use super::{Letter, Post};
use crate::identity::random;
use crate::jobs::{Job, Work};

/// How often the queue is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// How long a letter is this server's to send, in seconds; longer than a mail server may take.
const LEASE_S: i32 = 300;

const CLAIM: &str = "SELECT tenant_id, id, address, name, locale, time_zone, workspace, content FROM app.claim_letter($1, $2, $3)";
const SENT: &str = "SELECT app.letter_sent($1, $2, $3)";
const FAILED: &str = "SELECT app.letter_failed($1, $2, $3, $4, $5)";

/// Sends letters.
#[derive(Clone)]
pub struct Mailer {
    post: Post,
    /// Where people find the server, for links.
    url: String,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").finish_non_exhaustive()
    }
}

impl Mailer {
    /// Letters with links to `url` leave by `post`.
    pub fn new(post: Post, url: String, clock: Arc<dyn Clock>) -> Self {
        Self { post, url, clock }
    }

    /// Finds out who is to get a letter for a forgotten password, and sends everything that waits, while `go_on` says so.
    pub async fn send_waiting(
        &self,
        client: &Client,
        go_on: impl Fn() -> bool + Send,
    ) -> anyhow::Result<()> {
        client
            .execute("SELECT app.answer_reset_requests()", &[])
            .await?;
        while go_on() && self.send_one(client).await? {}
        Ok(())
    }

    /// Sends one letter; false when none is waiting. `client` is a connection of `fieldstone_worker`.
    pub async fn send_one(&self, client: &Client) -> anyhow::Result<bool> {
        let claim = random::secret()?;
        let secret = Zeroizing::new(random::secret()?);
        let hash = random::hash(&secret);
        let Some(row) = client
            .query_opt(CLAIM, &[&claim, &hash.as_slice(), &LEASE_S])
            .await?
        else {
            return Ok(false);
        };
        let (tenant, id): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let content: serde_json::Value = row.try_get(7)?;
        let kind = content
            .get("kind")
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let now = self.clock.now();
        let outcome = match serde_json::from_value::<Letter>(content) {
            Ok(letter) => {
                let draft = Draft {
                    id,
                    letter: &letter,
                    address: row.try_get(2)?,
                    name: row.try_get(3)?,
                    locale: row.try_get(4)?,
                    time_zone: row.try_get(5)?,
                    workspace: row.try_get(6)?,
                    url: &self.url,
                    secret: &secret,
                    now,
                };
                match draft.message(&self.post.sender) {
                    Ok(message) => self.post.send(message, id, now).await,
                    Err(error) => Err(super::PostError {
                        reason: error.to_string(),
                        for_good: true,
                    }),
                }
            }
            // A newer server has queued a kind that this one doesn't know; it will be up to date before the day is over.
            Err(error) => Err(super::PostError {
                reason: error.to_string(),
                for_good: false,
            }),
        };
        match outcome {
            Ok(()) => {
                client
                    .execute(SENT, &[&tenant, &id, &claim])
                    .await
                    .context("a letter was sent that could not be marked as sent")?;
                tracing::info!(letter = id, kind, "a letter was sent");
            }
            Err(error) => {
                tracing::warn!(
                    letter = id,
                    kind,
                    reason = error.reason,
                    "a letter could not be sent"
                );
                client
                    .execute(
                        FAILED,
                        &[&tenant, &id, &claim, &error.reason, &error.for_good],
                    )
                    .await?;
            }
        }
        Ok(true)
    }
}

impl Job for Mailer {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn run<'a>(&'a self, work: &'a Work<'a>) -> BoxFuture<'a, anyhow::Result<()>> {
        // Told to stop, it finishes the letter at hand and takes no other.
        self.send_waiting(work.client, || !work.is_stopping())
            .boxed()
    }
}
