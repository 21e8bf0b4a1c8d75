//! What the server remembers between the requests of a pull, so that it isn't worked out for each. Nothing depends on it: what isn't
//! remembered any more, or not on this node, is worked out anew.

use std::{sync::Arc, time::Duration};

use fieldstone_model::{RecordId, id::ID_LEN};
use fieldstone_protocol::digest::Digest;
use moka::sync::Cache;

use super::names::WalkName;

/// Most bytes of all lists together.
const LIST_BYTES_MAX: u64 = 64 << 20;
/// A walk that stands still for so long works its list out again.
const LIST_IDLE: Duration = Duration::from_mins(10);
/// Most digests.
const DIGESTS_MAX: u64 = 20_000;
/// After so long a device that has heard of no change is proven by the rows themselves again, so that an error in what is told of changes
/// can't hide for longer.
const DIGEST_AGE: Duration = Duration::from_mins(10);

/// Names what a walk goes through: the scope of one person when it was listed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct WalkKey {
    pub(super) tenant: RecordId,
    pub(super) user: RecordId,
    pub(super) epoch: String,
    /// Never the moment the walk began: a database that was put back comes to the same transaction numbers again, with other records.
    pub(super) walk: WalkName,
}

/// Names what a cursor stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CursorKey {
    pub(super) tenant: RecordId,
    pub(super) epoch: String,
    pub(super) cursor: String,
}

/// The memory of one node.
#[derive(Debug, Clone)]
pub(crate) struct Recall {
    lists: Cache<WalkKey, Arc<[RecordId]>>,
    digests: Cache<CursorKey, Digest>,
}

impl Default for Recall {
    fn default() -> Self {
        let bytes = |_: &WalkKey, list: &Arc<[RecordId]>| {
            u32::try_from(list.len() * ID_LEN).unwrap_or(u32::MAX)
        };
        Self {
            lists: Cache::builder()
                .weigher(bytes)
                .max_capacity(LIST_BYTES_MAX)
                .time_to_idle(LIST_IDLE)
                .build(),
            digests: Cache::builder()
                .max_capacity(DIGESTS_MAX)
                .time_to_live(DIGEST_AGE)
                .build(),
        }
    }
}

impl Recall {
    pub(super) fn list(&self, key: &WalkKey) -> Option<Arc<[RecordId]>> {
        self.lists.get(key)
    }

    pub(super) fn keep_list(&self, key: WalkKey, list: &Arc<[RecordId]>) {
        self.lists.insert(key, Arc::clone(list));
    }

    /// What the scope added up to for whoever has this cursor, if that was worked out lately.
    pub(super) fn digest(&self, key: &CursorKey) -> Option<Digest> {
        self.digests.get(key)
    }

    pub(super) fn keep_digest(&self, key: CursorKey, digest: &Digest) {
        self.digests.insert(key, digest.clone());
    }
}
