//! Signing in by two steps: the password was right, the code is to follow.
//!
//! What stands between the two is not a session: it opens nothing, lives five minutes, is good for one sign-in of one person whose access
//! hasn't changed meanwhile, and ends at the fifth wrong code. Its secret is in a cookie of this browser; the database keeps a hash.

use std::net::IpAddr;

use fieldstone_model::RecordId;
use http::HeaderMap;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{
    IdentityError, SECOND_STEP_PREFIX, SESSION_PREFIX, SignIn,
    cookie::{self, Lasting},
    random,
    session::SessionToken,
    sign_in::{Started, record_id},
    totp::{Code, Seed, recovery_hash},
};
use crate::telemetry::{self, Refusal};

/// The cookie's name.
pub const COOKIE: &str = "__Host-fieldstone-step";
/// How long a browser keeps it; the database keeps to the same.
const MINUTES: i64 = 5;

/// The secret of a sign-in that awaits a code.
#[derive(Clone)]
pub struct StepToken(Zeroizing<String>);

impl std::fmt::Debug for StepToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StepToken(…)")
    }
}

impl StepToken {
    /// The one in a request's cookies.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        cookie::secret(headers, COOKIE).map(Self)
    }

    /// The `Set-Cookie` value.
    pub fn set_cookie(&self) -> Zeroizing<String> {
        cookie::set(COOKIE, &self.0, Lasting::Minutes(MINUTES))
    }

    fn hash(&self) -> [u8; 32] {
        random::hash(&self.0)
    }
}

/// The `Set-Cookie` value that takes the cookie away.
pub fn clear_cookie() -> String {
    cookie::clear(COOKIE)
}

impl SignIn {
    /// Notes that somebody has proved themselves but for a code. `version` is their `member_version` when they did; `None`: just now.
    pub(super) async fn begin_second_step(
        &self,
        (tenant, user): (RecordId, RecordId),
        version: Option<i64>,
        now: Timestamp,
    ) -> Result<StepToken, IdentityError> {
        let token = StepToken(Zeroizing::new(random::secret()?));
        let id = random::id(&self.ids, SECOND_STEP_PREFIX, now)?;
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT app.begin_second_step($1, $2, $3, $4, $5)")
            .await?;
        client
            .execute(
                &statement,
                &[
                    &tenant.as_str(),
                    &id.as_str(),
                    &user.as_str(),
                    &version,
                    &token.hash().as_slice(),
                ],
            )
            .await?;
        Ok(token)
    }

    /// Whether a code is still awaited.
    pub async fn awaits_code(&self, token: &StepToken) -> Result<bool, IdentityError> {
        Ok(self.find_second_step(token).await?.is_some())
    }

    /// Checks the code that a sign-in awaits, and starts the session.
    ///
    /// [`IdentityError::StepEnded`] when none is awaited any more: the person begins again with the password.
    pub async fn finish(
        &self,
        token: &StepToken,
        code: Code<'_>,
        (address, user_agent): (IpAddr, &str),
        now: Timestamp,
    ) -> Result<Started, IdentityError> {
        let (who, key, seed) = self
            .find_second_step(token)
            .await?
            .ok_or(IdentityError::StepEnded)?;
        // A code costs an attempt of the account too: five codes for every right password would add up.
        self.attempts.admit(&key, address, now).await?;
        let (step, hash) = match code {
            Code::Totp(code) => (Seed::open(&self.vault, who, &seed)?.accept(code, now), None),
            Code::Recovery(code) => (None, Some(recovery_hash(&self.vault, who, code)?)),
        };
        let session = SessionToken::generate()?;
        let id = random::id(&self.ids, SESSION_PREFIX, now)?;
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT app.finish_second_step($1, $2, $3, $4, $5, $6, $7)")
            .await?;
        let finished: Option<bool> = client
            .query_one(
                &statement,
                &[
                    &token.hash().as_slice(),
                    &step,
                    &hash.as_ref().map(<[u8; 32]>::as_slice),
                    &id.as_str(),
                    &session.hash().as_slice(),
                    &user_agent.replace('\0', ""),
                    &address.to_string(),
                ],
            )
            .await?
            .try_get(0)?;
        match finished {
            Some(true) => {
                // The password's attempt and the code's.
                for _ in 0..2 {
                    self.attempts.succeeded(&key, address).await;
                }
                Ok(Started {
                    token: session,
                    session: id,
                    tenant: who.0,
                    user: who.1,
                })
            }
            Some(false) => {
                telemetry::sign_in_refused(Refusal::Code);
                Err(IdentityError::WrongCode)
            }
            None => Err(IdentityError::StepEnded),
        }
    }

    async fn find_second_step(
        &self,
        token: &StepToken,
    ) -> Result<Option<((RecordId, RecordId), String, Vec<u8>)>, IdentityError> {
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached(
                "SELECT tenant_id, user_id, email_key, totp_seed FROM app.find_second_step($1)",
            )
            .await?;
        let row = client
            .query_opt(&statement, &[&token.hash().as_slice()])
            .await?;
        row.map(|row| {
            let who = (record_id(row.try_get(0)?)?, record_id(row.try_get(1)?)?);
            Ok((who, row.try_get(2)?, row.try_get(3)?))
        })
        .transpose()
    }
}
