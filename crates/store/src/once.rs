//! Changes that are applied once, however often a caller asks for them.

use fieldstone_model::Change;
use jiff::SignedDuration;

use crate::{Applied, Store, StoreError};

/// How long a key is remembered.
pub const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// What was answered to a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers worth keeping, by name.
    pub headers: Vec<(String, String)>,
    /// The body; empty as long as it isn't known.
    pub body: Vec<u8>,
}

/// A key with the request it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The caller's own key; every user has keys of their own.
    pub key: String,
    /// SHA-256 of the request, so that a key isn't used for two.
    pub request: [u8; 32],
    /// What to answer from now on.
    pub answer: Answer,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The changes were applied now.
    Applied(Vec<Applied>),
    /// They were before; this is the answer to give.
    Before(Answer),
    /// The key was used for another request. Nothing was applied.
    Different,
}

/// A store that remembers requests by the keys of its user.
pub trait OnceStore: Store {
    /// What became of the request under `key`; `None` if it isn't known (any more). Never [`Outcome::Applied`].
    fn kept(
        &self,
        key: &str,
        request: [u8; 32],
    ) -> impl Future<Output = Result<Option<Outcome>, StoreError>> + Send;

    /// Applies the changes and keeps key and answer in the same transaction; a known key applies nothing.
    fn apply_once(
        &self,
        once: &Once,
        changes: &[Change],
    ) -> impl Future<Output = Result<Outcome, StoreError>> + Send;

    /// Replaces the answer under a key that is known.
    fn keep(
        &self,
        key: &str,
        answer: &Answer,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
