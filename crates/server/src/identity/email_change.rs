//! Answering the letters about a change of address: it takes effect once both sides have confirmed, and the present one can stop it.

use super::{IdentityError, SignIn, random};

/// A change of address as one of its letters opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailChange {
    /// The workspace's name.
    pub workspace: String,
    /// The address that is in use.
    pub old: String,
    /// The address that is to be.
    pub new: String,
    /// Whether the letter went to the new address; otherwise to the present one.
    pub is_new_side: bool,
    /// Whether the other side has confirmed.
    pub other_confirmed: bool,
}

/// What came of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailAnswer {
    /// The other side has to confirm too.
    Waiting,
    /// The new address is in use.
    Done,
    /// Nothing changes.
    Stopped,
    /// Nothing changes, since somebody of the workspace has the new address by now.
    Taken,
}

impl SignIn {
    /// The change that the secret of a letter opens, while it is good.
    pub async fn email_change(&self, secret: &str) -> Result<EmailChange, IdentityError> {
        if !random::is_secret(secret) {
            return Err(IdentityError::LinkSpent);
        }
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT workspace, old_email, new_email, purpose, new_confirmed, old_confirmed FROM app.find_email_change($1)")
            .await?;
        let row = client
            .query_opt(&statement, &[&random::hash(secret).as_slice()])
            .await?
            .ok_or(IdentityError::LinkSpent)?;
        let is_new_side = row.try_get::<_, &str>(3)? == "email_new";
        Ok(EmailChange {
            workspace: row.try_get(0)?,
            old: row.try_get(1)?,
            new: row.try_get(2)?,
            is_new_side,
            other_confirmed: row.try_get(if is_new_side { 5 } else { 4 })?,
        })
    }

    /// Confirms the change from the letter's side, or stops it from the present address; the link is used up.
    pub async fn answer_email_change(
        &self,
        secret: &str,
        stop: bool,
    ) -> Result<EmailAnswer, IdentityError> {
        if !random::is_secret(secret) {
            return Err(IdentityError::LinkSpent);
        }
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT app.answer_email_change($1, $2)")
            .await?;
        let row = client
            .query_one(&statement, &[&random::hash(secret).as_slice(), &stop])
            .await?;
        match row.try_get::<_, Option<&str>>(0)? {
            Some("waiting") => Ok(EmailAnswer::Waiting),
            Some("done") => Ok(EmailAnswer::Done),
            Some("stopped") => Ok(EmailAnswer::Stopped),
            Some("taken") => Ok(EmailAnswer::Taken),
            _ => Err(IdentityError::LinkSpent),
        }
    }
}
