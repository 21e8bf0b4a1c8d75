//! Record sets as administrators keep them: publishing, versions, and what one would bring to a device.
//!
//! As long as a workspace has none of its own, the standard ones hold. With its first own one they become its own as well, so that nothing
//! leaves a device because something was added.

use fieldstone_model::{
    Object, RecordId, Registry, Role,
    query::{Environment, parse_filter},
};
use fieldstone_store::{
    Store as _, StoreError,
    compile::{Dialect, compile_scope},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_postgres::{Row, types::ToSql};

use super::scope::{Branch, RecordSet, Scope, default_sets, step};
use crate::{
    database::{Actor, pool::Step},
    identity::audit::Action,
    store::{PgStore, Sent, sql_table, store_error},
};

/// The prefix of their ids.
const PREFIX: [u8; 3] = *b"fR0";
/// Most record sets of a workspace.
pub(crate) const SETS_MAX: usize = 100;
/// Most characters of a name.
pub(crate) const NAME_MAX: usize = 120;
/// Most characters of a filter.
const FILTER_MAX: usize = 2_000;
/// Most steps away from the root.
const DEPTH_MAX: usize = 5;
/// Most places in one tree.
const PLACES_MAX: usize = 40;
/// Rows that are looked at to tell how large rows are.
const SAMPLED: usize = 200;

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

/// Why a record set can't be published.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// Something in it.
    #[error("{0}")]
    Invalid(SetProblem),
    /// Somebody else has published it meanwhile.
    #[error("Somebody else has published this record set meanwhile.")]
    Stale,
    /// There is none with this id.
    #[error("There is no such record set.")]
    Missing,
    /// The store couldn't do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is wrong with a record set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetProblem {
    /// Its name is missing or too long.
    #[error("Give it a name of at most 120 characters.")]
    Name,
    /// There is no such object.
    #[error("Choose what it begins with.")]
    Root,
    /// The filter can't be read.
    #[error("The filter can't be read: {0}")]
    Filter(String),
    /// A step of the tree leads nowhere.
    #[error("“{0}” leads to nothing from there.")]
    Branch(String),
    /// The tree is too large.
    #[error("Follow at most 5 steps, and 40 relations in all.")]
    TooLarge,
    /// The interval is out of bounds.
    #[error("Choose between 30 seconds and a day.")]
    Interval,
    /// The person isn't there.
    #[error("Choose somebody of this workspace.")]
    Person,
    /// There are too many.
    #[error("A workspace has at most 100 record sets. Remove one first.")]
    TooMany,
}

impl SetProblem {
    /// The member that it is about.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Name | Self::TooMany => "name",
            Self::Root => "root",
            Self::Filter(_) => "filter",
            Self::Branch(_) | Self::TooLarge => "tree",
            Self::Interval => "interval_s",
            Self::Person => "person",
        }
    }
}

/// How much of one object is in a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// API name of the object.
    pub object: String,
    /// How many records.
    pub count: u64,
    /// How many bytes they take, about.
    pub bytes: u64,
}

/// Finds what is wrong with a record set, as whoever has this registry may see it.
pub(crate) fn check(registry: &Registry, new: &NewSet, me: RecordId) -> Result<(), SetProblem> {
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        return Err(SetProblem::Name);
    }
    if new
        .interval_s
        .is_some_and(|it| !super::DeviceRules::INTERVAL.contains(&it))
    {
        return Err(SetProblem::Interval);
    }
    let root = registry.object(&new.set.root).ok_or(SetProblem::Root)?;
    if new.set.filter.chars().count() > FILTER_MAX {
        return Err(SetProblem::Filter("it is too long.".to_owned()));
    }
    // Any day will do to see whether it can be read.
    let environment = Environment {
        me,
        today: jiff::civil::date(2026, 1, 1),
    };
    let bad = |error: &dyn std::fmt::Display| SetProblem::Filter(error.to_string());
    let filter =
        parse_filter(registry, root, environment, &new.set.filter).map_err(|error| bad(&error))?;
    filter.check(registry, root).map_err(|error| bad(&error))?;
    let mut places = 0;
    check_tree(registry, root, &new.set.tree, 1, &mut places)
}

