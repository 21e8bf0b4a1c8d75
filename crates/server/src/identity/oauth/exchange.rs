//! What applications exchange with the token and revocation endpoints: codes and refresh tokens for tokens.
//!
//! Works with the sign-in pool: an application has no tenant before its code or token has said which.

use std::{net::IpAddr, sync::Arc};

use aws_lc_rs::constant_time;
use fieldstone_model::{Capability, IdSource};
use jiff::Timestamp;

use super::{
    GRANT_PREFIX, OAuthRefusal, TOKEN_PREFIX, pkce, scope,
    secret::{Kind, Secret, salt},
};
use crate::identity::{AuthPool, IdentityError, random, throttle::Throttle};

/// Gives out tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AuthorizationServer {
    auth: AuthPool,
    ids: Arc<IdSource>,
    throttle: Throttle,
}

/// How an application proves itself.
#[derive(Debug)]
pub struct ClientProof {
    /// What it calls itself.
    pub client_id: String,
    /// Its secret, if it sent one.
    pub secret: Option<String>,
}

/// Tokens for an application. Nothing of it is shown but to the application, once.
#[derive(Debug)]
pub struct TokenSet {
    /// Opens the API.
    pub access: Secret,
    /// Gets the next set.
    pub refresh: Secret,
    /// Seconds until the access token ends.
    pub expires_in: i32,
    /// What it may do.
    pub scopes: Vec<Capability>,
}

