//! Signing in with a password and, where there is one, a second factor; and the first password through a set-up link.
//!
//! Answers alike, and as slowly, whether the address or the password is wrong: every attempt costs exactly one hash. Where an address is
//! used in several workspaces the person names theirs; whoever doesn't is answered as if the password were wrong, so that the answer tells
//! nothing of the address.

use std::{net::IpAddr, sync::Arc};

use fieldstone_model::{IdSource, RecordId};
use fieldstone_vault::Vault;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use super::{
    AuthPool, IdentityError, PasswordHasher,
    attempts::Attempts,
    audit::Action,
    email_key,
    password::Verdict,
    random,
    second_step::StepToken,
    session::{self, SessionToken},
    strength::OwnWords,
    throttle::Throttle,
    totp::Code,
};
use crate::telemetry::{self, Refusal};

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
    /// The second factor, where it is sent along.
    pub code: Option<Code<'a>>,
}

/// How far a right password has led.
#[derive(Debug)]
pub enum Begun {
    /// To a session.
    Session(Started),
    /// To the question for a code.
    Code(StepToken),
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

impl Started {
    /// Somebody's session, if one could begin.
    fn from_session(
        (tenant, user): (RecordId, RecordId),
        session: Option<(SessionToken, RecordId)>,
    ) -> Result<Self, IdentityError> {
        let (token, session) = session.ok_or(IdentityError::WrongPassword)?;
        Ok(Self {
            token,
            session,
            tenant,
            user,
        })
    }
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

impl Invitee {
    /// What their password may not consist of.
    pub(super) fn own_words(&self) -> OwnWords {
        OwnWords::of(&self.name, &self.email, &self.workspace)
    }
}

/// Signs people in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub(super) auth: AuthPool,
    pub(super) ids: Arc<IdSource>,
    pub(super) passwords: PasswordHasher,
    pub(super) vault: Vault,
    pub(super) attempts: Attempts,
    /// Counts letters asked for: they use up nobody's attempts to sign in.
    pub(super) resets: Throttle,
}

/// One person an address may be.
pub(super) struct Candidate {
    pub(super) tenant: RecordId,
    pub(super) user: RecordId,
    pub(super) member_version: i64,
    key: String,
    phc: Option<String>,
    /// The sealed seed of the second factor, where there is one.
    seed: Option<Vec<u8>>,
}

impl SignIn {
    /// `auth` is the pool of `fieldstone_auth`.
    pub fn new(
        auth: AuthPool,
        ids: Arc<IdSource>,
        passwords: PasswordHasher,
        vault: Vault,
    ) -> Self {
        Self {
            attempts: Attempts::new(auth.clone()),
            auth,
            ids,
            passwords,
            vault,
            resets: Throttle::default(),
        }
    }

    /// Checks a password, and the code that comes with it where one is needed, and starts a session.
    pub async fn sign_in(
        &self,
        attempt: &Attempt<'_>,
        now: Timestamp,
    ) -> Result<Started, IdentityError> {
        let candidate = self.check_password(attempt, now).await?;
        if let Some(seed) = &candidate.seed {
            let code = attempt.code.ok_or(IdentityError::TotpRequired)?;
            let who = (candidate.tenant, candidate.user);
            if !self.take_code(who, seed, code, now).await? {
                telemetry::sign_in_refused(Refusal::Code);
                self.note(who, Action::CodeRefuse, attempt.address).await?;
                return Err(IdentityError::WrongCode);
            }
        }
        self.start_for(&candidate, attempt, now).await
    }

    /// Checks a password; a person with a second factor is asked for its code in a step of its own.
    pub async fn begin(
        &self,
        attempt: &Attempt<'_>,
        now: Timestamp,
    ) -> Result<Begun, IdentityError> {
        let candidate = self.check_password(attempt, now).await?;
        if candidate.seed.is_some() {
            let who = (candidate.tenant, candidate.user);
            let version = Some(candidate.member_version);
            let step = self.begin_second_step(who, version, now).await?;
            return Ok(Begun::Code(step));
        }
        let started = self.start_for(&candidate, attempt, now).await?;
        Ok(Begun::Session(started))
    }

