//! Push: what was changed on a device, and what became of it.

use std::collections::BTreeMap;

use fieldstone_model::RecordId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::frame::{Counted, FrameError, Limits, Lines, encode};

/// Most mutations in one request.
pub const MUTATIONS_MAX: usize = 500;
/// The limits of a request; an answer is smaller.
pub const LIMITS: Limits = Limits {
    lines: MUTATIONS_MAX + 2,
    bytes: 8 << 20,
};

/// One change to one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mutation {
    /// Names the mutation for ever: 128 random bits, as a UUID in lower case. The platform does what it says once.
    pub uuid: String,
    /// Counts the changes of this device's login from 1, in the order in which they were made.
    pub sequence: u64,
    /// API name of the object.
    pub object: String,
    /// The record.
    pub record: RecordId,
    /// What is done.
    pub kind: Kind,
    /// The fields that are changed; of a deletion, the fields that were seen, with nothing wanted.
    #[serde(default)]
    pub fields: BTreeMap<String, Edit>,
}

/// What a mutation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Makes a record.
    Create,
    /// Changes fields of a record.
    Update,
    /// Deletes a record.
    Delete,
}

/// One field of a mutation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// What the person saw before, as plain JSON: with it the platform tells whether somebody else changed the field meanwhile.
    #[serde(default)]
    pub base: Value,
    /// What it shall be.
    #[serde(default)]
    pub wanted: Value,
}

/// What became of a mutation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MutationResult {
    /// The mutation.
    pub uuid: String,
    /// Whether this was answered before: nothing was done this time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
    /// What was done.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What was done with a mutation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// All of it was written, or was so already.
    Applied {
        /// The record's version afterwards.
        version: i64,
    },
    /// All of it was written into a record that others had changed elsewhere.
    Merged {
        /// The record's version afterwards.
        version: i64,
    },
    /// Something met another change. What did not is written; the rest waits in a conflict for a person.
    Conflict {
        /// The record's version afterwards.
        version: i64,
        /// The conflict.
        conflict: RecordId,
        /// The fields that wait. None of them: all of it waits.
        fields: Vec<String>,
    },
    /// Nothing was done, and trying again would change nothing.
    Rejected {
        /// Why.
        rejection: Rejection,
    },
    /// Another record has this id: the device gives the record a new one, everywhere, and sends it again.
    IdTaken,
}

/// Why a mutation was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// A stable code: `invalid`, `forbidden`, `not_found`, `unknown_object`, …
    pub code: String,
    /// What to do, in English.
    #[serde(default)]
    pub message: String,
    /// What is wrong with which field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldRejection>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldRejection {
    /// API name of the field.
    pub field: String,
    /// A stable code, as the API has it.
    pub code: String,
    /// What to do, in English.
    #[serde(default)]
    pub message: String,
}

/// A request: who sends, then one line a mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRequest {
    /// The version of the protocol.
    pub protocol: u16,
    /// The device.
    pub device: RecordId,
    /// What it changed, in order.
    pub mutations: Vec<Mutation>,
}

/// The answer: one result for each mutation that was looked at, in order. Those after them were not; send them again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushAnswer {
    /// The results.
    pub results: Vec<MutationResult>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Push { protocol: u16, device: RecordId },
    Mutation(Mutation),
    Result(MutationResult),
    End { count: usize },
}

impl PushRequest {
    /// The bytes of the request.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FrameError> {
        let start = Line::Push {
            protocol: self.protocol,
            device: self.device,
        };
        let mutations = self.mutations.iter().cloned().map(Line::Mutation);
        let end = Line::End {
            count: self.mutations.len(),
        };
        encode([start].into_iter().chain(mutations).chain([end]))
    }

    /// Reads a request.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrameError> {
        let mut lines = Lines::new(bytes, LIMITS)?;
        let Some(Line::Push { protocol, device }) = lines.next_line()? else {
            return Err(FrameError::Unexpected);
        };
        let mutations = lines.counted(|line| match line {
            Line::Mutation(mutation) => Some(Counted::Item(mutation)),
            Line::End { count } => Some(Counted::End(count)),
            _ => None,
        })?;
        Ok(Self {
            protocol,
            device,
            mutations,
        })
    }
}

impl PushAnswer {
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

    fn mutation() -> Mutation {
        let edit = Edit {
            base: Value::Null,
            wanted: serde_json::json!("12.50"),
        };
        Mutation {
            uuid: "1b4e28ba-2fa1-11d2-883f-0016d3cca427".to_owned(),
            sequence: 7,
            object: "deal".to_owned(),
            record: "0061kQh2S0a8Xbd".parse().unwrap(),
            kind: Kind::Update,
            fields: BTreeMap::from([("amount".to_owned(), edit)]),
        }
    }

    fn results() -> Vec<MutationResult> {
        let rejection = Rejection {
            code: "invalid".to_owned(),
            message: "Enter a value; this field is required.".to_owned(),
            fields: vec![FieldRejection {
                field: "name".to_owned(),
                code: "required".to_owned(),
                message: "Enter a value; this field is required.".to_owned(),
            }],
        };
        let outcomes = [
            Outcome::Applied { version: 3 },
            Outcome::Merged { version: 4 },
            Outcome::Conflict {
                version: 5,
                conflict: "fC01kQh2S0a8Xbd".parse().unwrap(),
                fields: vec!["amount".to_owned()],
            },
            Outcome::Rejected { rejection },
            Outcome::IdTaken,
        ];
        let result = |outcome| MutationResult {
            uuid: "u".to_owned(),
            duplicate: false,
            outcome,
        };
        outcomes.into_iter().map(result).collect()
    }

    #[test]
    fn the_wire_form_of_a_push() {
        insta::assert_json_snapshot!((mutation(), results()));
    }

    #[test]
    fn requests_and_answers_come_back_as_they_were() {
        let device = "fD01kQh2S0a8Xbd".parse().unwrap();
        let request = PushRequest {
            protocol: 1,
            device,
            mutations: vec![mutation(), mutation()],
        };
        assert_eq!(
            PushRequest::from_bytes(&request.to_bytes().unwrap()).unwrap(),
            request
        );
        let answer = PushAnswer { results: results() };
        assert_eq!(
            PushAnswer::from_bytes(&answer.to_bytes().unwrap()).unwrap(),
            answer
        );
    }
}
