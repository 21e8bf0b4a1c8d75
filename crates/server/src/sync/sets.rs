//! Record sets as administrators keep them: publishing, versions, and what one would bring to a device.
//!
//! As long as a workspace has none of its own, the standard ones hold. With its first own one they become its own as well, so that nothing
//! leaves a device because something was added.

mod check;
mod figures;

use fieldstone_model::{Object, RecordId, Role};
use fieldstone_store::{Store as _, StoreError};
use jiff::Timestamp;
use serde_json::json;
use tokio_postgres::{Row, types::ToSql};

use super::scope::{RecordSet, default_sets};
use crate::{
    database::{Actor, pool::Step},
    identity::audit::Action,
    store::{PgStore, column},
};

pub(crate) use self::check::{DEPTH_MAX, NAME_MAX, PLACES_MAX, SETS_MAX, check};
pub use self::check::{SetError, SetProblem};
pub use self::figures::Figure;

/// The prefix of their ids.
const PREFIX: [u8; 3] = *b"fR0";

/// Whose devices get a record set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Everybody's.
    Everybody,
    /// Those of people with a role.
    Role(Role),
    /// One person's.
    Person(RecordId),
}

/// A record set to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSet {
    /// What administrators call it.
    pub name: String,
    /// Whose devices get it.
    pub audience: Audience,
    /// How often devices with it look for changes, in seconds; none for what the workspace says.
    pub interval_s: Option<i32>,
    /// Which records.
    pub set: RecordSet,
}

/// A published record set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedSet {
    /// Its id.
    pub id: RecordId,
    /// Counts from 1.
    pub version: i64,
    /// What was published.
    pub new: NewSet,
    /// What the person is called that it is for.
    pub person: Option<String>,
    /// When it was last published.
    pub updated_at: Timestamp,
    /// What whoever did that is called.
    pub updated_by: Option<String>,
}

/// A version of a record set; without a definition it was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetVersion {
    pub(crate) version: i64,
    pub(crate) name: String,
    pub(crate) filter: Option<String>,
    pub(crate) at: Timestamp,
    pub(crate) by: Option<String>,
}

impl PgStore {
    /// The workspace's own record sets.
    pub(crate) async fn record_sets(&self) -> Result<Vec<PublishedSet>, StoreError> {
        self.read_sets(None).await
    }

    /// One of them.
    pub(crate) async fn record_set(
        &self,
        id: RecordId,
    ) -> Result<Option<PublishedSet>, StoreError> {
        Ok(self.read_sets(Some(id)).await?.pop())
    }

    async fn read_sets(&self, one: Option<RecordId>) -> Result<Vec<PublishedSet>, StoreError> {
        let one = one.map(|id| id.to_string());
        let rows = self
            .run_step(
                "SELECT r.id, r.version, r.name, r.role, r.person_id, r.interval_s, r.definition::text, p.name, r.updated_at, b.name FROM app.record_set r \
                 LEFT JOIN app.\"user\" p ON p.tenant_id = r.tenant_id AND p.id = r.person_id \
                 LEFT JOIN app.\"user\" b ON b.tenant_id = r.tenant_id AND b.id = r.updated_by_id \
                 WHERE $1::text IS NULL OR r.id = $1 ORDER BY r.position, r.id",
                &[&one],
            )
            .await?;
        rows.iter().map(published).collect()
    }

    /// What a record set was, the newest version first.
    pub(crate) async fn record_set_versions(
        &self,
        id: RecordId,
    ) -> Result<Vec<SetVersion>, StoreError> {
        let rows = self
            .run_step(
                "SELECT v.version, v.name, v.definition ->> 'filter', v.at, b.name FROM app.record_set_version v \
                 LEFT JOIN app.\"user\" b ON b.tenant_id = v.tenant_id AND b.id = v.by_id \
                 WHERE v.record_set_id = $1 ORDER BY v.version DESC LIMIT 50",
                &[&id.as_str()],
            )
            .await?;
        let version = |row: &Row| {
            Ok(SetVersion {
                version: column(row, 0)?,
                name: column(row, 1)?,
                filter: column(row, 2)?,
                at: column(row, 3)?,
                by: column(row, 4)?,
            })
        };
        rows.iter().map(version).collect()
    }

