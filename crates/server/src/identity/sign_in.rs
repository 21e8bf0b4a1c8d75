//! Signing in with a password, and the first password through a set-up link.
//!
//! Answers alike, and as slowly, whether the address or the password is wrong.

use std::{net::IpAddr, sync::Arc};

use fieldstone_model::{IdSource, RecordId};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use super::{
    AuthPool, IdentityError, PasswordHasher, SessionLimits, WorkspaceChoice,
    audit::Action,
    email_key,
    password::Verdict,
    random,
    session::{self, SessionToken},
    throttle::Throttle,
};

/// What somebody typed, and where from.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The e-mail address.
    pub email: &'a str,
    /// The password.
    pub password: &'a SecretString,
    /// The workspace's slug, when the person named one.
    pub workspace: Option<&'a str>,
    /// Where the request came from.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub user_agent: &'a str,
}

/// A session that has begun.
#[derive(Debug)]
pub struct Started {
    /// Goes into the cookie, and nowhere else.
    pub token: SessionToken,
    /// The session's id.
    pub session: RecordId,
    /// The workspace.
    pub tenant: RecordId,
    /// The person.
    pub user: RecordId,
}

/// Whom a set-up link belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitee {
    /// The workspace's name.
    pub workspace: String,
    /// The person's name.
    pub name: String,
    /// Their address.
    pub email: String,
}

/// Signs people in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub(super) auth: AuthPool,
    pub(super) ids: Arc<IdSource>,
    pub(super) passwords: PasswordHasher,
    limits: SessionLimits,
    pub(super) throttle: Throttle,
    /// Counts letters asked for: they use up nobody's attempts to sign in.
    pub(super) resets: Throttle,
}

/// One person an address may be.
struct Candidate {
    tenant: RecordId,
    user: RecordId,
    choice: WorkspaceChoice,
    phc: Option<String>,
}

impl SignIn {
    /// `auth` is the pool of `fieldstone_auth`.
    pub fn new(
        auth: AuthPool,
        ids: Arc<IdSource>,
        passwords: PasswordHasher,
        limits: SessionLimits,
    ) -> Self {
        Self {
            auth,
            ids,
            passwords,
            limits,
            throttle: Throttle::default(),
            resets: Throttle::default(),
        }
    }

    /// Checks a password and starts a session.
    pub async fn sign_in(
        &self,
        attempt: &Attempt<'_>,
        now: Timestamp,
    ) -> Result<Started, IdentityError> {
        let key = email_key(attempt.email);
        self.throttle.admit(&key, attempt.address, now)?;
        let candidates = self.candidates(&key, attempt.workspace).await?;

        let mut fitting = Vec::new();
        for candidate in &candidates {
            if let Verdict::Right { rehash } = self
                .passwords
                .verify(attempt.password, candidate.phc.as_deref())
                .await?
            {
                fitting.push((candidate, rehash));
            }
        }
        if candidates.is_empty() {
            self.passwords.verify(attempt.password, None).await?;
        }
        let mut fitting = fitting.into_iter();
        match (fitting.next(), fitting.next()) {
            (None, _) => {
                drop(fitting);
                self.note_refusal(candidates, attempt.address);
                Err(IdentityError::WrongPassword)
            }
            (Some((candidate, rehash)), None) => {
                if let Some(stronger) = rehash {
                    self.rehash(candidate, &stronger).await?;
                }
                self.throttle.succeeded(&key);
                self.start(
                    (candidate.tenant, candidate.user),
                    attempt.address,
                    attempt.user_agent,
                    now,
                )
                .await
            }
            (Some(first), Some(second)) => {
                let choices = [first, second]
                    .into_iter()
                    .chain(fitting)
                    .map(|(candidate, _)| candidate.choice.clone());
                Err(IdentityError::WorkspaceNeeded(choices.collect()))
            }
        }
    }

    /// Whom the secret part of a set-up link belongs to, while it is good.
    pub async fn invitee(&self, secret: &str) -> Result<Invitee, IdentityError> {
        if !random::is_secret(secret) {
            return Err(IdentityError::LinkSpent);
        }
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT workspace, name, email FROM app.find_setup_link($1)")
            .await?;
        let row = client
            .query_opt(&statement, &[&random::hash(secret).as_slice()])
            .await?
            .ok_or(IdentityError::LinkSpent)?;
        Ok(Invitee {
            workspace: row.try_get(0)?,
            name: row.try_get(1)?,
            email: row.try_get(2)?,
        })
    }

