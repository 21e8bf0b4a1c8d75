//! In which order an object's fields stand on its pages, for everybody of the workspace.

use std::collections::HashSet;

use fieldstone_model::{FieldError, ObjectClass, Problem, object::Placed};
use fieldstone_store::StoreError;

use super::{SchemaError, allow, run};
use crate::store::PgStore;

/// Most characters of a section's key.
const SECTION_MAX: usize = 40;
/// Most sections.
const SECTIONS_MAX: usize = 40;

/// Puts the fields of an object in this order; nothing puts them back where they stand otherwise.
pub async fn arrange_fields(
    store: &PgStore,
    object: &str,
    places: &[Placed],
) -> Result<(), SchemaError> {
    allow(store)?;
    let registry = store.fresh_registry().await?;
    let of = registry
        .object(object)
        .filter(|object| object.class == ObjectClass::Record)
        .ok_or(SchemaError::Missing)?;
    let mut seen = HashSet::new();
    let fields: Vec<_> = places.iter().flat_map(|placed| &placed.fields).collect();
    let is_known = fields
        .iter()
        .all(|name| of.field(name).is_some() && seen.insert(*name));
    let has_sections = places.len() <= SECTIONS_MAX
        && places
            .iter()
            .all(|placed| placed.section.len() <= SECTION_MAX);
    if !is_known || !has_sections {
        let error = FieldError::new("fields", Problem::UnknownField);
        return Err(SchemaError::Invalid(vec![error]));
    }
    let text = serde_json::to_string(places).map_err(StoreError::internal)?;
    let sql = if places.is_empty() {
        "DELETE FROM app.object_layout l WHERE l.object = $1 AND $2::text IS NOT NULL"
    } else {
        "INSERT INTO app.object_layout (tenant_id, object, places) SELECT (SELECT app.tenant_id()), $1, $2::text::jsonb \
            ON CONFLICT (tenant_id, object) DO UPDATE SET places = excluded.places"
    };
    run(store, &registry, sql, &[&object, &text]).await?;
    store.fresh_registry().await?;
    Ok(())
}
