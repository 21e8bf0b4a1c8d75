//! Which fields a list shows: what its address says, else what its layout says.

use fieldstone_model::FieldType;
use fieldstone_store::Store;

use crate::{locale::Locale, request::AtObject};

/// Most columns after the name.
const MOST: usize = 20;

/// The fields wanted, each once, in the address's order; unknown ones are left out.
pub(super) fn wanted<S: Store>(at: &AtObject<S>) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for name in at.parameters.all("column") {
        let known = at.object.field(name).is_some_and(Locale::is_shown);
        if known
            && name != at.object.name_field
            && !columns.iter().any(|column| column == name)
            && columns.len() < MOST
        {
            columns.push(name.to_owned());
        }
    }
    if columns.is_empty() {
        at.layout.columns.clone()
    } else {
        columns
    }
}

/// Fields to choose from: those that are shown first and in their order.
pub(super) fn choosable<S: Store>(
    at: &AtObject<S>,
    shown: &[String],
) -> Vec<(String, String, bool)> {
    let label = |name: &str| {
        at.object
            .field(name)
            .map(|field| at.viewer.locale.field(&at.object, field))
    };
    let rest = at.object.fields.iter().filter(|field| {
        Locale::is_shown(field)
            && field.name != at.object.name_field
            && !matches!(field.kind, FieldType::LongText { .. })
            && !shown.iter().any(|name| *name == *field.name)
    });
    let shown = shown
        .iter()
        .filter_map(|name| Some((name.clone(), label(name)?, true)));
    shown
        .chain(rest.filter_map(|field| Some((field.name.to_string(), label(&field.name)?, false))))
        .collect()
}
