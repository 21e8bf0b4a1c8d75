//! Whose records people see: asked of the database once for each version of their membership.
//!
//! The version moves with everything that a sight depends on (visibility, role, teams), and every flight carries it: what is remembered
//! here is either right or not used.

use fieldstone_model::{Capability, RecordId};
use fieldstone_store::{Scope, StoreError};
use moka::sync::Cache;

use super::error::store_error;
use crate::database::{
    Actor,
    pool::{Pool, Step},
};

/// What the policies ask, too.
const OWNERS: &str = "SELECT app.visible_owners()";

/// Scopes in memory, by tenant, person and version of their membership.
#[derive(Debug, Clone)]
pub(super) struct Sights {
    known: Cache<(RecordId, RecordId, i64), Scope>,
}

impl Default for Sights {
    fn default() -> Self {
        Self {
            known: Cache::new(20_000),
        }
    }
}

impl Sights {
    pub(super) async fn of(&self, pool: &Pool, actor: &Actor) -> Result<Scope, StoreError> {
        // Whoever manages people sees all records; the database says the same of them.
        if actor.role.can(Capability::UsersManage) {
            return Ok(Scope::Everything);
        }
        let key = (actor.tenant, actor.user, actor.member_version);
        if let Some(scope) = self.known.get(&key) {
            return Ok(scope);
        }
        let step = Step {
            sql: OWNERS,
            params: &[],
        };
        let rows = pool
            .flight(actor, None, &[step])
            .await
            .map_err(store_error)?;
        let row = rows.first().and_then(|rows| rows.first());
        let row = row.ok_or_else(|| StoreError::internal("no sight"))?;
        let owners: Option<Vec<String>> = row.try_get(0).map_err(StoreError::internal)?;
        let scope = owners.map_or(Scope::Everything, Scope::of);
        self.known.insert(key, scope.clone());
        Ok(scope)
    }
}
