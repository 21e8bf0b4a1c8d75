//! Proving oneself again: what weighs much asks for the password, or for a code, once more when that was long ago.
//!
//! A proof puts a new session in the place of the old one, so that a cookie copied before is worth nothing after.

use std::net::IpAddr;

use fieldstone_model::RecordId;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tokio_postgres::GenericClient;

use super::{
    Identity, IdentityError, SESSION_PREFIX, SignIn,
    audit::Action,
    authenticate::Credential,
    password::Verdict,
    random,
    session::SessionToken,
    strength::OwnWords,
    totp::{Code, Seed, recovery_hash},
};

/// How long a proof counts.
pub const PROOF_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// What somebody who is signed in proves themselves with.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// Their password.
    Password(&'a SecretString),
    /// A code of their second factor.
    Code(Code<'a>),
}

/// What is known of a person who is to prove themselves.
pub(super) struct Known {
    pub(super) who: (RecordId, RecordId),
    pub(super) session: RecordId,
    /// What proofs are counted under: not with sign-ins, so that who guesses at those keeps nobody from proving themselves.
    pub(super) key: String,
    pub(super) phc: Option<String>,
    /// The sealed seed of the second factor, where there is one.
    pub(super) seed: Option<Vec<u8>>,
    pub(super) own: OwnWords,
}

impl Identity {
    /// Refuses whoever has not proved themselves within [`PROOF_LIFETIME`], and every program: a token can't prove anything.
    pub fn require_recent_proof(&self, now: Timestamp) -> Result<(), IdentityError> {
        if self.credential != Credential::Session {
            return Err(IdentityError::SessionNeeded);
        }
        let is_recent = self
            .proved_at
            .is_some_and(|at| now.duration_since(at) < PROOF_LIFETIME);
        if is_recent {
            Ok(())
        } else {
            Err(IdentityError::ProofNeeded)
        }
    }
}

impl SignIn {
    /// Checks the proof of somebody who is signed in; answers the secret of the session that takes the old one's place.
    pub async fn prove(
        &self,
        identity: &Identity,
        proof: Proof<'_>,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<SessionToken, IdentityError> {
        let known = self.known(identity).await?;
        self.check_proof(&known, proof, address, now).await?;
        let client = self.auth.get().await?;
        let token = self.rotate(&**client, &known, false, now).await?;
        drop(client);
        self.note(known.who, Action::ProofGive, address).await?;
        Ok(token)
    }

    /// Puts a session with another secret in the place of the one of somebody who may do more than when it began; what it has proven stays
    /// undone. Nothing where that has happened already.
    pub async fn renew_raised(
        &self,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<Option<SessionToken>, IdentityError> {
        let Some(session) = identity.actor.credential else {
            return Err(IdentityError::SessionNeeded);
        };
        let token = SessionToken::generate()?;
        let id = random::id(&self.ids, SESSION_PREFIX, now)?;
        let client = self.auth.get().await?;
        let renewed: bool = client
            .query_one(
                "SELECT app.renew_raised_session($1, $2, $3, $4)",
                &[
                    &identity.actor.tenant.as_str(),
                    &session.as_str(),
                    &id.as_str(),
                    &token.hash().as_slice(),
                ],
            )
            .await?
            .try_get(0)?;
        Ok(renewed.then_some(token))
    }

    /// What is stored of the person of a session.
    pub(super) async fn known(&self, identity: &Identity) -> Result<Known, IdentityError> {
        let (Credential::Session, Some(session)) =
            (&identity.credential, identity.actor.credential)
        else {
            return Err(IdentityError::SessionNeeded);
        };
        let who = (identity.actor.tenant, identity.actor.user);
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT password_phc, totp_seed, name, email, workspace FROM app.find_proof($1, $2, $3, $4)")
            .await?;
        let row = client
            .query_opt(
                &statement,
                &[
                    &who.0.as_str(),
                    &who.1.as_str(),
                    &session.as_str(),
                    &identity.actor.member_version,
                ],
            )
            .await?
            .ok_or(IdentityError::Unauthenticated)?;
        Ok(Known {
            who,
            session,
            key: format!("proof {}", who.1),
            phc: row.try_get(0)?,
            seed: row.try_get(1)?,
            own: OwnWords::of(row.try_get(2)?, row.try_get(3)?, row.try_get(4)?),
        })
    }

    /// Checks a proof; whether it is good is counted and noted as at sign-in, since a stolen session must not be a place to guess at.
    pub(super) async fn check_proof(
        &self,
        known: &Known,
        proof: Proof<'_>,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), IdentityError> {
        self.attempts.admit(&known.key, address, now).await?;
        let refusal = match proof {
            Proof::Password(password) => {
                let verdict = self
                    .passwords
                    .verify(password, known.phc.as_deref())
                    .await?;
                (verdict == Verdict::Wrong).then_some(IdentityError::WrongPassword)
            }
            Proof::Code(code) => {
                let is_good = match &known.seed {
                    Some(seed) => self.take_code(known.who, seed, code, now).await?,
                    None => false,
                };
                (!is_good).then_some(IdentityError::WrongCode)
            }
        };
        if let Some(refusal) = refusal {
            self.note(known.who, Action::ProofRefuse, address).await?;
            return Err(refusal);
        }
        self.attempts.succeeded(&known.key, address).await;
        Ok(())
    }

    /// Accepts a code of somebody's second factor, once.
    pub(super) async fn take_code(
        &self,
        who: (RecordId, RecordId),
        seed: &[u8],
        code: Code<'_>,
        now: Timestamp,
    ) -> Result<bool, IdentityError> {
        let (tenant, user) = (who.0.as_str(), who.1.as_str());
        let client = self.auth.get().await?;
        let row = match code {
            Code::Totp(code) => {
                let Some(step) = Seed::open(&self.vault, who, seed)?.accept(code, now) else {
                    return Ok(false);
                };
                let take = client
                    .prepare_cached("SELECT app.take_totp_step($1, $2, $3)")
                    .await?;
                client.query_one(&take, &[&tenant, &user, &step]).await?
            }
            Code::Recovery(code) => {
                let hash = recovery_hash(&self.vault, who, code)?;
                let take = client
                    .prepare_cached("SELECT app.take_recovery_code($1, $2, $3)")
                    .await?;
                client
                    .query_one(&take, &[&tenant, &user, &hash.as_slice()])
                    .await?
            }
        };
        Ok(row.try_get(0)?)
    }

    /// Puts a new session in the place of the one the person works in; with `alone` all others of theirs end.
    pub(super) async fn rotate<C: GenericClient>(
        &self,
        client: &C,
        known: &Known,
        alone: bool,
        now: Timestamp,
    ) -> Result<SessionToken, IdentityError> {
        let token = SessionToken::generate()?;
        let id = random::id(&self.ids, SESSION_PREFIX, now)?;
        let rotated: bool = client
            .query_one(
                "SELECT app.rotate_session($1, $2, $3, $4, $5)",
                &[
                    &known.who.0.as_str(),
                    &known.session.as_str(),
                    &id.as_str(),
                    &token.hash().as_slice(),
                    &alone,
                ],
            )
            .await?
            .try_get(0)?;
        if rotated {
            Ok(token)
        } else {
            Err(IdentityError::Unauthenticated)
        }
    }
}

#[cfg(test)]
mod tests {
    use fieldstone_model::Role;

    use super::*;
    use crate::database::Actor;

    fn identity(credential: Credential, proved_at: Option<&str>) -> Identity {
        Identity {
            actor: Actor {
                tenant: "00D000000000001".parse().unwrap(),
                user: "005000000000001".parse().unwrap(),
                role: Role::Owner,
                member_version: 1,
                credential: Some("0SS000000000001".parse().unwrap()),
            },
            schema_version: 1,
            credential,
            must_enrol: false,
            proved_at: proved_at.map(|at| at.parse().unwrap()),
            key: [0; 32],
        }
    }

    #[test]
    fn a_proof_counts_for_ten_minutes_and_never_for_a_program() {
        let now = "2026-05-01T12:10:00Z".parse().unwrap();
        let ask = |credential, at| identity(credential, at).require_recent_proof(now);
        assert!(ask(Credential::Session, Some("2026-05-01T12:00:01Z")).is_ok());
        for outdated in [Some("2026-05-01T12:00:00Z"), None] {
            assert!(matches!(
                ask(Credential::Session, outdated),
                Err(IdentityError::ProofNeeded)
            ));
        }
        let token = Credential::ApiToken { scopes: Vec::new() };
        assert!(matches!(
            ask(token, Some("2026-05-01T12:09:59Z")),
            Err(IdentityError::SessionNeeded)
        ));
    }
}
