//! Single values of the database: the registry document, numbers that count on, whatever else there is one of.

use std::collections::HashMap;

use fieldstone_guard::hidden;
use fieldstone_model::{Field, Object, RecordId, Registry, Stage, StageKind, object::Placed};
use rusqlite::{Connection, OptionalExtension as _, params, types::FromSql};
use serde::{Deserialize, Serialize};

use super::error::DatabaseError;

/// Name of the registry document.
const REGISTRY: &str = "registry";
/// Its version, for a quick look.
const REGISTRY_VERSION: &str = "registry_version";
/// The number of the last transaction that wrote records.
const REVISION: &str = "revision";
/// The next row number.
const NEXT_RID: &str = "next_rid";

/// A tenant's own objects and fields, as the platform tells them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SchemaDocument {
    /// The schema's version.
    pub version: i64,
    /// Custom objects.
    #[serde(default)]
    pub objects: Vec<CustomObject>,
    /// Custom fields by object.
    #[serde(default)]
    pub fields: HashMap<String, Vec<Field>>,
    /// In which order fields stand, by object, where the workspace has chosen one.
    #[serde(default)]
    pub places: HashMap<String, Vec<Placed>>,
}

/// One custom object, without its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomObject {
    /// API name, singular.
    pub name: String,
    /// API name, plural.
    pub plural: String,
    /// First three characters of its ids.
    pub prefix: String,
    /// Label.
    pub label: String,
    /// Plural label.
    pub plural_label: String,
}

impl SchemaDocument {
    /// The registry of this document with these stages.
    pub fn registry(&self, stages: Vec<Stage>) -> Registry {
        let object = |custom: &CustomObject| {
            let prefix = custom.prefix.as_bytes().try_into().ok()?;
            Some(Object::custom(
                custom.name.clone(),
                custom.plural.clone(),
                prefix,
                custom.label.clone(),
                custom.plural_label.clone(),
            ))
        };
        let registry = Registry::new(
            self.version,
            self.objects.iter().filter_map(object).collect(),
            self.fields.clone(),
            stages,
        );
        self.places
            .iter()
            .fold(registry, |registry, (name, places)| {
                registry.placed(name, places.clone())
            })
    }
}

/// One value; `None` when it was never set.
pub(super) fn get<T: FromSql>(
    connection: &Connection,
    name: &str,
) -> Result<Option<T>, DatabaseError> {
    connection
        .prepare_cached(hidden!("SELECT value FROM meta WHERE name = ?1"))?
        .query_row([name], |row| row.get(0))
        .optional()
        .map_err(DatabaseError::from)
}

/// Sets one value.
pub(super) fn set(
    connection: &Connection,
    name: &str,
    value: impl rusqlite::ToSql,
) -> Result<(), DatabaseError> {
    connection
        .prepare_cached(hidden!("INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"))?
        .execute(params![name, value])?;
    Ok(())
}

/// Forgets one value.
pub(super) fn remove(connection: &Connection, name: &str) -> Result<(), DatabaseError> {
    connection
        .prepare_cached(hidden!("DELETE FROM meta WHERE name = ?1"))?
        .execute([name])?;
    Ok(())
}

/// The number of the last transaction that wrote records.
pub(super) fn revision(connection: &Connection) -> Result<i64, DatabaseError> {
    Ok(get(connection, REVISION)?.unwrap_or(0))
}

/// The schema document; the standard objects alone before the platform has told any.
pub(super) fn schema(connection: &Connection) -> Result<SchemaDocument, DatabaseError> {
    let Some(document) = get::<String>(connection, REGISTRY)? else {
        return Ok(SchemaDocument::default());
    };
    serde_json::from_str(&document).map_err(|_| DatabaseError::Content("the list of fields"))
}

/// The version of the schema document, without reading it.
pub(super) fn schema_version(connection: &Connection) -> Result<i64, DatabaseError> {
    Ok(get(connection, REGISTRY_VERSION)?.unwrap_or(0))
}

pub(super) fn set_schema(
    connection: &Connection,
    document: &SchemaDocument,
) -> Result<(), DatabaseError> {
    let text = serde_json::to_string(document)
        .map_err(|_| DatabaseError::Content("the list of fields"))?;
    set(connection, REGISTRY_VERSION, document.version)?;
    set(connection, REGISTRY, text)
}

/// The stages of living pipelines.
pub(super) fn stages(connection: &Connection) -> Result<Vec<Stage>, DatabaseError> {
    let mut statement = connection.prepare_cached(
        hidden!("SELECT s.id, s.pipeline_id, s.name, s.kind, s.probability, s.position FROM stage s JOIN pipeline p ON p.id = s.pipeline_id \
         WHERE s.deleted_at IS NULL AND p.deleted_at IS NULL ORDER BY p.position, p.id, s.position, s.id"),
    )?;
    let rows = statement.query_map([], |row| {
        let id = |at| {
            row.get::<_, String>(at)
                .map(|text| text.parse::<RecordId>().ok())
        };
        let (Some(id), Some(pipeline_id)) = (id(0)?, id(1)?) else {
            return Ok(None);
        };
        Ok(Some(Stage {
            id,
            pipeline_id,
            name: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
            kind: StageKind::from_name(&row.get::<_, Option<String>>(3)?.unwrap_or_default()),
            probability: row.get::<_, Option<i64>>(4)?.unwrap_or_default(),
            position: row.get::<_, Option<i64>>(5)?.unwrap_or_default(),
        }))
    })?;
    let stages = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(stages.into_iter().flatten().collect())
}

/// The registry as the database has it now.
pub(super) fn registry(connection: &Connection) -> Result<Registry, DatabaseError> {
    Ok(schema(connection)?.registry(stages(connection)?))
}

/// The numbers that a write transaction hands out.
#[derive(Debug)]
pub(super) struct Numbers {
    /// This transaction's number.
    pub(super) revision: i64,
    next_rid: i64,
}

impl Numbers {
    pub(super) fn begin(connection: &Connection) -> Result<Self, DatabaseError> {
        Ok(Self {
            revision: revision(connection)? + 1,
            next_rid: get(connection, NEXT_RID)?.unwrap_or(1),
        })
    }

    /// A row number that no row ever had.
    pub(super) fn rid(&mut self) -> i64 {
        let rid = self.next_rid;
        self.next_rid += 1;
        rid
    }

    /// Keeps the numbers, at the end of the transaction.
    pub(super) fn finish(self, connection: &Connection) -> Result<(), DatabaseError> {
        set(connection, REVISION, self.revision)?;
        set(connection, NEXT_RID, self.next_rid)
    }
}
