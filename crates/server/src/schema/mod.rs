//! The tenants' own objects and fields: checked here, kept as rows, and from then on treated like standard ones.
//!
//! A removed object or field keeps its name, prefix and number: none is ever given to another one.

mod check;
mod layout;
mod pipeline;
mod removed;

use std::sync::Arc;

use fieldstone_model::{
    Capability, Field, FieldError, FieldType, Object, Problem, RecordId, Registry, Role, RollUp,
    field::Origin, query::Environment,
};
use fieldstone_store::{Store, StoreError};
use jiff::tz::TimeZone;
use tokio_postgres::types::ToSql;

use crate::database::pool::{FlightError, Step};
use crate::identity::audit::Action;
use crate::store::{PgStore, store_error};
pub use layout::arrange_fields;
pub use pipeline::create_default_pipeline;
pub use removed::{RemovedField, removed_fields, restore_field};

/// Most objects of a tenant's own.
pub const OBJECTS_MAX: usize = 200;
/// Most fields of a tenant's own in one object.
pub const FIELDS_MAX: usize = 500;
/// Most roll-ups of one object: each is worked out whenever records of it are shown.
pub const ROLL_UPS_MAX: usize = 10;

/// An object to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewObject {
    /// API name, singular: `inspection`.
    pub name: String,
    /// Plural API name: `inspections`.
    pub plural: String,
    /// What people call one.
    pub label: String,
    /// What people call several.
    pub plural_label: String,
}

/// A field to be made.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and any combination may occur"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewField {
    /// API name; of a relation it ends in `_id`.
    pub name: String,
    /// What it holds.
    pub kind: FieldType,
    /// What people call it.
    pub label: String,
    /// What people should know to fill it in.
    pub help: Option<String>,
    /// Must have a value in records written from now on.
    pub required: bool,
    /// No two records share a value.
    pub unique: bool,
    /// Can be filtered and sorted. Long texts never can.
    pub indexed: bool,
    /// Its words are found by search.
    pub searchable: bool,
    /// What a new record gets where nothing is entered, in plain form.
    pub default: Option<String>,
    /// What it counts or sums up; its type follows from that.
    pub roll_up: Option<RollUp>,
}

/// What people read about a field, and what new records get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wording<'a> {
    /// What people call it.
    pub label: &'a str,
    /// What people should know to fill it in.
    pub help: Option<&'a str>,
    /// What a new record gets where nothing is entered, in plain form.
    pub default: Option<&'a str>,
}

/// Why an object or field wasn't made or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Something about it can't be so.
    #[error("Some of the details can't be used.")]
    Invalid(Vec<FieldError>),
    /// There is none of this name.
    #[error("There is no custom object or field of this name.")]
    Missing,
    /// The tenant has as many as it may have.
    #[error("There are too many already. Remove some first.")]
    Full,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a custom object; answers it as the registry now has it.
pub async fn create_object(store: &PgStore, new: &NewObject) -> Result<Arc<Object>, SchemaError> {
    allow(store)?;
    let registry = store.fresh_registry().await?;
    check::object(&registry, new)?;
    let sql = "INSERT INTO app.custom_object (tenant_id, name, plural, prefix, label, plural_label, created_at) \
        SELECT (SELECT app.tenant_id()), $1, $2, 'a' || $5, $3, $4, transaction_timestamp()";
    let rows = run(
        store,
        &registry,
        "SELECT count(*), count(*) FILTER (WHERE name = $1), count(*) FILTER (WHERE plural = $2) FROM app.custom_object",
        &[&new.name, &new.plural],
    )
    .await?;
    let count = |at: usize| {
        rows.first()
            .and_then(|row| row.try_get::<_, i64>(at).ok())
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(0)
    };
    check::unused(count(1), count(2))?;
    let taken = count(0);
    if taken >= OBJECTS_MAX {
        return Err(SchemaError::Full);
    }
    let suffix = base62(taken);
    run(
        store,
        &registry,
        sql,
        &[
            &new.name,
            &new.plural,
            &new.label,
            &new.plural_label,
            &suffix,
        ],
    )
    .await?;
    let registry = store.fresh_registry().await?;
    registry
        .object(&new.name)
        .cloned()
        .ok_or(SchemaError::Missing)
}