    /// The one person whose password this is. Exactly one hash, whoever is asked for, unless a right password is hashed anew.
    async fn check_password(
        &self,
        attempt: &Attempt<'_>,
        now: Timestamp,
    ) -> Result<Candidate, IdentityError> {
        let key = email_key(attempt.email);
        if let Err(error) = self.attempts.admit_here(&key, attempt.address, now) {
            self.note_throttled(&key, attempt);
            return Err(error);
        }
        let client = self.auth.get().await?;
        // In one flight, whatever the answers.
        let (admitted, found) = tokio::join!(
            self.attempts.admit_on(&client, &key, attempt.address, now),
            candidates(&client, &key, attempt.workspace)
        );
        if let Err(error) = admitted {
            self.note_throttled(&key, attempt);
            return Err(error);
        }
        let mut candidates = found?;
        // Hashing takes long; others need the connection.
        drop(client);
        let candidate = if candidates.len() == 1 {
            candidates.pop()
        } else {
            None
        };
        let phc = candidate
            .as_ref()
            .and_then(|candidate| candidate.phc.as_deref());
        match (
            self.passwords.verify(attempt.password, phc).await?,
            candidate,
        ) {
            (Verdict::Right { rehash }, Some(candidate)) => {
                if let Some(stronger) = rehash {
                    self.rehash(&candidate, &stronger).await?;
                }
                Ok(candidate)
            }
            (_, candidate) => {
                candidates.extend(candidate);
                self.note_refusal(candidates, attempt.address);
                telemetry::sign_in_refused(Refusal::Password);
                Err(IdentityError::WrongPassword)
            }
        }
    }

    /// Gives the attempt back and starts a session, in one flight.
    async fn start_for(
        &self,
        candidate: &Candidate,
        attempt: &Attempt<'_>,
        now: Timestamp,
    ) -> Result<Started, IdentityError> {
        let who = (candidate.tenant, candidate.user);
        let seen = Some(candidate.member_version);
        let from = (attempt.address, attempt.user_agent);
        let client = self.auth.get().await?;
        let ((), started) = tokio::join!(
            self.attempts
                .succeeded_on(&client, &candidate.key, attempt.address),
            session::start(&client, &self.ids, (who, seen), from, now)
        );
        Started::from_session(who, started?)
    }

    /// Whom the secret part of a set-up link belongs to, while it is good.
    pub async fn invitee(&self, secret: &str) -> Result<Invitee, IdentityError> {
        self.invitee_by(
            "SELECT workspace, name, email FROM app.find_setup_link($1)",
            secret,
        )
        .await
    }

