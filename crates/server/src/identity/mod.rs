//! Who somebody is: passwords, sessions, API tokens, workspaces and the audit log.
//!
//! What a person may do with records is decided elsewhere; here nobody's records are read. Secrets are kept as hashes
//! only, and no function here returns one that a caller has not just made.

pub mod account;
mod attempts;
pub mod audit;
mod auth_pool;
pub mod authenticate;
mod cookie;
pub mod device;
pub mod email_change;
pub mod invitation;
pub mod oauth;
pub mod password;
pub mod password_reset;
pub mod proof;
pub(crate) mod random;
pub mod second_step;
pub mod service_account;
pub mod session;
pub mod sign_in;
pub mod strength;
pub mod support;
pub mod throttle;
pub mod token;
pub mod totp;
pub mod workspace;
pub mod workspace_end;

use std::net::IpAddr;

pub use auth_pool::AuthPool;
pub use authenticate::{Authenticator, Identity};
pub use password::{PasswordHasher, PasswordPolicy};
pub use sign_in::SignIn;

/// Prefix of workspace ids.
pub const WORKSPACE_PREFIX: [u8; 3] = *b"00D";
/// Prefix of user ids.
pub const USER_PREFIX: [u8; 3] = *b"005";
/// Prefix of session ids; `app.enter()` tells a session from an API token by it.
pub const SESSION_PREFIX: [u8; 3] = *b"0SS";
/// Prefix of sign-ins that await a code.
pub const SECOND_STEP_PREFIX: [u8; 3] = *b"0S2";
/// Prefix of API token ids.
pub const API_TOKEN_PREFIX: [u8; 3] = *b"0AT";
/// Prefix of set-up link ids.
pub const SETUP_LINK_PREFIX: [u8; 3] = *b"0SL";

/// Prefix of invitation ids.
pub const INVITATION_PREFIX: [u8; 3] = *b"0IV";

