//! Pages of the records that a filter lists by a key: each key is looked up by itself.

use fieldstone_model::{FieldType, Filter, Query, query::Presence, value::Key};

use super::{
    Dialect, Param, Writer,
    source::{Place, Source},
};

/// A condition of the filter that lists texts or ids of which few records each have one, with the keys to look up.
pub(super) fn listed_keys<'a>(
    query: &Query,
    source: &mut Source<'a>,
) -> Option<(Place<'a>, Vec<String>)> {
    let parts = match &query.filter {
        Filter::And(parts) => parts.as_slice(),
        filter => std::slice::from_ref(filter),
    };
    parts.iter().find_map(|part| {
        let Filter::In { path, values } = part else {
            return None;
        };
        path.as_field()?;
        let place = source.place(path).ok()?;
        let kind = &place.field.kind;
        // The indexes of fields have living records only; the primary key has all.
        let has_index = *kind == FieldType::Id
            || (kind.is_folded()
                && (place.field.indexed || place.field.unique)
                && query.presence == Presence::Living);
        if place.field.custom || !has_index {
            return None;
        }
        let mut keys: Vec<String> = values
            .iter()
            .filter_map(|value| match value.key(kind) {
                Some(Key::Text(key)) => Some(key),
                _ => None,
            })
            .collect();
        keys.sort_unstable();
        keys.dedup();
        Some((place, keys))
    })
}

/// `FROM` the records that have one of these keys in a field: one look-up for each key.
///
/// `= ANY` alone lets PostgreSQL's planner read all records of a tenant that it takes for a small one.
pub(super) fn write_listed(
    dialect: Dialect,
    source: &Source<'_>,
    (place, keys): (&Place<'_>, Vec<String>),
    presence: Presence,
) -> Writer {
    let mut from = Writer::new(dialect);
    from.push(" FROM unnest(")
        .param(Param::Texts(keys))
        .push("::text[]) AS u (key)");
    source.write_root_by(&mut from, place, presence);
    from
}