fn check_tree(
    registry: &Registry,
    at: &Object,
    tree: &[Branch],
    depth: usize,
    places: &mut usize,
) -> Result<(), SetProblem> {
    for branch in tree {
        *places += 1;
        if depth > DEPTH_MAX || *places > PLACES_MAX {
            return Err(SetProblem::TooLarge);
        }
        let (object, _, _) = step(registry, at, &branch.via)
            .ok_or_else(|| SetProblem::Branch(branch.via.clone()))?;
        check_tree(registry, object, &branch.tree, depth + 1, places)?;
    }
    Ok(())
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
                version: cell(row, 0)?,
                name: cell(row, 1)?,
                filter: cell(row, 2)?,
                at: cell(row, 3)?,
                by: cell(row, 4)?,
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
            Some(row) => cell(row, 0),
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
            role: cell::<&str>(row, 0)?
                .parse()
                .map_err(StoreError::internal)?,
            member_version: cell(row, 1)?,
            credential: None,
        }))
    }

    /// How much these record sets bring to a device of the person whose store this is.
    pub(crate) async fn figures(
        &self,
        sets: &[RecordSet],
        environment: Environment,
    ) -> Result<Vec<Figure>, StoreError> {
        let registry = self.fresh_registry().await?;
        let scope = Scope::new(&registry, sets, environment);
        let nodes = scope.nodes();
        let transaction = self.pool().snapshot(self.actor(), None).await;
        let mut transaction = transaction.map_err(store_error)?;
        let mut figures = Vec::new();
        for object in scope.objects() {
            let Some(sql) = compile_scope(Dialect::Postgres, &registry, &nodes, object)? else {
                continue;
            };
            let table = sql_table(object);
            let text = format!(
                "WITH s AS MATERIALIZED (SELECT DISTINCT c.id FROM ({}) c) SELECT (SELECT count(*) FROM s), \
                 (SELECT avg(octet_length(jsonb_strip_nulls(to_jsonb(t))::text))::bigint FROM (SELECT r.* FROM s JOIN {table} r ON r.id = s.id LIMIT {SAMPLED}) t)",
                sql.text
            );
            let sent: Vec<Sent<'_>> = sql.params.iter().map(Sent).collect();
            let params: Vec<&(dyn ToSql + Sync)> = sent.iter().map(|param| param as _).collect();
            let step = Step {
                sql: &text,
                params: &params,
            };
            let rows = transaction.run(&[step], false).await.map_err(store_error)?;
            let Some(row) = rows.first().and_then(|rows| rows.first()) else {
                continue;
            };
            let count = cell::<i64>(row, 0)?.unsigned_abs();
            let each = cell::<Option<i64>>(row, 1)?.unwrap_or(0).unsigned_abs();
            figures.push(Figure {
                object: object.name.to_string(),
                count,
                bytes: count * each,
            });
        }
        transaction.run(&[], true).await.map_err(store_error)?;
        Ok(figures)
    }
}

fn published(row: &Row) -> Result<PublishedSet, StoreError> {
    let role: Option<&str> = cell(row, 3)?;
    let person: Option<&str> = cell(row, 4)?;
    let audience = match (role, person) {
        (Some(role), _) => Audience::Role(role.parse().map_err(StoreError::internal)?),
        (None, Some(person)) => Audience::Person(person.parse().map_err(StoreError::internal)?),
        (None, None) => Audience::Everybody,
    };
    Ok(PublishedSet {
        id: cell::<&str>(row, 0)?
            .parse()
            .map_err(StoreError::internal)?,
        version: cell(row, 1)?,
        new: NewSet {
            name: cell(row, 2)?,
            audience,
            interval_s: cell(row, 5)?,
            set: serde_json::from_str(cell(row, 6)?).map_err(StoreError::internal)?,
        },
        person: cell(row, 7)?,
        updated_at: cell(row, 8)?,
        updated_by: cell(row, 9)?,
    })
}

fn cell<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    at: usize,
) -> Result<T, StoreError> {
    row.try_get(at).map_err(StoreError::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(root: &str, filter: &str, tree: Vec<Branch>) -> NewSet {
        NewSet {
            name: "Mine".to_owned(),
            audience: Audience::Everybody,
            interval_s: None,
            set: RecordSet {
                root: root.to_owned(),
                filter: filter.to_owned(),
                tree,
            },
        }
    }

    fn branch(via: &str, tree: Vec<Branch>) -> Branch {
        Branch {
            via: via.to_owned(),
            tree,
        }
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is() {
        let registry = Registry::standard();
        let me = "0051kQh2S0a8Xbd".parse().unwrap();
        let problem = |new: &NewSet| check(&registry, new, me).err().map(|it| it.field());
        let good = set(
            "account",
            "owner_id = :me",
            vec![branch(
                "contact.account_id",
                vec![branch("task.about_id", Vec::new())],
            )],
        );
        assert_eq!(problem(&good), None);
        assert_eq!(
            problem(&NewSet {
                name: " ".to_owned(),
                ..good.clone()
            }),
            Some("name")
        );
        assert_eq!(
            problem(&NewSet {
                interval_s: Some(1),
                ..good.clone()
            }),
            Some("interval_s")
        );
        assert_eq!(problem(&set("moon", "", Vec::new())), Some("root"));
        assert_eq!(
            problem(&set("account", "owner_id =", Vec::new())),
            Some("filter")
        );
        assert_eq!(
            problem(&set("account", "colour = 1", Vec::new())),
            Some("filter")
        );
        assert_eq!(
            problem(&set("account", "", vec![branch("stage_id", Vec::new())])),
            Some("tree")
        );
        let chain = (0..=DEPTH_MAX).fold(Vec::new(), |tree, _| vec![branch("parent_id", tree)]);
        assert_eq!(problem(&set("account", "", chain)), Some("tree"));
    }

    #[test]
    fn the_standard_sets_can_be_published() {
        let registry = Registry::standard();
        let me = "0051kQh2S0a8Xbd".parse().unwrap();
        for standard in default_sets() {
            let new = NewSet {
                set: standard,
                ..set("", "", Vec::new())
            };
            assert_eq!(check(&registry, &new, me), Ok(()), "{}", new.set.root);
        }
    }
}
