//! Sealed deliveries: changes that a device sealed to the workspace, brought by a later login on it.
//!
//! Each entry is one [`Mutation`](crate::push::Mutation) as JSON, sealed by HPKE (RFC 9180: X25519, HKDF-SHA256, AES-256-GCM) in auth mode with the
//! key of the login that made it, to the workspace's key [`kid`](Place::kid), with [`INFO`] as its info and [`Place::bytes`] authenticated beside it.
//! Whoever delivers can't read it, and is told no more of it than that the platform has it.
//!
//! A device sends of each mutation only the entry with the highest [`sequence`](Place::sequence), in order of [`SealedEntry::order`], and lets go of what
//! was answered, whatever the answer.

use fieldstone_model::RecordId;
use serde::{Deserialize, Serialize};

use crate::frame::{Counted, FrameError, Limits, Lines, encode};

/// What the keys are used for, and by which version of this format.
pub const INFO: &[u8] = b"fieldstone sealed journal 1";
/// Most entries in one request.
pub const ENTRIES_MAX: usize = 500;
/// The limits of a request; an answer is smaller.
pub const LIMITS: Limits = Limits {
    lines: ENTRIES_MAX + 2,
    bytes: 12 << 20,
};

/// Where an entry belongs: bound into it, so that it opens nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The device that sealed it: its id, which is of one login.
    pub device: String,
    /// The user who made the change.
    pub user: String,
    /// The login, as the device names it.
    pub login: String,
    /// Counts the entries of a login from 1. The platform takes each number once, for ever.
    pub sequence: u64,
    /// Number of the workspace's key.
    pub kid: u32,
}

impl Place {
    /// The bytes that are authenticated: each part with its length, so that no two places share them.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(96);
        for part in [&self.device, &self.user, &self.login] {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.kid.to_be_bytes());
        bytes
    }
}

/// One sealed mutation, as it lies in a device's journal and travels to the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedEntry {
    /// Where it belongs.
    #[serde(flatten)]
    pub place: Place,
    /// The mutation's own sequence number: deliveries are made in this order. Says nothing about what it does.
    #[serde(default)]
    pub order: u64,
    /// The mutation that is sealed in it.
    pub uuid: String,
    /// The encapsulated key, base64.
    pub key: String,
    /// The sealed mutation, base64.
    pub text: String,
}

/// What a device delivers, to `POST /api/v1/sync/sealed`. Needs a session of any user of the workspace on that device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRequest {
    /// The version of the protocol.
    pub protocol: u16,
    /// The device as it is registered now: the one that delivers.
    pub device: RecordId,
    /// What it delivers.
    pub entries: Vec<SealedEntry>,
}

/// What became of a delivery: one result an entry, in the order of the request. Fewer when the platform was busy; the rest is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryAnswer {
    /// The results.
    pub results: Vec<EntryResult>,
}

/// What became of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryResult {
    /// The device that sealed it.
    pub device: String,
    /// Its number.
    pub sequence: u64,
    /// What the platform did with it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What the platform did with an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum Fate {
    /// It has it: what could be applied is, and its author sees the rest among their conflicts.
    Taken,
    /// It has had this number before.
    Known,
    /// Its author may not change records any more; an administrator decides.
    Quarantined,
    /// It can't be opened, now or ever.
    Refused {
        /// A stable code: `forbidden`, `unknown_login`, `unknown_key`, `expired_key`, `does_not_open`, `bad_mutation`, …
        code: String,
        /// What to know, in English.
        #[serde(default)]
        message: String,
    },
    /// A newer platform's word: the platform has it.
    #[serde(other)]
    Other,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Deliver { protocol: u16, device: RecordId },
    Entry(SealedEntry),
    Result(EntryResult),
    End { count: usize },
}

impl DeliveryRequest {
    /// The bytes of the request.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FrameError> {
        let start = Line::Deliver {
            protocol: self.protocol,
            device: self.device,
        };
        let entries = self.entries.iter().cloned().map(Line::Entry);
        encode([start].into_iter().chain(entries).chain([Line::End {
            count: self.entries.len(),
        }]))
    }

    /// Reads a request.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrameError> {
        let mut lines = Lines::new(bytes, LIMITS)?;
        let Some(Line::Deliver { protocol, device }) = lines.next_line()? else {
            return Err(FrameError::Unexpected);
        };
        let entries = lines.counted(|line| match line {
            Line::Entry(entry) => Some(Counted::Item(entry)),
            Line::End { count } => Some(Counted::End(count)),
            _ => None,
        })?;
        Ok(Self {
            protocol,
            device,
            entries,
        })
    }
}

impl DeliveryAnswer {
    /// The bytes of the answer.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FrameError> {
        let results = self.results.iter().cloned().map(Line::Result);
        encode(results.chain([Line::End {
            count: self.results.len(),
        }]))
    }

    /// Reads an answer.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrameError> {
        let results = Lines::new(bytes, LIMITS)?.counted(|line| match line {
            Line::Result(result) => Some(Counted::Item(result)),
            Line::End { count } => Some(Counted::End(count)),
            _ => None,
        })?;
        Ok(Self { results })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(sequence: u64) -> Place {
        Place {
            device: "fD01kQh2S0a8Xbd".to_owned(),
            user: "0051kQh2S0a8Xbd".to_owned(),
            login: "l1".to_owned(),
            sequence,
            kid: 3,
        }
    }

    fn entry(sequence: u64) -> SealedEntry {
        SealedEntry {
            place: place(sequence),
            order: 7,
            uuid: "1b4e28ba-2fa1-11d2-883f-0016d3cca427".to_owned(),
            key: "AAAA".to_owned(),
            text: "BBBB".to_owned(),
        }
    }

    fn results() -> Vec<EntryResult> {
        let fates = [
            Fate::Taken,
            Fate::Known,
            Fate::Quarantined,
            Fate::Refused {
                code: "expired_key".to_owned(),
                message: "It was sealed too long ago.".to_owned(),
            },
        ];
        fates
            .into_iter()
            .zip(1..)
            .map(|(fate, sequence)| EntryResult {
                device: "fD01kQh2S0a8Xbd".to_owned(),
                sequence,
                fate,
            })
            .collect()
    }

    #[test]
    fn the_wire_form_of_a_delivery() {
        insta::assert_json_snapshot!((entry(4), results()));
        let newer = r#"{"device":"d","sequence":1,"fate":"framed"}"#;
        let read: EntryResult = serde_json::from_str(newer).unwrap();
        assert_eq!(read.fate, Fate::Other);
    }

    #[test]
    fn requests_and_answers_come_back_as_they_were() {
        let request = DeliveryRequest {
            protocol: 1,
            device: "fD01kQh2S0a8Xbe".parse().unwrap(),
            entries: vec![entry(4), entry(5)],
        };
        let bytes = request.to_bytes().unwrap();
        assert_eq!(DeliveryRequest::from_bytes(&bytes).unwrap(), request);
        assert!(DeliveryRequest::from_bytes(&bytes[..bytes.len() - 3]).is_err());
        let answer = DeliveryAnswer { results: results() };
        assert_eq!(
            DeliveryAnswer::from_bytes(&answer.to_bytes().unwrap()).unwrap(),
            answer
        );
    }

    #[test]
    fn no_two_places_share_their_bytes() {
        let mut moved = place(1);
        moved.device.push('0');
        moved.user.remove(0);
        assert_ne!(moved.bytes(), place(1).bytes());
        assert_ne!(place(2).bytes(), place(1).bytes());
    }
}
