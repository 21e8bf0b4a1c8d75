//! The kinds of letters, as the queue holds them.

use std::collections::BTreeMap;

use fieldstone_model::Role;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a letter tells. The database writes these as JSON; what the workspace and the reader are called, the queue knows besides.
///
/// Each kind has its texts in `locales/*/letters.ftl`: `letter-KIND-subject`, `-lead`, `-button` if it carries a link, and `-end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Letter {
    /// Join a workspace; carries a link.
    Invitation {
        /// Name of whoever invites.
        inviter: String,
        /// What the reader is to be.
        role: Role,
        /// When the link ends.
        until: Timestamp,
    },
    /// Choose a new password; carries a link.
    PasswordReset,
    /// The password was changed just now.
    PasswordChanged,
    /// Confirm that this address is to be the one to sign in with; carries a link.
    EmailNew,
    /// Confirm, or stop, that another address takes the place of this one; carries a link.
    EmailOld {
        /// The other address.
        email: String,
    },
    /// This address is no longer the one to sign in with.
    EmailChanged {
        /// The one that is.
        email: String,
    },
    /// A second factor guards the account from now on.
    SecondFactorAdded,
    /// The second factor guards the account no more: the reader removed it, or somebody who had their password and a code.
    SecondFactorRemoved,
    /// New recovery codes were made; those from before are worth nothing.
    RecoveryCodesMade,
    /// A recovery code stood in for a code of the authenticator.
    RecoveryCodeUsed {
        /// How many are left.
        left: i64,
    },
    /// What waits to be read; carries a link that opens nothing by itself.
    Digest {
        /// How many, by kind of notification.
        counts: BTreeMap<String, i64>,
    },
    /// Somebody else took the reader's second factor away, so that they can set up a new one.
    SecondFactorReset {
        /// Name of whoever did.
        by: String,
    },
}

impl Letter {
    /// One of each kind.
    #[cfg(test)]
    pub(super) fn samples() -> Vec<Self> {
        vec![
            Self::Invitation {
                inviter: "Ann Smith".into(),
                role: Role::Member,
                until: Timestamp::UNIX_EPOCH,
            },
            Self::PasswordReset,
            Self::PasswordChanged,
            Self::EmailNew,
            Self::EmailOld {
                email: "new@example.com".into(),
            },
            Self::EmailChanged {
                email: "new@example.com".into(),
            },
            Self::SecondFactorAdded,
            Self::SecondFactorRemoved,
            Self::RecoveryCodesMade,
            Self::RecoveryCodeUsed { left: 9 },
            Self::SecondFactorReset {
                by: "Ann Smith".into(),
            },
            Self::Digest {
                counts: BTreeMap::from([("mention".into(), 2), ("due".into(), 1)]),
            },
        ]
    }

    /// The kind as keys of texts spell it.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Invitation { .. } => "invitation",
            Self::PasswordReset => "password-reset",
            Self::PasswordChanged => "password-changed",
            Self::EmailNew => "email-new",
            Self::EmailOld { .. } => "email-old",
            Self::EmailChanged { .. } => "email-changed",
            Self::SecondFactorAdded => "second-factor-added",
            Self::SecondFactorRemoved => "second-factor-removed",
            Self::RecoveryCodesMade => "recovery-codes-made",
            Self::RecoveryCodeUsed { .. } => "recovery-code-used",
            Self::SecondFactorReset { .. } => "second-factor-reset",
            Self::Digest { .. } => "digest",
        }
    }

    /// Whether the page that its link opens asks who comes, so that the link needs no secret.
    pub(super) fn has_plain_link(&self) -> bool {
        matches!(self, Self::Digest { .. })
    }

    /// The page that the letter's link opens, when it carries one. The secret follows in the query, which no log of ours holds.
    pub(super) fn page(&self) -> Option<&'static str> {
        match self {
            Self::Invitation { .. } => Some("/invitation"),
            Self::PasswordReset => Some("/password-reset"),
            Self::EmailNew | Self::EmailOld { .. } => Some("/email-change"),
            Self::Digest { .. } => Some("/notifications"),
            Self::PasswordChanged
            | Self::EmailChanged { .. }
            | Self::SecondFactorAdded
            | Self::SecondFactorRemoved
            | Self::RecoveryCodesMade
            | Self::RecoveryCodeUsed { .. }
            | Self::SecondFactorReset { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_as_the_database_writes_them() {
        let read = |json: &str| serde_json::from_str::<Letter>(json);
        assert_eq!(
            read(r#"{"kind": "password_changed"}"#).unwrap(),
            Letter::PasswordChanged
        );
        // What a timestamptz looks like inside jsonb.
        let json = r#"{"kind": "invitation", "inviter": "Ann", "role": "viewer", "until": "2026-05-01T12:00:00.5+00:00"}"#;
        assert!(matches!(
            read(json).unwrap(),
            Letter::Invitation {
                role: Role::Viewer,
                ..
            }
        ));
        for letter in Letter::samples() {
            let json = serde_json::to_string(&letter).unwrap();
            assert_eq!(read(&json).unwrap(), letter);
        }
    }
}
