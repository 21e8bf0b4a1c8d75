//! Conflicts: edits that met another change and wait for a person. They reach a device as rows of an object of their own.
//!
//! A device settles one with a mutation of this object: an update of [`RESOLUTION`] to [`MINE`], [`THEIRS`] or [`EACH`]. With [`EACH`], every
//! field that isn't to stay as the platform has it comes with it, named by [`value_of`], and with what it shall be as its wanted value.

use fieldstone_model::RecordId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of the object.
pub const OBJECT: &str = "sync_conflict";
/// The prefix of its ids.
pub const PREFIX: [u8; 3] = *b"fX0";
/// The field that settles a conflict.
pub const RESOLUTION: &str = "resolution";
/// What the device wanted is written after all.
pub const MINE: &str = "mine";
/// What the platform has stays.
pub const THEIRS: &str = "theirs";
/// Each field by itself: those that come along are written, the others stay.
pub const EACH: &str = "each";
/// What stands before a field's name in a mutation that settles by [`EACH`].
const VALUE: &str = "value.";

/// How a mutation that settles by [`EACH`] names what `field` of the record shall be.
pub fn value_of(field: &str) -> String {
    format!("{VALUE}{field}")
}

/// The field of the record that a name made by [`value_of`] stands for.
pub fn field_of(name: &str) -> Option<&str> {
    name.strip_prefix(VALUE)
}

/// The columns of a conflict's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// API name of the object of the record.
    pub object: String,
    /// The record.
    pub record: RecordId,
    /// What was meant to be done.
    pub kind: Kind,
    /// The fields that both sides changed. None when a record is deleted against an edit that it can't show.
    pub fields: Vec<ConflictField>,
}

/// What met what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Both sides changed the same fields.
    Edit,
    /// The device edited a record that had been deleted.
    EditOfDeleted,
    /// The device deleted a record that had been edited.
    DeleteOfEdited,
}

/// One field that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictField {
    /// API name of the field.
    pub field: String,
    /// What the person on the device saw.
    pub seen: Value,
    /// What the platform had.
    pub current: Value,
    /// What the person on the device wanted.
    pub wanted: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_named_like_the_resolution_is_told_from_it() {
        assert_ne!(value_of(RESOLUTION), RESOLUTION);
        assert_eq!(field_of(&value_of(RESOLUTION)), Some(RESOLUTION));
        assert_eq!(field_of(RESOLUTION), None);
    }
}