    /// Uses a set-up link up: sets the password and starts a session.
    pub async fn redeem(
        &self,
        secret: &str,
        password: &SecretString,
        address: IpAddr,
        user_agent: &str,
        now: Timestamp,
    ) -> Result<Started, IdentityError> {
        // Asked first, so that a spent link costs no hash.
        self.invitee(secret).await?;
        let phc = self.passwords.hash(password).await?;
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT tenant_id, user_id FROM app.redeem_setup_link($1, $2)")
            .await?;
        let row = client
            .query_one(&statement, &[&random::hash(secret).as_slice(), &phc])
            .await?;
        let (Some(tenant), Some(user)) = (
            row.try_get::<_, Option<&str>>(0)?,
            row.try_get::<_, Option<&str>>(1)?,
        ) else {
            return Err(IdentityError::LinkSpent);
        };
        let who = (record_id(tenant)?, record_id(user)?);
        drop(client);
        self.start(who, address, user_agent, now).await
    }

    /// Ends a session; false when it had ended already.
    pub async fn sign_out(
        &self,
        tenant: RecordId,
        session: RecordId,
    ) -> Result<bool, IdentityError> {
        session::end(&self.auth, tenant, session).await
    }

    pub(super) async fn start(
        &self,
        who: (RecordId, RecordId),
        address: IpAddr,
        user_agent: &str,
        now: Timestamp,
    ) -> Result<Started, IdentityError> {
        let (token, session) = session::start(
            &self.auth,
            &self.ids,
            who,
            self.limits,
            (address, user_agent),
            now,
        )
        .await?;
        Ok(Started {
            token,
            session,
            tenant: who.0,
            user: who.1,
        })
    }

    async fn candidates(
        &self,
        key: &str,
        slug: Option<&str>,
    ) -> Result<Vec<Candidate>, IdentityError> {
        if key.contains('\0') || slug.is_some_and(|slug| slug.contains('\0')) {
            return Ok(Vec::new());
        }
        let client = self.auth.get().await?;
        let statement = client.prepare_cached("SELECT tenant_id, user_id, slug, workspace, password_phc FROM app.find_login($1, $2)").await?;
        let rows = client.query(&statement, &[&key, &slug]).await?;
        rows.iter()
            .map(|row| {
                Ok(Candidate {
                    tenant: record_id(row.try_get(0)?)?,
                    user: record_id(row.try_get(1)?)?,
                    choice: WorkspaceChoice {
                        slug: row.try_get(2)?,
                        name: row.try_get(3)?,
                    },
                    phc: row.try_get(4)?,
                })
            })
            .collect()
    }

    async fn rehash(&self, candidate: &Candidate, stronger: &str) -> Result<(), IdentityError> {
        let client = self.auth.get().await?;
        client
            .execute(
                "SELECT app.rehash_password($1, $2, $3, $4)",
                &[
                    &candidate.tenant.as_str(),
                    &candidate.user.as_str(),
                    &candidate.phc,
                    &stronger,
                ],
            )
            .await?;
        Ok(())
    }

    /// Notes refused attempts in the logs of those whom they concern. Not waited for: the time of a write would tell that somebody exists.
    fn note_refusal(&self, candidates: Vec<Candidate>, address: IpAddr) {
        if candidates.is_empty() {
            return;
        }
        let auth = self.auth.clone();
        tokio::spawn(async move {
            for candidate in &candidates {
                if let Err(error) = note(&auth, candidate, Action::SessionRefuse, address).await {
                    tracing::warn!(%error, "a refused sign-in could not be noted in the audit log");
                }
            }
        });
    }
}

async fn note(
    auth: &AuthPool,
    candidate: &Candidate,
    action: Action,
    address: IpAddr,
) -> Result<(), IdentityError> {
    let client = auth.get().await?;
    client
        .execute(
            "SELECT app.add_auth_event($1, $2, $3, $4)",
            &[
                &candidate.tenant.as_str(),
                &candidate.user.as_str(),
                &action.name(),
                &json!({"address": address.to_string()}),
            ],
        )
        .await?;
    Ok(())
}

pub(super) fn record_id(text: &str) -> Result<RecordId, IdentityError> {
    text.parse().map_err(|_| IdentityError::Crypto)
}
