//! A new password for somebody who has forgotten theirs.
//!
//! Asking writes one row, whoever asks for whatever address; a job finds out whom it concerns and writes to them. A new password signs nobody
//! in: that takes the second factor of those who have one.

use std::net::IpAddr;

use jiff::Timestamp;
use secrecy::SecretString;

use super::{IdentityError, SignIn, email_key, random, sign_in::Invitee};

/// Longest address and workspace that are looked at.
const EMAIL_MAX: usize = 254;
const SLUG_MAX: usize = 63;

impl SignIn {
    /// Asks for a letter to `email` with which the password can be set, in `workspace` or wherever the address is known.
    pub async fn ask_password_reset(
        &self,
        email: &str,
        workspace: Option<&str>,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), IdentityError> {
        let key = email_key(email);
        self.resets.admit(&key, address, now)?;
        let slug = workspace.map(str::trim).filter(|slug| !slug.is_empty());
        // Nobody has such an address; it is answered like any other.
        let is_odd = |text: &str, max: usize| text.chars().count() > max || text.contains('\0');
        let (key, slug) =
            if is_odd(&key, EMAIL_MAX) || slug.is_some_and(|slug| is_odd(slug, SLUG_MAX)) {
                ("", None)
            } else {
                (key.as_str(), slug)
            };
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT app.ask_password_reset($1, $2)")
            .await?;
        client.execute(&statement, &[&key, &slug]).await?;
        Ok(())
    }

    /// Whose password the secret of a letter may set, while it is good.
    pub async fn resetter(&self, secret: &str) -> Result<Invitee, IdentityError> {
        self.invitee_by(
            "SELECT workspace, name, email FROM app.find_password_reset($1)",
            secret,
        )
        .await
    }

    /// Sets the password and ends all sessions and sign-ins of applications of the person, and with `end_tokens` their API tokens; the link
    /// is used up.
    pub async fn reset_password(
        &self,
        secret: &str,
        password: &SecretString,
        end_tokens: bool,
    ) -> Result<(), IdentityError> {
        // Asked first, so that a spent link costs no hash.
        let own = self.resetter(secret).await?.own_words();
        let phc = self.passwords.hash_for(password, &own).await?;
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT app.redeem_password_reset($1, $2, $3)")
            .await?;
        let done: bool = client
            .query_one(
                &statement,
                &[&random::hash(secret).as_slice(), &phc, &end_tokens],
            )
            .await?
            .try_get(0)?;
        if done {
            Ok(())
        } else {
            Err(IdentityError::LinkSpent)
        }
    }
}
