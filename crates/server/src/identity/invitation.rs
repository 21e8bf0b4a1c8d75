//! Accepting an invitation: the secret of its letter makes a member of whoever has read it, once.

use std::net::IpAddr;

use fieldstone_model::{Role, fold};
use jiff::Timestamp;
use secrecy::SecretString;

use super::{
    IdentityError, SignIn, USER_PREFIX, random, sign_in::Started, sign_in::record_id,
    strength::OwnWords, workspace::check_name,
};

/// What an invitation offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The workspace's name.
    pub workspace: String,
    /// The address it was written to, which the person will sign in with.
    pub email: String,
    /// What they will be.
    pub role: Role,
    /// Who invites; empty for an operator.
    pub inviter: String,
    /// The inviter's time zone, which is the likeliest.
    pub time_zone: String,
}

/// What somebody says of themselves who accepts.
#[derive(Debug)]
pub struct Acceptance<'a> {
    /// Their name.
    pub name: &'a str,
    /// The password they choose.
    pub password: &'a SecretString,
    /// Language and conventions, e.g. `en-GB`.
    pub locale: &'a str,
    /// IANA time zone.
    pub time_zone: &'a str,
    /// Where the request came from.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub user_agent: &'a str,
}

impl SignIn {
    /// What the secret of a letter offers, while it is good.
    pub async fn offer(&self, secret: &str) -> Result<Offer, IdentityError> {
        if !random::is_secret(secret) {
            return Err(IdentityError::LinkSpent);
        }
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached(
                "SELECT workspace, email, role, inviter, time_zone FROM app.find_invitation($1)",
            )
            .await?;
        let row = client
            .query_opt(&statement, &[&random::hash(secret).as_slice()])
            .await?
            .ok_or(IdentityError::LinkSpent)?;
        let role = row.try_get::<_, &str>(2)?.parse();
        Ok(Offer {
            workspace: row.try_get(0)?,
            email: row.try_get(1)?,
            role: role.map_err(|_| IdentityError::Crypto)?,
            inviter: row.try_get(3)?,
            time_zone: row.try_get(4)?,
        })
    }

    /// Makes a member of the person and signs them in, with a session of their own. The link is used up.
    pub async fn accept(
        &self,
        secret: &str,
        new: &Acceptance<'_>,
        now: Timestamp,
    ) -> Result<Started, IdentityError> {
        // Asked first, so that a spent link costs no hash.
        let offer = self.offer(secret).await?;
        check_name(new.name)?;
        let own = OwnWords::of(new.name, &offer.email, &offer.workspace);
        let phc = self.passwords.hash_for(new.password, &own).await?;
        let user = random::id(&self.ids, USER_PREFIX, now)?;
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached(
                "SELECT tenant_id FROM app.accept_invitation($1, $2, $3, $4, $5, $6, $7)",
            )
            .await?;
        let row = client
            .query_one(
                &statement,
                &[
                    &random::hash(secret).as_slice(),
                    &user.as_str(),
                    &new.name,
                    &fold::fold(new.name),
                    &phc,
                    &new.locale,
                    &new.time_zone,
                ],
            )
            .await?;
        let tenant = row
            .try_get::<_, Option<&str>>(0)?
            .ok_or(IdentityError::LinkSpent)?;
        let who = (record_id(tenant)?, user);
        drop(client);
        self.start(who, None, (new.address, new.user_agent), now)
            .await
    }
}
