//! Who is looking: the person, their rights, and the conventions they read in.

use fieldstone_model::{Capability, RecordId, Role};
use jiff::{Timestamp, civil};

use crate::locale::Locale;

/// The person a page is made for. Whoever runs the pages puts one into each request's extensions.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// The person's user record.
    pub user_id: RecordId,
    /// Their name.
    pub name: String,
    /// What they may do. Pages hide what it forbids; the store refuses it.
    pub role: Role,
    /// Name of the workspace.
    pub workspace: String,
    /// Language, conventions, time zone, currency.
    pub locale: Locale,
    /// The request's instant.
    pub now: Timestamp,
    /// Whether there is a session to leave. A device's pages have none.
    pub can_sign_out: bool,
    /// Whether they have proved a moment ago who they are. Whoever hasn't is asked to where a page needs it.
    pub is_proven: bool,
}

impl Viewer {
    /// Whether their role has `capability`.
    pub fn can(&self, capability: Capability) -> bool {
        self.role.can(capability)
    }

    /// The calendar date where they are.
    pub fn today(&self) -> civil::Date {
        self.locale.local(self.now).date()
    }
}
