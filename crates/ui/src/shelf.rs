//! What a person keeps beside records: views of lists, and what they have looked at. Whoever runs the pages may offer a place for it; without
//! one, the pages do without.

use std::{pin::Pin, sync::Arc};

use fieldstone_model::RecordId;
use fieldstone_store::StoreError;

/// An answer of a shelf.
pub type Kept<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A filtered and sorted list under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its id.
    pub id: RecordId,
    /// What it is called.
    pub name: String,
    /// The list's address after the question mark.
    pub query: String,
    /// Whether everybody has it.
    pub shared: bool,
    /// Whether the person wants it at hand.
    pub pinned: bool,
    /// Whether the person may remove it.
    pub removable: bool,
}

/// A place for what a person keeps.
pub trait Shelf: Send + Sync {
    /// The views of an object's list, pinned ones first, then by name.
    fn views<'a>(&'a self, object: &'a str) -> Kept<'a, Vec<View>>;

    /// Keeps a view; one of the same name and sharing is replaced.
    fn keep<'a>(
        &'a self,
        object: &'a str,
        name: &'a str,
        query: &'a str,
        shared: bool,
    ) -> Kept<'a, RecordId>;

    /// Gives a view that the person may change another query; false when it isn't the one that was seen any more. Whose view it is stays.
    fn revise<'a>(&'a self, id: RecordId, seen: &'a str, query: &'a str) -> Kept<'a, bool>;

    /// Pins or unpins a view; false when there is none.
    fn pin(&self, id: RecordId, pinned: bool) -> Kept<'_, bool>;

    /// Removes a view; false when there is none that the person may remove.
    fn remove(&self, id: RecordId) -> Kept<'_, bool>;

    /// How wide the person has drawn the columns of an object's list, as it was kept; empty when they haven't. A view without widths of its own
    /// has the list's.
    fn widths<'a>(&'a self, object: &'a str, view: Option<RecordId>) -> Kept<'a, String>;

    /// Keeps that, for one view where it is one that the person sees, else for the list.
    fn keep_widths<'a>(
        &'a self,
        object: &'a str,
        view: Option<RecordId>,
        widths: &'a str,
    ) -> Kept<'a, ()>;

    /// Notes that the person has looked at a record.
    fn visited(&self, id: RecordId) -> Kept<'_, ()>;

    /// What the person has looked at, the last first.
    fn recent(&self) -> Kept<'_, Vec<RecordId>>;

    /// Whether the person wants to be told of changes of a record.
    fn follows(&self, id: RecordId) -> Kept<'_, bool>;

    /// Begins or ends telling them.
    fn follow(&self, id: RecordId, on: bool) -> Kept<'_, ()>;
}

/// The shelf of whoever sends a request, among its extensions.
#[derive(Clone)]
pub struct OwnShelf(pub Arc<dyn Shelf>);

impl std::fmt::Debug for OwnShelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnShelf").finish_non_exhaustive()
    }
}