    /// Whom the secret of a link belongs to, by the look-up of its kind of link.
    pub(super) async fn invitee_by(
        &self,
        look_up: &str,
        secret: &str,
    ) -> Result<Invitee, IdentityError> {
        if !random::is_secret(secret) {
            return Err(IdentityError::LinkSpent);
        }
        let client = self.auth.get().await?;
        let statement = client.prepare_cached(look_up).await?;
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

    /// Uses a set-up link up: sets the password and starts a session, or asks for the code of a second factor.
    pub async fn redeem(
        &self,
        secret: &str,
        password: &SecretString,
        address: IpAddr,
        user_agent: &str,
        now: Timestamp,
    ) -> Result<Begun, IdentityError> {
        // Asked first, so that a spent link costs no hash.
        let own = self.invitee(secret).await?.own_words();
        let phc = self.passwords.hash_for(password, &own).await?;
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
        self.admit(who, (address, user_agent), now).await
    }

    /// Lets somebody in who has just set a password or proved in another way that it is them: a second factor is never skipped.
    pub async fn admit(
        &self,
        who: (RecordId, RecordId),
        (address, user_agent): (IpAddr, &str),
        now: Timestamp,
    ) -> Result<Begun, IdentityError> {
        if self.has_totp(who).await? {
            return Ok(Begun::Code(self.begin_second_step(who, None, now).await?));
        }
        let started = self.start(who, None, (address, user_agent), now).await?;
        Ok(Begun::Session(started))
    }

    /// Ends a session; false when it had ended already.
    pub async fn sign_out(
        &self,
        tenant: RecordId,
        session: RecordId,
    ) -> Result<bool, IdentityError> {
        session::end(&self.auth, tenant, session).await
    }

    /// Ends the session that a browser had before it signed in anew.
    pub(crate) async fn end_replaced(&self, before: &SessionToken) -> Result<(), IdentityError> {
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT app.end_replaced_session($1)")
            .await?;
        client
            .execute(&statement, &[&before.hash().as_slice()])
            .await?;
        Ok(())
    }

    /// Starts a session for somebody whose access had the version `seen` when they proved themselves; `None`: just now. Whoever's password
    /// or access has changed since then has proved nothing.
    pub(super) async fn start(
        &self,
        who: (RecordId, RecordId),
        seen: Option<i64>,
        from: (IpAddr, &str),
        now: Timestamp,
    ) -> Result<Started, IdentityError> {
        let client = self.auth.get().await?;
        let started = session::start(&client, &self.ids, (who, seen), from, now).await?;
        Started::from_session(who, started)
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

    /// Adds an event about somebody to their workspace's log.
    pub(super) async fn note(
        &self,
        who: (RecordId, RecordId),
        action: Action,
        address: IpAddr,
    ) -> Result<(), IdentityError> {
        note(&self.auth, who, action, address).await
    }

    /// Notes refused attempts in the logs of those whom they concern. Not waited for: the time of a write would tell that somebody exists.
    fn note_refusal(&self, candidates: Vec<Candidate>, address: IpAddr) {
        if candidates.is_empty() {
            return;
        }
        let auth = self.auth.clone();
        tokio::spawn(async move {
            note_all(&auth, &candidates, Action::SessionRefuse, address).await;
        });
    }

    /// Notes that sign-ins as somebody are made to wait, once in a while. Not waited for either, and nobody is looked up before the answer.
    fn note_throttled(&self, key: &str, attempt: &Attempt<'_>) {
        if !self.attempts.is_news(key) {
            return;
        }
        let (auth, address) = (self.auth.clone(), attempt.address);
        let (key, slug) = (key.to_owned(), attempt.workspace.map(str::to_owned));
        tokio::spawn(async move {
            let found = async {
                let client = auth.get().await?;
                candidates(&client, &key, slug.as_deref()).await
            };
            match found.await {
                Ok(found) => note_all(&auth, &found, Action::SessionThrottle, address).await,
                Err(error) => tracing::warn!(%error, "sign-ins that wait could not be noted"),
            }
        });
    }
}

async fn note_all(auth: &AuthPool, candidates: &[Candidate], action: Action, address: IpAddr) {
    for candidate in candidates {
        let who = (candidate.tenant, candidate.user);
        if let Err(error) = note(auth, who, action, address).await {
            tracing::warn!(%error, "a refused sign-in could not be noted in the audit log");
        }
    }
}

/// The people an address may mean.
async fn candidates(
    client: &deadpool_postgres::Object,
    key: &str,
    slug: Option<&str>,
) -> Result<Vec<Candidate>, IdentityError> {
    if key.contains('\0') || slug.is_some_and(|slug| slug.contains('\0')) {
        return Ok(Vec::new());
    }
    let statement = client.prepare_cached("SELECT tenant_id, user_id, email_key, member_version, password_phc, totp_seed FROM app.find_login($1, $2)").await?;
    let rows = client.query(&statement, &[&key, &slug]).await?;
    rows.iter()
        .map(|row| {
            Ok(Candidate {
                tenant: record_id(row.try_get(0)?)?,
                user: record_id(row.try_get(1)?)?,
                key: row.try_get(2)?,
                member_version: row.try_get(3)?,
                phc: row.try_get(4)?,
                seed: row.try_get(5)?,
            })
        })
        .collect()
}

async fn note(
    auth: &AuthPool,
    (tenant, user): (RecordId, RecordId),
    action: Action,
    address: IpAddr,
) -> Result<(), IdentityError> {
    let client = auth.get().await?;
    client
        .execute(
            "SELECT app.add_auth_event($1, $2, $3, $4)",
            &[
                &tenant.as_str(),
                &user.as_str(),
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