/// Makes a custom field of any object; answers it as the registry now has it.
pub async fn create_field(
    store: &PgStore,
    object: &str,
    new: &NewField,
) -> Result<Field, SchemaError> {
    allow(store)?;
    let registry = store.fresh_registry().await?;
    let of = registry.object(object).ok_or(SchemaError::Missing)?;
    let new = &settled(store, &registry, of, new)?;
    check::field(&registry, of, new, store.user().id)?;
    check_default_record(store, &field_of(1000, new)).await?;
    let last = run(
        store,
        &registry,
        "SELECT max(id) FROM app.custom_field WHERE object = $1",
        &[&object],
    )
    .await?;
    let last: Option<i32> = last.first().and_then(|row| row.try_get(0).ok()).flatten();
    let id = u16::try_from(last.unwrap_or(999) + 1).map_err(|_| SchemaError::Full)?;
    let field = field_of(id, new);
    let facts = serde_json::to_string(&field).map_err(StoreError::internal)?;
    let sql = "INSERT INTO app.custom_field (tenant_id, object, id, name, facts, created_at) \
        SELECT (SELECT app.tenant_id()), $1, $2, $3, $4::text::jsonb, transaction_timestamp()";
    run(
        store,
        &registry,
        sql,
        &[&object, &i32::from(id), &new.name, &facts],
    )
    .await?;
    store.fresh_registry().await?;
    Ok(field)
}

/// Takes a custom field away from everybody's sight. Its values stay for 30 days.
pub async fn remove_field(store: &PgStore, object: &str, field: &str) -> Result<(), SchemaError> {
    allow(store)?;
    let sql = "UPDATE app.custom_field SET removed_at = transaction_timestamp() WHERE object = $1 AND name = $2 AND removed_at IS NULL RETURNING id";
    remove(store, sql, &[&object, &field]).await
}

/// Takes a custom object away from everybody's sight. Its records stay for 30 days.
pub async fn remove_object(store: &PgStore, object: &str) -> Result<(), SchemaError> {
    allow(store)?;
    let sql = "UPDATE app.custom_object SET removed_at = transaction_timestamp() WHERE name = $1 AND removed_at IS NULL RETURNING name";
    remove(store, sql, &[&object]).await
}

/// Renames a custom field for people, changes its help or what new records get. Programs go on using the API name.
pub async fn relabel_field(
    store: &PgStore,
    object: &str,
    field: &str,
    wording: &Wording<'_>,
) -> Result<Field, SchemaError> {
    allow(store)?;
    let registry = store.fresh_registry().await?;
    let of = registry.object(object).ok_or(SchemaError::Missing)?;
    let mut changed = of
        .field(field)
        .filter(|field| field.custom)
        .cloned()
        .ok_or(SchemaError::Missing)?;
    check::labels(&[("label", wording.label)])?;
    changed.label = Some(wording.label.to_owned());
    changed.help = wording.help.map(str::to_owned);
    let leads_elsewhere = changed.default.as_deref() != wording.default;
    changed.default = wording.default.map(str::to_owned);
    check::default(&changed, store.now(), store.user().id)?;
    // What it led to may be gone since; that is no reason not to rename it.
    if leads_elsewhere {
        check_default_record(store, &changed).await?;
    }
    let facts = serde_json::to_string(&changed).map_err(StoreError::internal)?;
    let sql = "UPDATE app.custom_field SET facts = $3::text::jsonb WHERE object = $1 AND name = $2 AND removed_at IS NULL RETURNING id";
    remove(store, sql, &[&object, &field, &facts]).await?;
    Ok(changed)
}

/// Keeps a field from roles: the weakest that reads it, and the weakest that sets it. Whoever manages fields always may both.
pub async fn restrict_field(
    store: &PgStore,
    object: &str,
    field: &str,
    (read_role, write_role): (Role, Role),
) -> Result<Field, SchemaError> {
    allow(store)?;
    let registry = store.fresh_registry().await?;
    let of = registry.object(object).ok_or(SchemaError::Missing)?;
    let known = of.field(field).ok_or(SchemaError::Missing)?;
    check::restriction(of, known, read_role, write_role)?;
    let sql = "INSERT INTO app.field_setting (tenant_id, object, field, read_role, write_role) SELECT (SELECT app.tenant_id()), $1, $2, $3, $4 \
        ON CONFLICT (tenant_id, object, field) DO UPDATE SET read_role = excluded.read_role, write_role = excluded.write_role RETURNING field";
    let event = "INSERT INTO app.audit_event (tenant_id, seq, at, actor, action, target, detail, prev_hash, hash) \
        SELECT (SELECT app.tenant_id()), 0, transaction_timestamp(), '', $1, $2, $3::text::jsonb, '', ''";
    let (read, write) = (read_role.name(), write_role.name());
    let target = format!("{object}.{field}");
    let detail = serde_json::json!({ "read_role": read, "write_role": write }).to_string();
    let steps = [
        Step {
            sql,
            params: &[&object, &field, &read, &write],
        },
        Step {
            sql: event,
            params: &[&Action::FieldRestrict.name(), &target, &detail],
        },
    ];
    store
        .pool()
        .flight(store.actor(), Some(registry.version()), &steps)
        .await
        .map_err(store_error)?;
    store.note_written();
    let registry = store.fresh_registry().await?;
    let of = registry.object(object).ok_or(SchemaError::Missing)?;
    of.field(field).cloned().ok_or(SchemaError::Missing)
}

