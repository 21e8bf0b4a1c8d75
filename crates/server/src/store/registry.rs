//! Tenants' registries: read from their metadata, kept in memory while their version stands.

use std::collections::HashMap;

use fieldstone_model::{Field, Object, RecordId, Registry, Role, Stage, StageKind};
use fieldstone_store::StoreError;
use moka::sync::Cache;

use super::{error::store_error, wire::Cell};
use crate::database::{
    Actor,
    pool::{Pool, Step},
};

const VERSION: &str = "SELECT schema_version FROM app.workspace";
const OBJECTS: &str = "SELECT name, plural, prefix, label, plural_label FROM app.custom_object WHERE removed_at IS NULL ORDER BY created_at, name";
const FIELDS: &str =
    "SELECT object, facts::text FROM app.custom_field WHERE removed_at IS NULL ORDER BY object, id";
const SETTINGS: &str = "SELECT object, field, read_role, write_role FROM app.field_setting";
const LAYOUTS: &str = "SELECT object, places::text FROM app.object_layout";
const STAGES: &str = "SELECT s.id, s.pipeline_id, s.name, s.kind, s.probability, s.position FROM app.stage s \
    JOIN app.pipeline p ON p.tenant_id = s.tenant_id AND p.id = s.pipeline_id \
    WHERE s.deleted_at IS NULL AND p.deleted_at IS NULL ORDER BY p.position, p.id, s.position, s.id";

/// Registries in memory.
#[derive(Debug, Clone)]
pub struct Registries {
    cache: Cache<RecordId, ByRole>,
}

/// One tenant's registry as each role sees it.
#[derive(Debug, Clone)]
struct ByRole([(Role, Registry); Role::ALL.len()]);

impl ByRole {
    fn new(registry: &Registry) -> Self {
        Self(Role::ALL.map(|role| (role, registry.for_role(role))))
    }

    fn of(&self, role: Role) -> Registry {
        let [(_, weakest), ..] = &self.0;
        let own = self.0.iter().find(|(known, _)| *known == role);
        own.map_or(weakest, |(_, registry)| registry).clone()
    }
}

impl Default for Registries {
    fn default() -> Self {
        Self {
            cache: Cache::new(10_000),
        }
    }
}

impl Registries {
    /// The registry of the actor's tenant as their role sees it, from memory if there is one. It may be outdated: every flight carries
    /// its version.
    pub(super) async fn get(&self, pool: &Pool, actor: &Actor) -> Result<Registry, StoreError> {
        match self.cache.get(&actor.tenant) {
            Some(registries) => Ok(registries.of(actor.role)),
            None => self.reload(pool, actor).await,
        }
    }

    /// Reads the registry anew.
    pub(super) async fn reload(&self, pool: &Pool, actor: &Actor) -> Result<Registry, StoreError> {
        let step = |sql| Step { sql, params: &[] };
        // The version is read first: what is read after it can only be newer, and then the next flight says so.
        let rows = pool
            .flight(
                actor,
                None,
                &[
                    step(VERSION),
                    step(OBJECTS),
                    step(FIELDS),
                    step(STAGES),
                    step(SETTINGS),
                    step(LAYOUTS),
                ],
            )
            .await
            .map_err(store_error)?;
        let mut rows = rows.into_iter();
        let mut next = || rows.next().unwrap_or_default();
        let (versions, objects, fields, stages, settings, layouts) =
            (next(), next(), next(), next(), next(), next());
        let version = versions
            .first()
            .and_then(|row| row.try_get(0).ok())
            .ok_or(StoreError::SessionEnded)?;
        let objects = objects
            .iter()
            .map(read_object)
            .collect::<Result<_, _>>()
            .map_err(StoreError::internal)?;
        let mut by_object: HashMap<String, Vec<Field>> = HashMap::new();
        for row in &fields {
            let object = row.try_get(0).map_err(StoreError::internal)?;
            let facts: &str = row.try_get(1).map_err(StoreError::internal)?;
            by_object
                .entry(object)
                .or_default()
                .push(serde_json::from_str(facts).map_err(StoreError::internal)?);
        }
        let stages = stages
            .iter()
            .map(read_stage)
            .collect::<Result<Option<Vec<_>>, _>>()
            .map_err(StoreError::internal)?;
        let mut registry = Registry::new(version, objects, by_object, stages.unwrap_or_default());
        for row in &settings {
            let text = |at: usize| row.try_get::<_, &str>(at).map_err(StoreError::internal);
            // A role that can't be read keeps the field from everybody but owners.
            let role = |at: usize| Ok::<_, StoreError>(text(at)?.parse().unwrap_or(Role::Owner));
            registry = registry.restricted(text(0)?, text(1)?, role(2)?, role(3)?);
        }
        for row in &layouts {
            let text = |at: usize| row.try_get::<_, &str>(at).map_err(StoreError::internal);
            // A layout that can't be read is none.
            let places = serde_json::from_str(text(1)?).unwrap_or_default();
            registry = registry.placed(text(0)?, places);
        }
        let registries = ByRole::new(&registry);
        let own = registries.of(actor.role);
        self.cache.insert(actor.tenant, registries);
        Ok(own)
    }
}

fn read_object(row: &tokio_postgres::Row) -> Result<Object, tokio_postgres::Error> {
    let prefix: &str = row.try_get(2)?;
    let prefix = prefix.as_bytes().try_into().unwrap_or(*b"a00");
    Ok(Object::custom(
        row.try_get(0)?,
        row.try_get(1)?,
        prefix,
        row.try_get(3)?,
        row.try_get(4)?,
    ))
}

fn read_stage(row: &tokio_postgres::Row) -> Result<Option<Stage>, tokio_postgres::Error> {
    let id = |at| {
        row.try_get::<_, Cell>(at)
            .map(|cell| cell.text().and_then(|text| text.parse().ok()))
    };
    let (Some(id), Some(pipeline_id)) = (id(0)?, id(1)?) else {
        return Ok(None);
    };
    Ok(Some(Stage {
        id,
        pipeline_id,
        name: row.try_get(2)?,
        kind: StageKind::from_name(row.try_get(3)?),
        probability: row.try_get(4)?,
        position: row.try_get(5)?,
    }))
}
