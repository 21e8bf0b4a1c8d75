//! What the guard and the platform tell each other: what was seen, and what is to follow.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fieldstone_protocol::{
    frame::encode,
    guard::{DevicePolicy, SignedPolicy},
    sighting::Sightings,
};
use reqwest::Method;

use super::{Transport, TransportError, address, refuse_json, with_frame};

impl Transport {
    /// Tells what the guard has seen.
    pub async fn tell(&self, sightings: &Sightings) -> Result<(), TransportError> {
        let bytes = encode([sightings]).map_err(|_| TransportError::Unexpected)?;
        let request = with_frame(self.request(Method::POST, address::SIGHTINGS)?, bytes);
        let response = request.send().await.map_err(TransportError::connection)?;
        refuse_json(response).await.map(drop)
    }

    /// What a document of the workspace says, if it is signed with the key that this device knows.
    pub fn policy(&self, signed: &SignedPolicy) -> Option<DevicePolicy> {
        let (_, key) = self.device.as_ref()?;
        verified(signed, key)
    }
}

/// What `signed` says, if its signature is good.
fn verified(signed: &SignedPolicy, key: &[u8]) -> Option<DevicePolicy> {
    let signature = STANDARD.decode(&signed.signature).ok()?;
    let text = SignedPolicy::signed_text(&signed.text);
    UnparsedPublicKey::new(&ED25519, key)
        .verify(text.as_bytes(), &signature)
        .ok()?;
    signed.policy()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    #[test]
    fn a_policy_needs_the_workspaces_signature() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let text = r#"{"version":2,"workspace":"00D1kQh2S0a8Xbd","issued_at":"2026-03-01T12:00:00Z","root":"erase"}"#;
        let signature = pair.sign(SignedPolicy::signed_text(text).as_bytes());
        let signed = SignedPolicy {
            text: text.to_owned(),
            signature: STANDARD.encode(signature),
        };
        let key = pair.public_key().as_ref();
        assert_eq!(verified(&signed, key).unwrap().version, 2);
        assert!(verified(&signed, &[9; 32]).is_none());
        let milder = SignedPolicy {
            text: text.replace("erase", "report"),
            ..signed
        };
        assert!(verified(&milder, key).is_none());
    }
}