/// Whether the record that a relation leads to by default is one, and there.
async fn check_default_record(store: &PgStore, field: &Field) -> Result<(), SchemaError> {
    let default = field
        .default
        .as_deref()
        .filter(|_| field.kind.is_relation());
    let Some(id) = default.and_then(|text| text.parse::<RecordId>().ok()) else {
        return Ok(());
    };
    let refuse = |problem| {
        let errors = vec![FieldError::new("default", problem)];
        Err(SchemaError::Invalid(errors))
    };
    let target = store.registry().object_of(id);
    let Some(target) = target.filter(|target| field.target() == Some(&*target.name)) else {
        return refuse(Problem::NotAReference);
    };
    match store.get(&target.name, id, &[]).await {
        Ok(record) if !record.deleted => Ok(()),
        Ok(_) | Err(StoreError::NotFound(_)) => refuse(Problem::MissingReference),
        Err(error) => Err(error.into()),
    }
}

fn allow(store: &PgStore) -> Result<(), SchemaError> {
    if store.user().role.can(Capability::SchemaManage) {
        Ok(())
    } else {
        Err(StoreError::Denied.into())
    }
}

async fn remove(
    store: &PgStore,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<(), SchemaError> {
    let registry = store.fresh_registry().await?;
    let rows = run(store, &registry, sql, params).await?;
    store.fresh_registry().await?;
    if rows.is_empty() {
        Err(SchemaError::Missing)
    } else {
        Ok(())
    }
}

async fn run(
    store: &PgStore,
    registry: &Registry,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<tokio_postgres::Row>, SchemaError> {
    let flight = store
        .pool()
        .flight(
            store.actor(),
            Some(registry.version()),
            &[Step { sql, params }],
        )
        .await;
    match flight {
        Ok(rows) => {
            store.note_written();
            Ok(rows.into_iter().next().unwrap_or_default())
        }
        // Somebody else took the name, prefix or number in the same moment.
        Err(FlightError::Statement(error))
            if error.code() == Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION) =>
        {
            Err(StoreError::Busy.into())
        }
        Err(error) => Err(store_error(error).into()),
    }
}

/// A roll-up with the type of its figure and nothing that only stored fields can have.
fn settled(
    store: &PgStore,
    registry: &Registry,
    of: &Object,
    new: &NewField,
) -> Result<NewField, SchemaError> {
    let Some(roll_up) = &new.roll_up else {
        return Ok(new.clone());
    };
    let environment = Environment {
        me: store.user().id,
        today: store.now().to_zoned(TimeZone::UTC).date(),
    };
    roll_up
        .check(registry, &of.name, environment)
        .map_err(|error| check::roll_up_error(&error))?;
    Ok(NewField {
        kind: roll_up.kind(registry),
        required: false,
        unique: false,
        indexed: false,
        searchable: false,
        default: None,
        ..new.clone()
    })
}

fn field_of(id: u16, new: &NewField) -> Field {
    let mut field = Field::new(id, "", new.kind.clone());
    field.name = new.name.clone().into();
    field.required = new.required;
    field.unique = new.unique;
    field.indexed = (new.indexed || new.unique || new.kind.is_relation())
        && !matches!(new.kind, FieldType::LongText { .. });
    field.searchable = new.searchable;
    field.origin = match new.roll_up {
        Some(_) => Origin::Derived,
        None => Origin::Entered,
    };
    field.default.clone_from(&new.default);
    field.roll_up = new.roll_up.clone().map(Box::new);
    field.label = Some(new.label.trim().to_owned());
    field.help.clone_from(&new.help);
    field.custom = true;
    field
}

/// Two digits of base 62, in ASCII order.
fn base62(number: usize) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digit = |value: usize| DIGITS.get(value % 62).map_or('0', |byte| char::from(*byte));
    [digit(number / 62), digit(number)].into_iter().collect()
}
