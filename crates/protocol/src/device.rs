//! Devices: how one makes itself known, how it is told to forget, and what it learns about its own standing.

use fieldstone_model::RecordId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::tag::BlindKey;

/// Makes a device known, once per login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Names this installation of the app; stays the same from login to login.
    pub installation: String,
    /// What its owner calls it, e.g. `Ada's phone`.
    pub name: String,
    /// The system it runs on, e.g. `linux`.
    pub platform: String,
    /// The device's build.
    pub app: String,
    /// The X25519 key of this login, base64: who seals changes proves to be this device.
    #[serde(default)]
    pub login_key: Option<String>,
}

/// What a device gets when it is registered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The device's id.
    pub device: RecordId,
    /// Names rows that left its scope.
    pub blind_key: BlindKey,
    /// Proves to be this device when its session has ended: to ask for its standing.
    pub secret: String,
    /// The Ed25519 key that wipe orders and policies for the guard are signed with, base64. The same for as long as this login lasts.
    pub wipe_key: String,
    /// The key that changes are sealed to. None where the workspace forbids to keep them sealed. [`Welcome`](crate::hello::Welcome) has the
    /// newest one later.
    #[serde(default)]
    pub sealing_key: Option<SealingKey>,
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Registered({})", self.device)
    }
}

/// A workspace's public key for HPKE. The platform opens what was sealed to it for 90 days after it was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealingKey {
    /// Its number.
    pub kid: u32,
    /// The X25519 key, base64.
    pub key: String,
}

/// What a device may still do. Asked for with its secret, when its session isn't accepted any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is welcome; its user signs in again.
    Welcome,
    /// It was taken off the list: it stays locked, and keeps what it has.
    Revoked,
    /// It must erase everything at once.
    Wipe(WipeOrder),
}

/// The order to erase everything. Worth nothing unless its signature holds.
///
/// The device keeps [`receipt`](Self::receipt) beside the mark that it is erasing, where it outlives the key and the database. When
/// everything is gone it sends an [`Erasure`] to `POST /api/v1/sync/devices/{id}/erasure`, on its next contact and until it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WipeOrder {
    /// The device that it is for.
    pub device: RecordId,
    /// When it was given.
    pub ordered_at: Timestamp,
    /// The Ed25519 signature over [`WipeOrder::signed_text`], base64.
    pub signature: String,
    /// Proves later that it was this order that was carried out. No secret of anything else.
    #[serde(default)]
    pub receipt: String,
}

/// Says that an order to erase was carried out: nothing of that login is left. Needs no session and no secret but the receipt.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The order's receipt.
    pub receipt: String,
}

impl std::fmt::Debug for Erasure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Erasure")
    }
}

impl WipeOrder {
    /// What is signed.
    pub fn signed_text(device: RecordId, ordered_at: Timestamp) -> String {
        format!("fieldstone wipe 1|{device}|{}", ordered_at.as_microsecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_of_devices() {
        let device: RecordId = "fD01kQh2S0a8Xbd".parse().unwrap();
        let ordered_at: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let registered = Registered {
            device,
            blind_key: BlindKey([7; 16]),
            secret: "s".repeat(43),
            wipe_key: "AAAA".to_owned(),
            sealing_key: Some(SealingKey {
                kid: 3,
                key: "BBBB".to_owned(),
            }),
        };
        assert!(
            !format!("{registered:?}").contains("sss"),
            "a secret is in no log"
        );
        insta::assert_json_snapshot!((
            registered,
            Registration {
                installation: "i".to_owned(),
                name: "Phone".to_owned(),
                platform: "linux".to_owned(),
                app: "fieldstone-device 0.1.0".to_owned(),
                login_key: None,
            },
            [
                Standing::Welcome,
                Standing::Revoked,
                Standing::Wipe(WipeOrder {
                    device,
                    ordered_at,
                    signature: "CCCC".to_owned(),
                    receipt: "DDDD".to_owned(),
                }),
            ],
            Erasure {
                receipt: "DDDD".to_owned(),
            },
        ));
        let older = r#"{"device":"fD01kQh2S0a8Xbd","ordered_at":"2026-03-01T12:00:00Z","signature":"CCCC"}"#;
        assert_eq!(
            serde_json::from_str::<WipeOrder>(older).unwrap().receipt,
            ""
        );
        assert_eq!(
            WipeOrder::signed_text(device, ordered_at),
            "fieldstone wipe 1|fD01kQh2S0a8Xbd|1772366400000000"
        );
    }
}