/// Why an identity could not be established or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// No credential, or one that is unknown, ended or expired (401).
    #[error("sign in first")]
    Unauthenticated,
    /// The address and the password do not fit together (401). Says nothing about which of the two is wrong.
    #[error("the e-mail address or the password is wrong")]
    WrongPassword,
    /// The password is right, and a code is needed too (401).
    #[error("a code of the second factor is needed too")]
    TotpRequired,
    /// The code is not good: wrong, too old, or used before (401).
    #[error("the code is wrong or has been used")]
    WrongCode,
    /// No code is awaited any more: begin again with the password (401).
    #[error("this sign-in is over; begin again")]
    StepEnded,
    /// A new password is not good enough (422).
    #[error(transparent)]
    Weak(#[from] strength::Weakness),
    /// There is, or isn't, a second factor already (409).
    #[error("the second factor has changed meanwhile")]
    FactorChanged,
    /// What is sealed can't be sealed or opened.
    #[error("a sealed secret can't be used")]
    Vault(#[from] fieldstone_vault::VaultError),
    /// This asks for the password again, since it was given too long ago (403).
    #[error("confirm that it is you first")]
    ProofNeeded,
    /// Only a person who is signed in does this, not a program with a token (403).
    #[error("a program with a token can't do this")]
    SessionNeeded,
    /// A request that changes something did not come from a page of this origin (403).
    #[error("this request did not come from this site")]
    CrossSite,
    /// Too many attempts (429).
    #[error("too many attempts; try again in {retry_after_s} seconds")]
    Throttled {
        /// Seconds until the next attempt is let in.
        retry_after_s: u64,
    },
    /// More passwords are waiting to be checked than can be within reasonable time (429).
    #[error("the server is busy; try again in a moment")]
    Busy,
    /// A new password does not meet the policy (422).
    #[error("{0}")]
    Unacceptable(&'static str),
    /// A set-up link that was used, has expired or never existed (410).
    #[error("this link is no longer good; ask for a new one")]
    LinkSpent,
    /// The address or slug is taken in this place (409).
    #[error("{0} is already taken")]
    Taken(&'static str),
    /// No such workspace or user (404).
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// The address belongs to a member of this workspace (409).
    #[error("the address {0} belongs to a member of this workspace")]
    AlreadyMember(String),
    /// The address is invited already (409).
    #[error("the address {0} is invited already; send that invitation again or withdraw it first")]
    AlreadyInvited(String),
    /// This was asked for too often within a short time (429).
    #[error("this was asked for very often; try again later")]
    TooOften,
    /// The last active owner cannot leave (409).
    #[error("a workspace keeps at least one active owner")]
    LastOwner,
    /// A role above the caller's own (403).
    #[error("nobody grants or takes a role above their own")]
    AboveOwnRole,
    /// What the caller's own store answered.
    #[error(transparent)]
    Records(fieldstone_store::StoreError),
    /// The database cannot be reached or refused.
    #[error("the identity store is not available")]
    Store(#[source] tokio_postgres::Error),
    /// No connection is free.
    #[error("the identity store is not available")]
    Pool(#[source] deadpool_postgres::PoolError),
    /// The operating system gave no randomness, or a stored hash is damaged.
    #[error("a secret could not be made or read")]
    Crypto,
}

/// Marks an answer in whose making the caller's own access has ended, as by signing out: it stands.
#[derive(Debug, Clone, Copy)]
pub struct AccessEnded;

impl From<tokio_postgres::Error> for IdentityError {
    /// Gives the rules that the database enforces their own names.
    fn from(error: tokio_postgres::Error) -> Self {
        let constraint = error
            .as_db_error()
            .and_then(|refusal| refusal.constraint())
            .unwrap_or_default();
        match (
            error.code().map(tokio_postgres::error::SqlState::code),
            constraint,
        ) {
            (Some("23505"), "user_email") => Self::Taken("this e-mail address"),
            (Some("23505"), "workspace_slug_lookup") => Self::Taken("this workspace address"),
            (Some("23503"), _) => Self::Missing("workspace"),
            (Some("FS003"), _) => Self::LastOwner,
            (Some("FS004"), _) => Self::AboveOwnRole,
            (Some("FS010"), _) => Self::AlreadyMember(detail(&error)),
            (Some("FS011"), _) => Self::AlreadyInvited(detail(&error)),
            (Some("FS012"), _) => Self::TooOften,
            _ => Self::Store(error),
        }
    }
}

/// What a rule of the database says besides its name.
fn detail(error: &tokio_postgres::Error) -> String {
    let detail = error.as_db_error().and_then(|refusal| refusal.detail());
    detail.unwrap_or_default().to_owned()
}

impl IdentityError {
    /// Whether the database refused by one of the rules about people.
    pub(crate) fn is_rule(error: &tokio_postgres::Error) -> bool {
        let code = error.code().map(tokio_postgres::error::SqlState::code);
        code.is_some_and(|code| ["FS003", "FS004", "FS010", "FS011", "FS012"].contains(&code))
    }
}

impl From<deadpool_postgres::PoolError> for IdentityError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Self::Pool(error)
    }
}

/// Folds an e-mail address for comparison: trimmed and lower-cased, accents kept, so that two mailboxes never become one.
pub fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The network address as throttling counts it: an IPv6 customer owns a /64.
pub(crate) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_fold_by_case_but_never_across_mailboxes() {
        assert_eq!(email_key(" Ann@Example.COM "), "ann@example.com");
        assert_ne!(email_key("josé@example.com"), email_key("jose@example.com"));
    }

    #[test]
    fn an_ipv6_network_is_one_customer() {
        assert_eq!(
            network("2001:db8:1:2:3::4".parse().unwrap()),
            network("2001:db8:1:2:ffff::1".parse().unwrap())
        );
        assert_ne!(
            network("2001:db8:1:2::4".parse().unwrap()),
            network("2001:db8:1:3::4".parse().unwrap())
        );
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1");
    }
}
