//! Pull: what changed in a device's scope, page by page.
//!
//! A *delta* starts from a cursor: rows that changed and are in scope come whole, with all that hangs on them; rows that changed and are not
//! come as blinded names. A *walk* goes through the whole scope in order of id while the device says what it has, and brings the difference:
//! the first load of a device is a walk by one that has nothing. Both end with a cursor, and with a digest when the last page could
//! be read at one moment.

use std::collections::BTreeMap;

use fieldstone_model::RecordId;
use serde::{Deserialize, Serialize};

use crate::{
    Columns,
    digest::Digest,
    frame::{FrameError, Limits, Lines, encode},
    tag::{Blind, Tag},
};

/// Most rows that a walk may say it has, in one request.
pub const INVENTORY_MAX: usize = 5_000;
/// The limits of a request.
pub const REQUEST_LIMITS: Limits = Limits {
    lines: INVENTORY_MAX + 2,
    bytes: 1 << 20,
};
/// The limits of an answer: rows, names of rows that left, and two lines around them.
pub const ANSWER_LIMITS: Limits = Limits {
    lines: 100_000,
    bytes: 16 << 20,
};

/// One row, as its reader may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// API name of the object.
    pub object: String,
    /// The record.
    pub id: RecordId,
    /// This version of it.
    pub tag: Tag,
    /// The record's version, as its history counts.
    pub version: i64,
    /// Its fields. Empty ones are left out, and so are those that the reader may not see.
    pub columns: Columns,
}

/// A point in the platform's history that one device has reached. Opaque; only the platform that made it knows what it means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// Where a pull goes on. Opaque.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PageToken(pub String);

/// Stands for everything besides the rows that decides what is in scope: permissions, teams, record sets, the user's date. Opaque.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub String);

/// What a device asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// The version of the protocol.
    pub protocol: u16,
    /// The device.
    pub device: RecordId,
    /// The scope that the device believes it has.
    #[serde(default)]
    pub epoch: Option<Epoch>,
    /// Which page: none for the first.
    #[serde(default)]
    pub page: Option<PageToken>,
    /// What the device found when it last compared digests; none before it has, or when it has said so already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// What is wanted.
    pub want: Want,
}

/// What a device found when it compared what it has with what the platform said it should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// They agree: the device is proven up to date.
    Equal,
    /// They don't: the device fetches the difference.
    Unequal,
}

/// What a pull wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// What changed since the cursor.
    Delta {
        /// The cursor.
        cursor: Cursor,
    },
    /// The difference between the scope and what the device has.
    Walk(Inventory),
}

/// What a device has between two ids.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inventory {
    /// From behind this id on; none for the beginning.
    #[serde(default)]
    pub after: Option<RecordId>,
    /// Up to and including this id; none for the end.
    #[serde(default)]
    pub until: Option<RecordId>,
    /// Everything it has there, in order of id. Travels on lines of its own.
    #[serde(skip)]
    pub entries: Vec<(RecordId, Tag)>,
}

/// What the platform answers.
#[derive(Debug, Clone, PartialEq)]
pub enum PullAnswer {
    /// A page.
    Page(Page),
    /// There is no way on from there: walk.
    Restart {
        /// Why.
        reason: Restart,
        /// The scope as it is.
        epoch: Epoch,
    },
}

/// Why a device has to walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// The database doesn't know the cursor or the page: it is another database, or the cursor is too old.
    UnknownCursor,
    /// Deleted rows were purged that the cursor hasn't seen.
    Purged,
    /// The scope is another one.
    ScopeChanged,
    /// A newer platform's reason.
    #[serde(other)]
    Other,
}

/// One page of a pull.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The scope that the page was read in.
    pub epoch: Epoch,
    /// The version of the workspace's schema.
    pub schema: i64,
    /// How many rows the whole scope has, by object; on the first page of a walk, for a progress bar.
    pub totals: Option<BTreeMap<String, u64>>,
    /// Rows in scope, at their current version. Within a pull, a later page knows better than an earlier one.
    pub rows: Vec<Row>,
    /// Rows that are not in scope (any more), whether the device has them or not.
    pub gone: Vec<Blind>,
    /// How it goes on.
    pub next: Next,
}

/// How a pull goes on after a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// There is another page.
    More {
        /// What to ask for it with.
        page: PageToken,
        /// How far a walk has got: everything up to and including this id is answered.
        #[serde(default)]
        reached: Option<RecordId>,
    },
    /// This was the last page.
    Done {
        /// Where the next pull starts.
        cursor: Cursor,
        /// What the scope adds up to at the cursor, unless it couldn't be read at one moment.
        #[serde(default)]
        digest: Option<Digest>,
    },
}

#[derive(Serialize, Deserialize)]
struct Start {
    epoch: Epoch,
    schema: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    totals: Option<BTreeMap<String, u64>>,
}

