//! How often somebody may try, on all servers together.
//!
//! The database counts (`app.take_attempts`), by a hash of the account and of the network, whether or not there is such an account. In front
//! of it each server counts for itself, so that a flood costs no query. docs/adr/0014 says what holds for one server only.

use std::net::IpAddr;
use std::time::Duration;

use deadpool_postgres::Object;
use jiff::Timestamp;
use moka::sync::Cache;

use super::{
    AuthPool, IdentityError, network, random,
    throttle::{PER_ACCOUNT, PER_NETWORK, Rule, Throttle},
};
use crate::telemetry::{self, Refusal};

/// Counts attempts to sign in and to prove oneself.
#[derive(Debug, Clone)]
pub(super) struct Attempts {
    auth: AuthPool,
    here: Throttle,
    /// Accounts of which somebody was told to wait not long ago.
    noted: Cache<[u8; 32], ()>,
}

/// For how long one entry in the log stands for all that are told to wait.
const NOTED_FOR: Duration = Duration::from_mins(10);
/// Most accounts of which that is remembered.
const NOTED_MAX: u64 = 100_000;

/// What an attempt is counted under.
struct Counted {
    keys: Vec<Vec<u8>>,
    bursts: Vec<f64>,
    paces: Vec<f64>,
}

impl Counted {
    fn of(email_key: &str, address: IpAddr) -> Self {
        let account = format!("account {email_key}");
        let network = format!("network {}", network(address));
        let counted = [(account, PER_ACCOUNT), (network, PER_NETWORK)];
        let each = |value: fn(&Rule) -> f64| counted.iter().map(|(_, rule)| value(rule)).collect();
        Self {
            keys: counted
                .iter()
                .map(|(key, _)| random::hash(key).to_vec())
                .collect(),
            bursts: each(|rule| rule.burst),
            paces: each(|rule| rule.refill.as_secs_f64()),
        }
    }
}

impl Attempts {
    pub(super) fn new(auth: AuthPool) -> Self {
        Self {
            auth,
            here: Throttle::default(),
            noted: Cache::builder()
                .max_capacity(NOTED_MAX)
                .time_to_live(NOTED_FOR)
                .build(),
        }
    }

    /// Whether nobody else was told to wait for this account of late: then it is worth an entry in the log.
    pub(super) fn is_news(&self, email_key: &str) -> bool {
        let entry = self.noted.entry(random::hash(email_key));
        entry.or_insert(()).is_fresh()
    }

    /// Takes one attempt for the account (its folded e-mail address) and for the network, or says how long to wait.
    pub(super) async fn admit(
        &self,
        email_key: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), IdentityError> {
        self.admit_here(email_key, address, now)?;
        let client = self.auth.get().await?;
        self.admit_on(&client, email_key, address, now).await
    }

    /// The first half: what this server knows by itself.
    pub(super) fn admit_here(
        &self,
        email_key: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), IdentityError> {
        self.here
            .admit(email_key, address, now)
            .inspect_err(|_| telemetry::sign_in_refused(Refusal::Throttled))
    }

    /// The second half, on a connection that may be asked for something else at the same time.
    pub(super) async fn admit_on(
        &self,
        client: &Object,
        email_key: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), IdentityError> {
        let counted = Counted::of(email_key, address);
        let statement = client
            .prepare_cached("SELECT app.take_attempts($1, $2, $3, $4)")
            .await?;
        let wait: f64 = client
            .query_one(
                &statement,
                &[&counted.keys, &counted.bursts, &counted.paces, &now],
            )
            .await?
            .try_get(0)?;
        if wait <= 0.0 {
            return Ok(());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "above zero, and a bucket's length at most"
        )]
        let retry_after_s = wait.ceil() as u64;
        telemetry::sign_in_refused(Refusal::Throttled);
        Err(IdentityError::Throttled { retry_after_s })
    }

    /// Gives an attempt back after a right proof: to the account, and to the network, in which a whole office may begin its day.
    ///
    /// Not more than that one: an address may be somebody else's in another workspace, who could otherwise sign in there now and then
    /// to go on guessing here.
    pub(super) async fn succeeded(&self, email_key: &str, address: IpAddr) {
        match self.auth.get().await {
            Ok(client) => self.succeeded_on(&client, email_key, address).await,
            Err(error) => not_given_back(&error),
        }
    }

    /// The same, on a connection that may be asked for something else at the same time.
    pub(super) async fn succeeded_on(&self, client: &Object, email_key: &str, address: IpAddr) {
        self.here.succeeded(email_key, address);
        let counted = Counted::of(email_key, address);
        let returned = async {
            let statement = client
                .prepare_cached("SELECT app.return_attempts($1, $2)")
                .await?;
            client
                .execute(&statement, &[&counted.keys, &counted.paces])
                .await?;
            Ok::<_, IdentityError>(())
        };
        if let Err(error) = returned.await {
            not_given_back(&error);
        }
    }
}

/// Whoever proved themselves is let in all the same.
fn not_given_back(error: &IdentityError) {
    tracing::warn!(%error, "an attempt could not be given back");
}
