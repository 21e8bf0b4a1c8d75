//! Proving oneself again: what weighs much asks for the password once more when that was long ago.
//!
//! A proof puts a new session in the place of the old one, so that a cookie copied before is worth nothing after.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;

use super::{
    Identity, IdentityError, SESSION_PREFIX, SignIn, audit::Action, authenticate::Credential,
    password::Verdict, random, session::SessionToken,
};

/// How long a proof counts.
pub const PROOF_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

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
    /// Checks the password of somebody who is signed in; answers the secret of the session that takes the old one's place.
    pub async fn prove(
        &self,
        identity: &Identity,
        password: &SecretString,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<SessionToken, IdentityError> {
        let (Credential::Session, Some(session)) =
            (&identity.credential, identity.actor.credential)
        else {
            return Err(IdentityError::SessionNeeded);
        };
        let (tenant, user) = (identity.actor.tenant, identity.actor.user);
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT email_key, password_phc FROM app.find_proof($1, $2)")
            .await?;
        let row = client
            .query_opt(&statement, &[&tenant.as_str(), &user.as_str()])
            .await?
            .ok_or(IdentityError::Unauthenticated)?;
        let (key, phc): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        drop(client);
        // The same buckets as at sign-in: a stolen session must not be a place to guess passwords at.
        self.throttle.admit(&key, address, now)?;
        let verdict = self.passwords.verify(password, phc.as_deref()).await?;
        if verdict == Verdict::Wrong {
            self.note(identity, Action::ProofRefuse, address).await?;
            return Err(IdentityError::WrongPassword);
        }
        self.throttle.succeeded(&key);
        let token = SessionToken::generate()?;
        let id = random::id(&self.ids, SESSION_PREFIX, now)?;
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT app.rotate_session($1, $2, $3, $4, true)")
            .await?;
        let rotated: bool = client
            .query_one(
                &statement,
                &[
                    &tenant.as_str(),
                    &session.as_str(),
                    &id.as_str(),
                    &token.hash().as_slice(),
                ],
            )
            .await?
            .try_get(0)?;
        drop(client);
        if !rotated {
            return Err(IdentityError::Unauthenticated);
        }
        self.note(identity, Action::ProofGive, address).await?;
        Ok(token)
    }

    async fn note(
        &self,
        identity: &Identity,
        action: Action,
        address: IpAddr,
    ) -> Result<(), IdentityError> {
        let client = self.auth.get().await?;
        let detail = json!({"address": address.to_string()});
        client
            .execute(
                "SELECT app.add_auth_event($1, $2, $3, $4)",
                &[
                    &identity.actor.tenant.as_str(),
                    &identity.actor.user.as_str(),
                    &action.name(),
                    &detail,
                ],
            )
            .await?;
        Ok(())
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
