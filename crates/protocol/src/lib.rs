//! What devices and the platform say to each other, versioned. Types and their framing only: no I/O, and nothing that decides.
//!
//! Every request and answer is a list of JSON lines, compressed with zstd ([`frame`]). A peer ignores lines and members that it does not
//! know, and keeps columns that it does not know. The last line of an answer says that it is whole, so that a truncated one is noticed.

pub mod conflict;
pub mod device;
pub mod digest;
pub mod frame;
pub mod guard;
pub mod hello;
pub mod pull;
pub mod push;
pub mod sealed;
pub mod sighting;
pub mod tag;

/// The newest version of the protocol that this build speaks.
pub const VERSION: u16 = 1;
/// The oldest version of the protocol that this build still speaks.
pub const OLDEST: u16 = 1;

/// The media type of requests and answers; the content encoding is `zstd`.
pub const MEDIA_TYPE: &str = "application/x-ndjson";

/// Values of fields by API name, as plain JSON. What a peer doesn't know stays in it untouched.
pub type Columns = serde_json::Map<String, serde_json::Value>;