/// Why an exchange came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Exchange {
    /// It was refused, as the standard says.
    #[error(transparent)]
    Refused(#[from] OAuthRefusal),
    /// It could not be decided.
    #[error(transparent)]
    Failed(#[from] IdentityError),
}

impl From<tokio_postgres::Error> for Exchange {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Fresh tokens with the ids they are kept under.
pub(super) struct Fresh {
    pub(super) access: Secret,
    pub(super) access_id: String,
    pub(super) refresh: Secret,
    pub(super) refresh_id: String,
}

impl Fresh {
    pub(super) fn make(ids: &IdSource, now: Timestamp) -> Result<Self, IdentityError> {
        Ok(Self {
            access: Secret::generate(Kind::Access)?,
            access_id: random::id(ids, TOKEN_PREFIX, now)?.to_string(),
            refresh: Secret::generate(Kind::Refresh)?,
            refresh_id: random::id(ids, TOKEN_PREFIX, now)?.to_string(),
        })
    }

    pub(super) fn set(self, scopes: &[String], expires_in: i32) -> TokenSet {
        TokenSet {
            access: self.access,
            refresh: self.refresh,
            expires_in,
            scopes: scope::of_names(scopes),
        }
    }
}

impl AuthorizationServer {
    /// `auth` is the pool of `fieldstone_auth`.
    pub fn new(auth: AuthPool, ids: Arc<IdSource>) -> Self {
        Self {
            auth,
            ids,
            throttle: Throttle::default(),
        }
    }

    /// Exchanges a code, once.
    pub async fn redeem(
        &self,
        client: &ClientProof,
        (code, verifier, redirect_uri): (&str, &str, &str),
        (address, user_agent): (IpAddr, &str),
        now: Timestamp,
    ) -> Result<TokenSet, Exchange> {
        self.admit(client, address, now).await?;
        let code = Secret::read(Kind::Code, code).ok_or(OAuthRefusal::InvalidGrant)?;
        let challenge = pkce::challenge(verifier).ok_or(OAuthRefusal::InvalidGrant);
        // A verifier that can't be one spends the code, like any other wrong one.
        let challenge = challenge.unwrap_or_default();
        let fresh = Fresh::make(&self.ids, now)?;
        let family = random::id(&self.ids, GRANT_PREFIX, now)?;
        let connection = self.auth.get().await?;
        let statement = connection
            .prepare_cached("SELECT outcome, scopes, seconds FROM app.redeem_code($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
            .await?;
        let row = connection
            .query_one(
                &statement,
                &[
                    &code.hash().as_slice(),
                    &client.client_id,
                    &redirect_uri,
                    &challenge,
                    &family.as_str(),
                    &label(user_agent),
                    &address.to_string(),
                    &fresh.access_id,
                    &fresh.access.hash().as_slice(),
                    &fresh.refresh_id,
                    &fresh.refresh.hash().as_slice(),
                ],
            )
            .await?;
        match row.try_get::<_, &str>(0)? {
            "given" => Ok(fresh.set(&row.try_get::<_, Vec<String>>(1)?, row.try_get(2)?)),
            _ => Err(OAuthRefusal::InvalidGrant.into()),
        }
    }

    /// Replaces a refresh token. `wanted` narrows what the access token may do.
    pub async fn refresh(
        &self,
        client: &ClientProof,
        (token, wanted): (&str, Option<&str>),
        address: IpAddr,
        now: Timestamp,
    ) -> Result<TokenSet, Exchange> {
        self.admit(client, address, now).await?;
        let token = Secret::read(Kind::Refresh, token).ok_or(OAuthRefusal::InvalidGrant)?;
        let wanted = match wanted.map(str::trim) {
            None | Some("") => None,
            Some(list) => Some(scope::parse(list).ok_or(OAuthRefusal::InvalidScope)?),
        };
        let wanted = wanted.as_deref().map(scope::names);
        let mut fresh = Fresh::make(&self.ids, now)?;
        let salt = salt()?;
        fresh.refresh = token.successor(&salt);
        let connection = self.auth.get().await?;
        let statement = connection
            .prepare_cached("SELECT outcome, new_salt, scopes, seconds FROM app.rotate_refresh($1, $2, $3, $4, $5, $6, $7, $8, $9)")
            .await?;
        let row = connection
            .query_one(
                &statement,
                &[
                    &token.hash().as_slice(),
                    &client.client_id,
                    &wanted,
                    &salt.as_slice(),
                    &address.to_string(),
                    &fresh.access_id,
                    &fresh.access.hash().as_slice(),
                    &fresh.refresh_id,
                    &fresh.refresh.hash().as_slice(),
                ],
            )
            .await?;
        match row.try_get::<_, &str>(0)? {
            "given" => {
                // After a lost answer it is the salt of the successor that there is already.
                fresh.refresh = token.successor(row.try_get(1)?);
                Ok(fresh.set(&row.try_get::<_, Vec<String>>(2)?, row.try_get(3)?))
            }
            "too_wide" => Err(OAuthRefusal::InvalidScope.into()),
            _ => Err(OAuthRefusal::InvalidGrant.into()),
        }
    }

    /// Ends everything that a token belongs to. Says nothing about whether there was such a token (RFC 7009, 2.2).
    pub async fn revoke(
        &self,
        client: &ClientProof,
        token: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), Exchange> {
        self.admit(client, address, now).await?;
        let Some(token) =
            Secret::read(Kind::Refresh, token).or_else(|| Secret::read(Kind::Access, token))
        else {
            return Ok(());
        };
        let connection = self.auth.get().await?;
        let statement = connection
            .prepare_cached("SELECT app.revoke_token($1, $2)")
            .await?;
        connection
            .execute(&statement, &[&token.hash().as_slice(), &client.client_id])
            .await?;
        Ok(())
    }

    /// Lets an application in that is known and, if it has a secret, knows it.
    async fn admit(
        &self,
        client: &ClientProof,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), Exchange> {
        self.throttle.admit_program(address, now)?;
        if client.client_id.contains('\0') {
            return Err(OAuthRefusal::InvalidClient.into());
        }
        let connection = self.auth.get().await?;
        let statement = connection
            .prepare_cached("SELECT confidential, secret_hash FROM app.find_client($1)")
            .await?;
        let row = connection
            .query_opt(&statement, &[&client.client_id])
            .await?
            .ok_or(OAuthRefusal::InvalidClient)?;
        let is_confidential: bool = row.try_get(0)?;
        let kept: Option<&[u8]> = row.try_get(1)?;
        let sent = client.secret.as_deref();
        let is_proven = match (is_confidential, kept, sent) {
            (true, Some(kept), Some(sent)) => {
                constant_time::verify_slices_are_equal(kept, &random::hash(sent)).is_ok()
            }
            // An empty secret is how some libraries say that they have none.
            (false, _, sent) => sent.is_none_or(str::is_empty),
            (true, _, _) => false,
        };
        if is_proven {
            Ok(())
        } else {
            Err(OAuthRefusal::InvalidClient.into())
        }
    }
}

/// What a program calls itself, as far as it can be shown.
pub(super) fn label(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(255)
        .collect::<String>()
        .trim()
        .to_owned()
}