    /// Publishes a record set: a new one, or the next version of one. `name_of` says what the standard ones are called, by object, in case they
    /// become the workspace's own.
    pub(crate) async fn publish_set(
        &self,
        known: Option<(RecordId, i64)>,
        new: &NewSet,
        name_of: &(dyn Fn(&Object) -> String + Sync),
    ) -> Result<RecordId, SetError> {
        let registry = self.registry();
        check(registry, new, self.actor().user).map_err(SetError::Invalid)?;
        if let Audience::Person(person) = new.audience {
            self.actor_of(person)
                .await?
                .ok_or(SetError::Invalid(SetProblem::Person))?;
        }
        let own = self.record_sets().await?;
        let mut written = Vec::new();
        let (id, version) = match known {
            Some((id, expected)) => {
                let found = own
                    .iter()
                    .find(|set| set.id == id)
                    .ok_or(SetError::Missing)?;
                if found.version != expected {
                    return Err(SetError::Stale);
                }
                (id, expected + 1)
            }
            None if own.len() >= SETS_MAX => {
                return Err(SetError::Invalid(SetProblem::TooMany));
            }
            None => {
                if own.is_empty() {
                    written.extend(self.standard_sets(name_of));
                }
                (self.fresh_id(PREFIX), 1)
            }
        };
        written.push((id, version, new.clone()));
        let mut steps = Vec::with_capacity(2 * written.len());
        for (id, version, new) in &written {
            steps.extend(self.write_set(*id, *version, new)?);
        }
        let params: Vec<Vec<&(dyn ToSql + Sync)>> = steps
            .iter()
            .map(|(_, params)| params.iter().map(|param| &**param as _).collect())
            .collect();
        let steps: Vec<Step<'_>> = steps
            .iter()
            .zip(&params)
            .map(|((sql, _), params)| Step { sql, params })
            .collect();
        let detail = json!({"name": new.name, "version": version, "root": new.set.root});
        let outcome = self
            .run_audited(&steps, Action::RecordSetPublish, id.as_str(), &detail)
            .await;
        match outcome {
            Ok(rows) if known.is_some() && rows.first().is_none_or(Vec::is_empty) => {
                // Its version was written beside nothing; the next reader finds the newer one all the same.
                Err(SetError::Stale)
            }
            Ok(_) => Ok(id),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a record set; false when there is none.
    pub(crate) async fn remove_set(&self, id: RecordId) -> Result<bool, StoreError> {
        let Some(found) = self.record_set(id).await? else {
            return Ok(false);
        };
        let (now, by) = (self.now(), self.actor().user);
        let version = found.version + 1;
        let note: [&(dyn ToSql + Sync); 5] =
            [&id.as_str(), &version, &found.new.name, &now, &by.as_str()];
        let steps = [
            Step {
                sql: "DELETE FROM app.record_set r WHERE r.id = $1",
                params: &[&id.as_str()],
            },
            Step {
                sql: "INSERT INTO app.record_set_version (tenant_id, record_set_id, version, name, at, by_id) \
                      SELECT (SELECT app.tenant_id()), $1, $2, $3, $4, $5",
                params: &note,
            },
        ];
        let detail = json!({"name": found.new.name});
        self.run_audited(&steps, Action::RecordSetRemove, id.as_str(), &detail)
            .await?;
        Ok(true)
    }

    /// The standard record sets as a workspace's own.
    fn standard_sets(
        &self,
        name_of: &(dyn Fn(&Object) -> String + Sync),
    ) -> Vec<(RecordId, i64, NewSet)> {
        let own = |set: RecordSet| {
            let object = self.registry().object(&set.root)?;
            let new = NewSet {
                name: name_of(object),
                audience: Audience::Everybody,
                interval_s: None,
                set,
            };
            Some((self.fresh_id(PREFIX), 1, new))
        };
        default_sets().into_iter().filter_map(own).collect()
    }

    #[expect(
        clippy::type_complexity,
        reason = "two statements with what they are given"
    )]
    fn write_set(
        &self,
        id: RecordId,
        version: i64,
        new: &NewSet,
    ) -> Result<[(&'static str, Vec<Box<dyn ToSql + Sync + Send>>); 2], StoreError> {
        let (role, person) = match new.audience {
            Audience::Everybody => (None, None),
            Audience::Role(role) => (Some(role.name().to_owned()), None),
            Audience::Person(person) => (None, Some(person.to_string())),
        };
        let definition = serde_json::to_string(&new.set).map_err(StoreError::internal)?;
        let params = || -> Vec<Box<dyn ToSql + Sync + Send>> {
            vec![
                Box::new(id.to_string()),
                Box::new(version),
                Box::new(new.name.trim().to_owned()),
                Box::new(role.clone()),
                Box::new(person.clone()),
                Box::new(new.interval_s),
                Box::new(definition.clone()),
                Box::new(self.now()),
                Box::new(self.actor().user.to_string()),
            ]
        };
        let write = if version == 1 {
            "INSERT INTO app.record_set (tenant_id, id, version, name, role, person_id, interval_s, definition, updated_at, updated_by_id) \
             SELECT (SELECT app.tenant_id()), $1, $2, $3, $4, $5, $6, $7::text::jsonb, $8, $9"
        } else {
            "UPDATE app.record_set r SET version = $2::bigint, name = $3, role = $4, person_id = $5, interval_s = $6, definition = $7::text::jsonb, \
             updated_at = $8, updated_by_id = $9 WHERE r.id = $1 AND r.version = $2::bigint - 1 RETURNING r.id"
        };
        let note = "INSERT INTO app.record_set_version (tenant_id, record_set_id, version, name, role, person_id, interval_s, definition, at, by_id) \
                    SELECT (SELECT app.tenant_id()), $1, $2, $3, $4, $5, $6, $7::text::jsonb, $8, $9";
        Ok([(write, params()), (note, params())])
    }

    /// How often the person's devices look for changes, as their record sets ask; none when none does.
    pub(super) async fn shortest_interval(&self) -> Result<Option<i32>, StoreError> {
        let rows = self
            .run_step(
                "SELECT min(r.interval_s) FROM app.record_set r \
                 WHERE coalesce(r.role = (SELECT app.role()), true) AND coalesce(r.person_id = (SELECT app.user_id()), true)",
                &[],
            )
            .await?;
        match rows.first() {
            Some(row) => column(row, 0),
            None => Ok(None),
        }
    }

    /// Another person of the workspace as an actor, with the rights they have now.
    pub(crate) async fn actor_of(&self, person: RecordId) -> Result<Option<Actor>, StoreError> {
        let sql = "SELECT u.role, u.member_version FROM app.\"user\" u WHERE u.id = $1 AND u.active AND u.deleted_at IS NULL";
        let rows = self.run_step(sql, &[&person.as_str()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(Actor {
            tenant: self.actor().tenant,
            user: person,
            role: column::<&str>(row, 0)?
                .parse()
                .map_err(StoreError::internal)?,
            member_version: column(row, 1)?,
            credential: None,
        }))
    }
}

fn published(row: &Row) -> Result<PublishedSet, StoreError> {
    let role: Option<&str> = column(row, 3)?;
    let person: Option<&str> = column(row, 4)?;
    let audience = match (role, person) {
        (Some(role), _) => Audience::Role(role.parse().map_err(StoreError::internal)?),
        (None, Some(person)) => Audience::Person(person.parse().map_err(StoreError::internal)?),
        (None, None) => Audience::Everybody,
    };
    Ok(PublishedSet {
        id: column::<&str>(row, 0)?
            .parse()
            .map_err(StoreError::internal)?,
        version: column(row, 1)?,
        new: NewSet {
            name: column(row, 2)?,
            audience,
            interval_s: column(row, 5)?,
            set: serde_json::from_str(column(row, 6)?).map_err(StoreError::internal)?,
        },
        person: column(row, 7)?,
        updated_at: column(row, 8)?,
        updated_by: column(row, 9)?,
    })
}
