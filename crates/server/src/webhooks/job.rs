//! The job that sends what is due, several at a time, and again later when it wasn't taken.

use std::{sync::Arc, time::Duration};

use fieldstone_model::Clock;
use fieldstone_vault::Vault;
use futures_util::{
    future::{BoxFuture, FutureExt as _},
    stream::{self, StreamExt as _},
};

use super::{
    Networks, Secret,
    send::{Parcel, Tried, send},
};
use crate::jobs::{Job, Work};

const EVERY: Duration = Duration::from_secs(1);
/// How long a claim lasts, in seconds; longer than a try can take.
const LEASE_S: i32 = 60;
/// Deliveries claimed at once, and tried at the same time.
const CLAIMED: i32 = 20;
/// Seconds until the next try, after each that failed; after the last it is given up.
const PAUSES_S: [i32; 7] = [30, 120, 600, 1_800, 7_200, 21_600, 43_200];

const CLAIM: &str = "SELECT tenant_id, id, webhook_id, url, sealed, secret_no, body, attempts FROM app.claim_deliveries($1, $2)";
const NOTE: &str = "SELECT app.note_delivery($1, $2, $3, $4, $5, $6)";

/// Sends what webhooks are to be told.
#[derive(Clone)]
pub struct Webhooks {
    vault: Vault,
    networks: Networks,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhooks").finish_non_exhaustive()
    }
}

/// Something claimed.
struct Claimed {
    tenant: String,
    id: String,
    webhook: String,
    url: String,
    sealed: Vec<u8>,
    secret_no: i64,
    body: String,
    attempts: i32,
}

impl Webhooks {
    /// Secrets are opened by this vault; networks besides the public internet are those named.
    pub fn new(vault: Vault, networks: Networks, clock: Arc<dyn Clock>) -> Self {
        Self {
            vault,
            networks,
            clock,
        }
    }

    async fn all(&self, work: &Work<'_>) -> anyhow::Result<()> {
        while !work.is_stopping() {
            let rows = work.client.query(CLAIM, &[&LEASE_S, &CLAIMED]).await?;
            let claimed: Vec<Claimed> = rows
                .iter()
                .map(|row| {
                    Ok(Claimed {
                        tenant: row.try_get(0)?,
                        id: row.try_get(1)?,
                        webhook: row.try_get(2)?,
                        url: row.try_get(3)?,
                        sealed: row.try_get(4)?,
                        secret_no: row.try_get(5)?,
                        body: row.try_get(6)?,
                        attempts: row.try_get(7)?,
                    })
                })
                .collect::<Result<_, tokio_postgres::Error>>()?;
            if claimed.is_empty() {
                return Ok(());
            }
            let at_once = claimed.len();
            let mut tried = stream::iter(claimed)
                .map(|claimed| async move {
                    let tried = self.one(&claimed).await;
                    (claimed, tried)
                })
                .buffer_unordered(at_once);
            while let Some((claimed, tried)) = tried.next().await {
                let (state, pause) = came(tried, claimed.attempts);
                let (status, problem) = match tried {
                    Tried::Answered(status) => (Some(i32::from(status)), None),
                    Tried::Failed(why) => (None, Some(why)),
                };
                let params: [&(dyn tokio_postgres::types::ToSql + Sync); 6] = [
                    &claimed.tenant,
                    &claimed.id,
                    &state,
                    &status,
                    &problem,
                    &pause,
                ];
                work.client.execute(NOTE, &params).await?;
            }
        }
        Ok(())
    }

    async fn one(&self, claimed: &Claimed) -> Tried {
        let place = (
            claimed.tenant.as_str(),
            claimed.webhook.as_str(),
            claimed.secret_no,
        );
        let Some(secret) = Secret::open(&self.vault, place, &claimed.sealed) else {
            tracing::error!(
                webhook = claimed.webhook,
                "the secret of a webhook can't be opened"
            );
            return Tried::Failed("secret");
        };
        let parcel = Parcel {
            id: &claimed.id,
            url: &claimed.url,
            body: &claimed.body,
            secret: &secret,
        };
        send(&parcel, &self.networks, self.clock.now()).await
    }
}

/// The state after the try of this number, and the seconds until the next.
fn came(tried: Tried, attempts: i32) -> (&'static str, i32) {
    if tried.is_taken() {
        return ("sent", 0);
    }
    let before = usize::try_from(attempts - 1).unwrap_or_default();
    match PAUSES_S.get(before) {
        Some(pause) => ("waiting", *pause),
        None => ("failed", 0),
    }
}

impl Job for Webhooks {
    fn name(&self) -> &'static str {
        "webhooks"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn run<'a>(&'a self, work: &'a Work<'a>) -> BoxFuture<'a, anyhow::Result<()>> {
        self.all(work).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_taken_is_tried_again_and_given_up_in_the_end() {
        assert_eq!(came(Tried::Answered(204), 1), ("sent", 0));
        assert_eq!(came(Tried::Answered(302), 1), ("waiting", 30));
        assert_eq!(came(Tried::Failed("timeout"), 7), ("waiting", 43_200));
        assert_eq!(came(Tried::Answered(500), 8), ("failed", 0));
    }
}
