//! What people do with what guards their own account: the password and the second factor.
//!
//! Each of these ends all other sessions of the person and puts a new one in the place of the one they work in.

use std::net::IpAddr;

use fieldstone_model::RecordId;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::{
    Identity, IdentityError, SESSION_PREFIX, SignIn,
    proof::Proof,
    random,
    session::SessionToken,
    strength::Weakness,
    totp::{self, Code, Seed},
};

/// How long a seed waits to be confirmed.
const UNCONFIRMED: SignedDuration = SignedDuration::from_mins(15);

/// A person's second factor.
#[derive(Debug)]
pub enum Factor {
    /// There is none.
    None,
    /// A seed waits to be confirmed by a code.
    Unconfirmed(Seed),
    /// There is one.
    Totp {
        /// Since when.
        since: Timestamp,
        /// How many recovery codes are left.
        codes_left: i64,
    },
}

/// Recovery codes that have just been made: shown once.
pub type RecoveryCodes = Vec<Zeroizing<String>>;

impl SignIn {
    /// Changes the password of somebody who is signed in and knows the present one. Their other sessions and the sign-ins of applications
    /// end, and with `end_tokens` their API tokens too.
    pub async fn change_password(
        &self,
        identity: &Identity,
        (present, new): (&SecretString, &SecretString),
        end_tokens: bool,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<SessionToken, IdentityError> {
        let known = self.known(identity).await?;
        self.check_proof(&known, Proof::Password(present), address, now)
            .await?;
        if present.expose_secret() == new.expose_secret() {
            return Err(Weakness::Same.into());
        }
        let phc = self.passwords.hash_for(new, &known.own).await?;
        let token = SessionToken::generate()?;
        let id = random::id(&self.ids, SESSION_PREFIX, now)?;
        let client = self.auth.get().await?;
        let changed: bool = client
            .query_one(
                "SELECT app.change_password($1, $2, $3, $4, $5, $6, $7, $8)",
                &[
                    &known.who.0.as_str(),
                    &known.who.1.as_str(),
                    &known.phc,
                    &phc,
                    &known.session.as_str(),
                    &id.as_str(),
                    &token.hash().as_slice(),
                    &end_tokens,
                ],
            )
            .await?
            .try_get(0)?;
        if changed {
            Ok(token)
        } else {
            Err(IdentityError::Unauthenticated)
        }
    }

    /// The second factor of whoever is signed in. A seed that waited too long is none.
    pub async fn factor(
        &self,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<Factor, IdentityError> {
        let who = (identity.actor.tenant, identity.actor.user);
        let Some(stored) = self.stored_factor(who).await? else {
            return Ok(Factor::None);
        };
        match stored.confirmed_at {
            Some(since) => Ok(Factor::Totp {
                since,
                codes_left: stored.codes_left,
            }),
            None if now.duration_since(stored.created_at) < UNCONFIRMED => {
                Seed::open(&self.vault, who, &stored.seed).map(Factor::Unconfirmed)
            }
            None => Ok(Factor::None),
        }
    }

    /// Whether somebody has a second factor.
    pub(super) async fn has_totp(&self, who: (RecordId, RecordId)) -> Result<bool, IdentityError> {
        let stored = self.stored_factor(who).await?;
        Ok(stored.is_some_and(|stored| stored.confirmed_at.is_some()))
    }

    /// Makes a seed for whoever is signed in; it counts once [`Self::confirm_totp`] has seen a code of it.
    pub async fn start_totp(&self, identity: &Identity) -> Result<Seed, IdentityError> {
        let known = self.known(identity).await?;
        let seed = Seed::generate()?;
        let sealed = seed.seal(&self.vault, known.who)?;
        let client = self.auth.get().await?;
        let started: bool = client
            .query_one(
                "SELECT app.start_totp($1, $2, $3)",
                &[&known.who.0.as_str(), &known.who.1.as_str(), &sealed],
            )
            .await?
            .try_get(0)?;
        if started {
            Ok(seed)
        } else {
            Err(IdentityError::FactorChanged)
        }
    }

    /// Makes a seed count, by a code of it; answers the recovery codes and the session that takes the old one's place.
    pub async fn confirm_totp(
        &self,
        identity: &Identity,
        code: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(RecoveryCodes, SessionToken), IdentityError> {
        let known = self.known(identity).await?;
        self.attempts.admit(&known.key, address, now).await?;
        let stored = self
            .stored_factor(known.who)
            .await?
            .filter(|stored| {
                stored.confirmed_at.is_none() && now.duration_since(stored.created_at) < UNCONFIRMED
            })
            .ok_or(IdentityError::FactorChanged)?;
        let step = Seed::open(&self.vault, known.who, &stored.seed)?
            .accept(code, now)
            .ok_or(IdentityError::WrongCode)?;
        self.attempts.succeeded(&known.key, address).await;
        let (codes, hashes) = totp::recovery_codes(&self.vault, known.who)?;
        let mut client = self.auth.get().await?;
        let transaction = client.transaction().await?;
        let confirmed: bool = transaction
            .query_one(
                "SELECT app.confirm_totp($1, $2, $3, $4, $5)",
                &[
                    &known.who.0.as_str(),
                    &known.who.1.as_str(),
                    &stored.seed,
                    &step,
                    &hashes,
                ],
            )
            .await?
            .try_get(0)?;
        if !confirmed {
            return Err(IdentityError::FactorChanged);
        }
        let token = self.rotate(&*transaction, &known, true, now).await?;
        transaction.commit().await?;
        Ok((codes, token))
    }

    /// Makes new recovery codes for somebody who gives a code; those from before are worth nothing. A password alone must not be the way to
    /// what stands in for the second factor.
    pub async fn renew_recovery_codes(
        &self,
        identity: &Identity,
        code: Code<'_>,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<RecoveryCodes, IdentityError> {
        let known = self.known(identity).await?;
        if known.seed.is_none() {
            return Err(IdentityError::FactorChanged);
        }
        self.check_proof(&known, Proof::Code(code), address, now)
            .await?;
        let (codes, hashes) = totp::recovery_codes(&self.vault, known.who)?;
        let client = self.auth.get().await?;
        let made: bool = client
            .query_one(
                "SELECT app.renew_recovery_codes($1, $2, $3, $4)",
                &[
                    &known.who.0.as_str(),
                    &known.who.1.as_str(),
                    &known.session.as_str(),
                    &hashes,
                ],
            )
            .await?
            .try_get(0)?;
        if made {
            Ok(codes)
        } else {
            Err(IdentityError::FactorChanged)
        }
    }

    /// Removes the second factor of somebody who gives both their password and a code.
    pub async fn remove_totp(
        &self,
        identity: &Identity,
        password: &SecretString,
        code: Code<'_>,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<SessionToken, IdentityError> {
        let known = self.known(identity).await?;
        if known.seed.is_none() {
            return Err(IdentityError::FactorChanged);
        }
        // The password first: a code that is taken can't be given again.
        self.check_proof(&known, Proof::Password(password), address, now)
            .await?;
        self.check_proof(&known, Proof::Code(code), address, now)
            .await?;
        let mut client = self.auth.get().await?;
        let transaction = client.transaction().await?;
        let removed: bool = transaction
            .query_one(
                "SELECT app.remove_totp($1, $2)",
                &[&known.who.0.as_str(), &known.who.1.as_str()],
            )
            .await?
            .try_get(0)?;
        if !removed {
            return Err(IdentityError::FactorChanged);
        }
        let token = self.rotate(&*transaction, &known, true, now).await?;
        transaction.commit().await?;
        Ok(token)
    }

    async fn stored_factor(
        &self,
        who: (RecordId, RecordId),
    ) -> Result<Option<Stored>, IdentityError> {
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached(
                "SELECT seed, created_at, confirmed_at, codes_left FROM app.find_totp($1, $2)",
            )
            .await?;
        let row = client
            .query_opt(&statement, &[&who.0.as_str(), &who.1.as_str()])
            .await?;
        row.map(|row| {
            Ok(Stored {
                seed: row.try_get(0)?,
                created_at: row.try_get(1)?,
                confirmed_at: row.try_get(2)?,
                codes_left: row.try_get(3)?,
            })
        })
        .transpose()
    }
}

/// A second factor as it is stored.
struct Stored {
    seed: Vec<u8>,
    created_at: Timestamp,
    confirmed_at: Option<Timestamp>,
    codes_left: i64,
}
