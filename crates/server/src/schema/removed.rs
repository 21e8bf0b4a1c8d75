//! Fields that were removed, while they can still be brought back.

use fieldstone_store::StoreError;
use jiff::Timestamp;

use super::{SchemaError, allow, remove, run};
use crate::store::PgStore;

/// A removed field that can be brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedField {
    /// Its number, which nothing else ever gets.
    pub number: i32,
    /// What people called it.
    pub label: String,
    /// When it was removed.
    pub removed_at: Timestamp,
}

/// The fields of an object that can be brought back, the last removed first.
pub async fn removed_fields(
    store: &PgStore,
    object: &str,
) -> Result<Vec<RemovedField>, SchemaError> {
    allow(store)?;
    let sql = "SELECT f.id, coalesce(f.facts ->> 'label', f.name), f.removed_at FROM app.custom_field f \
        WHERE f.object = $1 AND f.removed_at > transaction_timestamp() - interval '30 days' ORDER BY f.removed_at DESC LIMIT 50";
    let rows = store.run_step(sql, &[&object]).await?;
    rows.iter()
        .map(|row| {
            Ok(RemovedField {
                number: row.try_get(0)?,
                label: row.try_get(1)?,
                removed_at: row.try_get(2)?,
            })
        })
        .collect::<Result<_, tokio_postgres::Error>>()
        .map_err(|error| StoreError::internal(error).into())
}

/// Brings a removed field back with its values, unless another has its name by now.
pub async fn restore_field(store: &PgStore, object: &str, number: i32) -> Result<(), SchemaError> {
    allow(store)?;
    let registry = store.fresh_registry().await?;
    let taken = run(
        store,
        &registry,
        "SELECT count(*) FROM app.custom_field a JOIN app.custom_field b ON b.tenant_id = a.tenant_id AND b.object = a.object AND b.name = a.name \
            AND b.removed_at IS NULL WHERE a.object = $1 AND a.id = $2",
        &[&object, &number],
    )
    .await?;
    let taken: i64 = taken
        .first()
        .and_then(|row| row.try_get(0).ok())
        .unwrap_or(0);
    if taken > 0 {
        return Err(SchemaError::Invalid(vec![
            fieldstone_model::FieldError::new("restore", super::check::TAKEN),
        ]));
    }
    let facts = run(
        store,
        &registry,
        "SELECT f.facts ? 'roll_up' FROM app.custom_field f WHERE f.object = $1 AND f.id = $2",
        &[&object, &number],
    )
    .await?;
    let is_roll_up = facts.first().and_then(|row| row.try_get(0).ok());
    let of = registry.object(object).ok_or(SchemaError::Missing)?;
    if is_roll_up == Some(true) && super::check::has_all_roll_ups(of) {
        return Err(SchemaError::Invalid(vec![
            fieldstone_model::FieldError::new("restore", super::check::ROLL_UPS),
        ]));
    }
    let sql = "UPDATE app.custom_field SET removed_at = NULL WHERE object = $1 AND id = $2 \
        AND removed_at > transaction_timestamp() - interval '30 days' RETURNING id";
    remove(store, sql, &[&object, &number]).await
}
