//! What a device does about threats that its guard finds: a small document that the workspace signs.
//!
//! The signature is over the document's text as it stands, so that nothing has to be written twice in the same way. A guard takes only what
//! makes its own rules stricter, and of two documents the one with the higher version.

use fieldstone_model::RecordId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The document as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedPolicy {
    /// A [`DevicePolicy`] as JSON.
    pub text: String,
    /// The Ed25519 signature over [`SignedPolicy::signed_text`], base64, made with the workspace's key
    /// ([`Registered::wipe_key`](crate::device::Registered::wipe_key)).
    pub signature: String,
}

impl SignedPolicy {
    /// What is signed for the document `text`.
    pub fn signed_text(text: &str) -> String {
        format!("fieldstone device policy 1|{text}")
    }

    /// The document. Call this only when the signature has been found good; none when it can't be read.
    pub fn policy(&self) -> Option<DevicePolicy> {
        serde_json::from_str(&self.text).ok()
    }
}

/// What the guard of a device does, by family of threats. A family that isn't named is left to the device's own rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicePolicy {
    /// Counts the workspace's documents from 1. A device never goes back to a lower one.
    pub version: u64,
    /// The workspace that it is of.
    pub workspace: RecordId,
    /// When it was made.
    pub issued_at: Timestamp,
    /// Something traces the process or could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debugger: Option<Reaction>,
    /// Tools that change or watch programs from inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Reaction>,
    /// A virtual machine or an emulator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Reaction>,
    /// A system whose protections were taken down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Reaction>,
}

/// What is done when a threat is found, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// It is noted, and work goes on.
    Report,
    /// The keys are forgotten and the app ends. What is stored stays, encrypted.
    ShutDown,
    /// The same, and everything of this login is erased. What wasn't sent stays sealed where the workspace allows that.
    Erase,
    /// A newer platform's word: to be taken for [`Self::ShutDown`], never for less.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_of_a_policy() {
        let policy = DevicePolicy {
            version: 3,
            workspace: "00D1kQh2S0a8Xbd".parse().unwrap(),
            issued_at: "2026-03-01T12:00:00Z".parse().unwrap(),
            debugger: Some(Reaction::Erase),
            tools: Some(Reaction::ShutDown),
            machine: Some(Reaction::Report),
            root: None,
        };
        let text = serde_json::to_string(&policy).unwrap();
        let signed = SignedPolicy {
            text,
            signature: "AAAA".to_owned(),
        };
        insta::assert_json_snapshot!((&policy, &signed, SignedPolicy::signed_text("{}")));
        assert_eq!(signed.policy(), Some(policy));
    }

    #[test]
    fn what_a_newer_platform_asks_for_is_read() {
        let text = r#"{"version":1,"workspace":"00D1kQh2S0a8Xbd","issued_at":"2026-03-01T12:00:00Z","debugger":"melt","camera":"report"}"#;
        let policy: DevicePolicy = serde_json::from_str(text).unwrap();
        assert_eq!(policy.debugger, Some(Reaction::Other));
        assert!(Reaction::Report < Reaction::ShutDown && Reaction::ShutDown < Reaction::Erase);
    }
}