#[derive(Serialize, Deserialize)]
struct End {
    count: usize,
    #[serde(flatten)]
    next: Next,
}

/// A line as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Pull(PullRequest),
    Have(RecordId, Tag),
    Asked { count: usize },
    Restart { reason: Restart, epoch: Epoch },
    Page(Start),
    Row(Row),
    Gone(Blind),
    End(End),
}

/// A line as it is written: nothing of a page is copied for it.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Said<'a> {
    Pull(&'a PullRequest),
    Have(RecordId, Tag),
    Asked { count: usize },
    Restart { reason: Restart, epoch: &'a Epoch },
    Page(&'a Start),
    Row(&'a Row),
    Gone(Blind),
    End(&'a End),
}

impl PullRequest {
    /// The bytes of the request.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FrameError> {
        let entries: &[(RecordId, Tag)] = match &self.want {
            Want::Walk(inventory) => &inventory.entries,
            Want::Delta { .. } => &[],
        };
        let have = entries.iter().map(|(id, tag)| Said::Have(*id, *tag));
        let count = entries.len();
        encode(
            [Said::Pull(self)]
                .into_iter()
                .chain(have)
                .chain([Said::Asked { count }]),
        )
    }

    /// Reads a request, and checks that its inventory lies within its own bounds and in order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrameError> {
        let mut lines = Lines::new(bytes, REQUEST_LIMITS)?;
        let Some(Line::Pull(mut request)) = lines.next_line()? else {
            return Err(FrameError::Unexpected);
        };
        let mut entries: Vec<(RecordId, Tag)> = Vec::new();
        while let Some(line) = lines.next_line()? {
            match line {
                Line::Have(id, tag) if entries.last().is_none_or(|(last, _)| *last < id) => {
                    entries.push((id, tag));
                }
                Line::Asked { count } if count == entries.len() => {
                    match &mut request.want {
                        Want::Walk(inventory) if inventory.bounds(&entries) => {
                            inventory.entries = entries;
                        }
                        Want::Delta { .. } if entries.is_empty() => {}
                        _ => return Err(FrameError::Unexpected),
                    }
                    return Ok(request);
                }
                _ => return Err(FrameError::Unexpected),
            }
        }
        Err(FrameError::Truncated)
    }
}

impl Inventory {
    /// Whether sorted `entries` lie between `after` and `until`.
    fn bounds(&self, entries: &[(RecordId, Tag)]) -> bool {
        entries
            .first()
            .is_none_or(|(id, _)| self.after.is_none_or(|after| *id > after))
            && entries
                .last()
                .is_none_or(|(id, _)| self.until.is_none_or(|until| *id <= until))
    }
}

impl PullAnswer {
    /// The bytes of the answer.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FrameError> {
        match self {
            Self::Restart { reason, epoch } => encode([Said::Restart {
                reason: *reason,
                epoch,
            }]),
            Self::Page(page) => {
                let start = Start {
                    epoch: page.epoch.clone(),
                    schema: page.schema,
                    totals: page.totals.clone(),
                };
                let end = End {
                    count: page.rows.len() + page.gone.len(),
                    next: page.next.clone(),
                };
                let rows = page.rows.iter().map(Said::Row);
                let gone = page.gone.iter().copied().map(Said::Gone);
                encode(
                    [Said::Page(&start)]
                        .into_iter()
                        .chain(rows)
                        .chain(gone)
                        .chain([Said::End(&end)]),
                )
            }
        }
    }

    /// Reads an answer.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrameError> {
        let mut lines = Lines::new(bytes, ANSWER_LIMITS)?;
        let start = match lines.next_line()? {
            Some(Line::Restart { reason, epoch }) => return Ok(Self::Restart { reason, epoch }),
            Some(Line::Page(start)) => start,
            Some(_) => return Err(FrameError::Unexpected),
            None => return Err(FrameError::Truncated),
        };
        let (mut rows, mut gone) = (Vec::new(), Vec::new());
        while let Some(line) = lines.next_line()? {
            match line {
                Line::Row(row) => rows.push(row),
                Line::Gone(name) => gone.push(name),
                Line::End(End { count, next }) if count == rows.len() + gone.len() => {
                    let Start {
                        epoch,
                        schema,
                        totals,
                    } = start;
                    return Ok(Self::Page(Page {
                        epoch,
                        schema,
                        totals,
                        rows,
                        gone,
                        next,
                    }));
                }
                _ => return Err(FrameError::Unexpected),
            }
        }
        Err(FrameError::Truncated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(text: &str) -> RecordId {
        text.parse().unwrap()
    }

    fn page() -> Page {
        let mut digest = Digest::default();
        digest.add("deal", Tag(9));
        let columns = serde_json::json!({"name": "Wind park", "amount": 12.5, "from_a_newer_peer": {"x": [1, null]}});
        Page {
            epoch: Epoch("e1".to_owned()),
            schema: 4,
            totals: Some(BTreeMap::from([("deal".to_owned(), 1)])),
            rows: vec![Row {
                object: "deal".to_owned(),
                id: id("0061kQh2S0a8Xbd"),
                tag: Tag(9),
                version: 3,
                columns: columns.as_object().unwrap().clone(),
            }],
            gone: vec![Blind(10)],
            next: Next::Done {
                cursor: Cursor("c2".to_owned()),
                digest: Some(digest),
            },
        }
    }

    fn requests() -> Vec<PullRequest> {
        let device = id("fD01kQh2S0a8Xbd");
        let request = |want| PullRequest {
            protocol: 1,
            device,
            epoch: Some(Epoch("e1".to_owned())),
            page: None,
            proof: None,
            want,
        };
        let inventory = Inventory {
            after: Some(id("0010000000aaaaa")),
            until: Some(id("0010000000aaaab")),
            entries: vec![(id("0010000000aaaab"), Tag(5))],
        };
        vec![
            request(Want::Delta {
                cursor: Cursor("c1".to_owned()),
            }),
            request(Want::Walk(inventory)),
            PullRequest {
                proof: Some(Proof::Unequal),
                ..request(Want::Walk(Inventory::default()))
            },
        ]
    }

    #[test]
    fn the_wire_form_of_a_pull() {
        let text =
            |bytes: Vec<u8>| String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap();
        let mut all = String::new();
        for request in requests() {
            all += &text(request.to_bytes().unwrap());
        }
        all += &text(PullAnswer::Page(page()).to_bytes().unwrap());
        let more = Next::More {
            page: PageToken("p".to_owned()),
            reached: Some(id("0010000000aaaab")),
        };
        let more = Page {
            totals: None,
            rows: Vec::new(),
            gone: Vec::new(),
            next: more,
            ..page()
        };
        all += &text(PullAnswer::Page(more).to_bytes().unwrap());
        let restart = PullAnswer::Restart {
            reason: Restart::ScopeChanged,
            epoch: Epoch("e2".to_owned()),
        };
        all += &text(restart.to_bytes().unwrap());
        insta::assert_snapshot!(all);
    }

    #[test]
    fn requests_and_answers_come_back_as_they_were() {
        for request in requests() {
            assert_eq!(
                PullRequest::from_bytes(&request.to_bytes().unwrap()).unwrap(),
                request
            );
        }
        let answer = PullAnswer::Page(page());
        assert_eq!(
            PullAnswer::from_bytes(&answer.to_bytes().unwrap()).unwrap(),
            answer
        );
        let newer = encode([
            serde_json::json!({"restart": {"reason": "eclipse", "epoch": "e", "more": 1}}),
        ])
        .unwrap();
        let read = PullAnswer::from_bytes(&newer).unwrap();
        assert!(matches!(
            read,
            PullAnswer::Restart {
                reason: Restart::Other,
                ..
            }
        ));
    }

    #[test]
    fn an_inventory_out_of_order_or_out_of_bounds_is_refused() {
        let mut request = requests().remove(1);
        let Want::Walk(inventory) = &mut request.want else {
            unreachable!()
        };
        inventory.entries.push((id("0010000000aaaab"), Tag(6)));
        assert!(PullRequest::from_bytes(&request.to_bytes().unwrap()).is_err());
        let Want::Walk(inventory) = &mut request.want else {
            unreachable!()
        };
        inventory.entries = vec![(id("0010000000aaaac"), Tag(6))];
        assert!(PullRequest::from_bytes(&request.to_bytes().unwrap()).is_err());
    }

    proptest! {
        /// A page that lost its end, or any byte, is noticed or is what it was.
        #[test]
        fn a_truncated_page_is_never_taken_for_a_whole_one(cut in 0_usize..400) {
            let bytes = PullAnswer::Page(page()).to_bytes().unwrap();
            let cut = cut.min(bytes.len() - 1);
            prop_assert!(PullAnswer::from_bytes(&bytes[..cut]).is_err());
            // Cut between two lines and compressed anew, as a proxy might.
            let text = zstd::decode_all(&bytes[..]).unwrap();
            let cut = cut.min(text.len() - 1);
            prop_assert!(PullAnswer::from_bytes(&zstd::encode_all(&text[..cut], 1).unwrap()).is_err());
        }

        #[test]
        fn no_bytes_break_the_readers(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,200}") {
            let _ = PullAnswer::from_bytes(&bytes);
            let _ = PullRequest::from_bytes(&zstd::encode_all(text.as_bytes(), 1).unwrap());
        }
    }
}
