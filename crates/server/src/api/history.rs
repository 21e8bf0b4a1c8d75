//! History entries as JSON.

use std::collections::HashMap;
use std::fmt::Write as _;

use fieldstone_model::{FieldType, Object, RecordId, value::push_json_text};
use fieldstone_store::HistoryEntry;

/// The entries, and where older ones begin.
pub(super) fn text(
    object: &Object,
    entries: &[HistoryEntry],
    names: &HashMap<RecordId, String>,
    more: bool,
) -> String {
    let mut text = String::with_capacity(64 + entries.len() * 256);
    text.push_str("{\"entries\":[");
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        push_entry(
            &mut text,
            object,
            entry,
            names.get(&entry.by).map(String::as_str),
        );
    }
    text.push_str("],\"next\":");
    match entries.last() {
        // Writing to a String cannot fail.
        Some(last) if more => drop(write!(text, "{}", last.sequence)),
        _ => text.push_str("null"),
    }
    text.push('}');
    text
}

fn push_entry(text: &mut String, object: &Object, entry: &HistoryEntry, name: Option<&str>) {
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "{{\"sequence\":{},\"at\":\"{}\",\"by\":{{\"id\":\"{}\",\"name\":",
        entry.sequence, entry.at, entry.by
    );
    match name {
        Some(name) => push_json_text(text, name),
        None => text.push_str("null"),
    }
    text.push_str("},\"action\":");
    push_json_text(text, entry.action.name());
    text.push_str(",\"fields\":[");
    for (at, change) in entry.fields.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        // A field that is gone is told as text.
        let gone = FieldType::Text { max: 0 };
        let kind = object
            .field(&change.field)
            .map_or(&gone, |field| &field.kind);
        text.push_str("{\"field\":");
        push_json_text(text, &change.field);
        text.push_str(",\"old\":");
        change.old.write_json(kind, text);
        text.push_str(",\"new\":");
        change.new.write_json(kind, text);
        text.push('}');
    }
    text.push_str("]}");
}
