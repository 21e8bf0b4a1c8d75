//! The pages: lists, records, forms, search, over any [`Store`](fieldstone_store::Store).
//!
//! Whoever runs them puts a store and a [`Viewer`] into each request's extensions; the pages never ask how either came about, never
//! name a database, and never read the wall clock. An htmx request gets a page's own part, any other the whole document.

mod assets;
mod board;
mod calendar;
mod conflict;
mod dashboard;
mod error;
mod forecast;
mod form;
mod frame;
mod home;
mod layout;
mod lead;
mod list;
pub mod locale;
mod markdown;
mod notice;
pub mod page;
mod palette;
mod record;
mod refused;
mod report;
mod request;
mod router;
mod search;
mod shelf;
mod shown;
mod viewer;

pub use error::PageError;
pub use form::{local_path, related_control, related_typed};
pub use frame::{Ask, Frame, respond};
pub use layout::sections;
pub use list::{Change, Condition, Listed, Surroundings, condition, in_words, listed};
pub use request::{PageResult, Session};
pub use router::{CONTENT_SECURITY_POLICY, assets, pages, router};
pub use shelf::{Kept, OwnShelf, Shelf, View};
pub use viewer::Viewer;

/// Address of the icons: a symbol each, to be named after a `#`.
pub const ICONS: &str = assets::ICONS;

/// The page for an error that is found before anyone is recognised.
pub fn sorry(headers: &http::HeaderMap, error: PageError) -> axum::response::Response {
    error::alone(headers, error)
}

/// The locale that a browser asks for, for pages shown before anyone has signed in.
pub fn locale_of_browser(headers: &http::HeaderMap) -> locale::Locale {
    error::of_browser(headers)
}
