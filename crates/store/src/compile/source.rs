//! Where columns come from: the object's table, the tables of related records joined to it, and the index of custom fields.

use fieldstone_model::{
    Field, Object, Registry,
    query::{Path, Presence, QueryError},
};

use super::{Dialect, Param, Writer, has_text_key};
use crate::{Scope, scope::Limit};

/// The tables of one statement: the root as `t`, joined relations as `j1`, `j2`, …
pub(super) struct Source<'a> {
    registry: &'a Registry,
    pub(super) root: &'a Object,
    joins: Vec<Join<'a>>,
    scope: &'a Scope,
    /// The placeholder of the scope's owners, once a condition needs it.
    owners: Option<usize>,
}

struct Join<'a> {
    from: String,
    relation: &'a Field,
    target: &'a Object,
    alias: String,
    /// Whether a condition depends on it: then it may be where the search begins.
    decides: bool,
}

/// A field of one of the statement's tables.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    pub(super) alias: String,
    pub(super) object: &'a Object,
    pub(super) field: &'a Field,
    /// Whether it has a value in every row.
    pub(super) always: bool,
}

impl<'a> Source<'a> {
    pub(super) fn new(registry: &'a Registry, root: &'a Object, scope: &'a Scope) -> Self {
        Self {
            registry,
            root,
            joins: Vec::new(),
            scope,
            owners: None,
        }
    }

    /// Appends the scope's condition on the root to a `WHERE` whose other conditions have been written, so that all joins are known.
    ///
    /// The joins have theirs where they are joined: whatever lies beyond the scope is as if the relation led nowhere.
    pub(super) fn write_scope(&mut self, sql: &mut Writer) {
        let mut objects = self.joins.iter().map(|join| join.target).chain([self.root]);
        if let Scope::Owners(owners) = self.scope
            && objects.any(|object| self.scope.limit(self.registry, object).is_some())
        {
            self.owners = Some(sql.remember(owners_param(sql.dialect, owners)));
        }
        let mut condition = Writer::new(sql.dialect);
        self.write_limit(&mut condition, "t", self.root);
        sql.push(&condition.text);
    }

    /// Writes the scope's condition on the root for a statement of the caller's own.
    pub(super) fn in_sight(mut self, dialect: Dialect, params: &mut Vec<Param>) -> Option<String> {
        self.scope.limit(self.registry, self.root)?;
        let mut sql = Writer::new(dialect);
        sql.params = std::mem::take(params);
        self.write_scope(&mut sql);
        *params = sql.params;
        Some(sql.text)
    }

    /// Appends ` AND` the scope's condition on records of `object` at `alias`, if there is one.
    fn write_limit(&self, sql: &mut Writer, alias: &str, object: &Object) {
        let (Some(limit), Some(owners)) = (self.scope.limit(self.registry, object), self.owners)
        else {
            return;
        };
        match limit {
            Limit::Owner(_) => {
                sql.push(" AND ").push(alias).push(".owner_id");
                write_among(sql, owners);
            }
            Limit::Parent(relation, parent, _) => {
                sql.push(" AND EXISTS (SELECT 1 FROM ")
                    .table(table_of(parent))
                    .push(" o WHERE ");
                if sql.dialect == Dialect::Postgres {
                    sql.push("o.tenant_id = ")
                        .push(alias)
                        .push(".tenant_id AND ");
                }
                sql.push("o.id = ").push(alias).push(".").name(relation);
                sql.push(" AND o.owner_id");
                write_among(sql, owners);
                sql.push(")");
            }
        }
    }

    /// Finds the field at the end of `path` for a condition, and remembers the joins that lead there.
    pub(super) fn place(&mut self, path: &Path) -> Result<Place<'a>, QueryError> {
        self.find(path, true)
    }

    /// Finds the field at the end of `path`, to show it or to sort by it.
    pub(super) fn place_shown(&mut self, path: &Path) -> Result<Place<'a>, QueryError> {
        self.find(path, false)
    }

    fn find(&mut self, path: &Path, decides: bool) -> Result<Place<'a>, QueryError> {
        let resolved = self
            .registry
            .resolve(self.root, path)
            .ok_or_else(|| QueryError::UnknownField(path.to_string()))?;
        let mut alias = "t".to_owned();
        for (relation, target) in &resolved.steps {
            let known = self
                .joins
                .iter_mut()
                .find(|join| join.from == alias && join.relation.id == relation.id)
                .map(|join| {
                    join.decides |= decides;
                    join.alias.clone()
                });
            alias = known.unwrap_or_else(|| {
                let joined = format!("j{}", self.joins.len() + 1);
                self.joins.push(Join {
                    from: alias.clone(),
                    relation,
                    target,
                    alias: joined.clone(),
                    decides,
                });
                joined
            });
        }
        let always = resolved.is_never_empty();
        Ok(Place {
            alias,
            object: resolved.object,
            field: resolved.field,
            always,
        })
    }

    /// Appends `FROM` and the root's table.
    pub(super) fn write_root(&self, sql: &mut Writer) {
        sql.push(" FROM ").table(table_of(self.root)).push(" t");
    }

    /// Appends the root's table joined to what stands before it, by a tenant and an id there: one look-up for each row.
    pub(super) fn write_root_after(&self, sql: &mut Writer, tenant: &str, id: &str) {
        sql.push(" CROSS JOIN LATERAL (SELECT r.* FROM ")
            .table(table_of(self.root))
            .push(" r WHERE r.tenant_id = ")
            .push(tenant)
            .push(" AND r.id = ")
            .push(id)
            .push(" OFFSET 0) t");
    }

    /// Appends the root's table joined to the keys before it, `u.key`: one look-up in the field's index for each.
    pub(super) fn write_root_by(&self, sql: &mut Writer, place: &Place<'_>, presence: Presence) {
        let place = Place {
            alias: "r".to_owned(),
            ..place.clone()
        };
        sql.push(" CROSS JOIN LATERAL (SELECT r.* FROM ")
            .table(table_of(self.root))
            .push(" r WHERE ");
        place.write_key(sql);
        sql.push(" = u.key");
        if self.root.custom {
            sql.push(" AND r.object = ").constant(&self.root.name);
        }
        if presence == Presence::Living {
            sql.push(" AND r.deleted_at IS NULL");
        }
        sql.push(" OFFSET 0) t");
    }

    /// Appends `LEFT JOIN …` for every relation met.
    ///
    /// PostgreSQL's planner takes every tenant for one of average size, and would read a large one's whole related table for a page. A
    /// relation that decides nothing is therefore looked up row by row, which `LATERAL` with `OFFSET 0` leaves no choice about.
    pub(super) fn write_joins(&self, sql: &mut Writer) {
        for join in &self.joins {
            let place = Place {
                alias: join.from.clone(),
                object: join.target,
                field: join.relation,
                always: false,
            };
            if sql.dialect == Dialect::Postgres && !join.decides {
                sql.push(" LEFT JOIN LATERAL (SELECT r.* FROM ")
                    .table(table_of(join.target))
                    .push(" r WHERE r.tenant_id = ")
                    .push(&join.from)
                    .push(".tenant_id AND r.id = ");
                place.write_value(sql);
                self.write_limit(sql, "r", join.target);
                sql.push(" OFFSET 0) ").push(&join.alias).push(" ON TRUE");
                continue;
            }
            sql.push(" LEFT JOIN ")
                .table(table_of(join.target))
                .push(" ")
                .push(&join.alias)
                .push(" ON ");
            if sql.dialect == Dialect::Postgres {
                sql.push(&join.alias)
                    .push(".tenant_id = ")
                    .push(&join.from)
                    .push(".tenant_id AND ");
            }
            sql.push(&join.alias).push(".id = ");
            place.write_value(sql);
            self.write_limit(sql, &join.alias, join.target);
        }
    }

    /// Appends the condition that holds for every row of the root object's table that belongs to it.
    pub(super) fn write_object_condition(&self, sql: &mut Writer) -> bool {
        if self.root.custom {
            sql.push("t.object = ").constant(&self.root.name);
        }
        self.root.custom
    }
}

impl Place<'_> {
    /// Appends the stored value: a column, or a member of the `custom` column as text.
    pub(super) fn write_value(&self, sql: &mut Writer) {
        sql.push(&self.alias).push(".");
        if self.field.custom {
            sql.push("custom ->> ").constant(&self.field.id.to_string());
        } else {
            sql.name(&self.field.name);
        }
    }

    /// Appends what the field compares by. Not for custom fields: their keys are rows of `field_value`.
    pub(super) fn write_key(&self, sql: &mut Writer) {
        if sql.unindexed {
            sql.push("+");
        }
        sql.push(&self.alias).push(".");
        if self.field.kind.is_folded() {
            sql.name(&format!("{}_key", self.field.name));
        } else {
            sql.name(&self.field.name);
        }
    }

    /// Name of the `field_value` column with the keys of a custom field.
    pub(super) fn key_column(&self) -> &'static str {
        if has_text_key(&self.field.kind) {
            "key_text"
        } else {
            "key_int"
        }
    }

    /// Appends the condition that a `field_value` row called `alias` is this custom field's row of this record.
    pub(super) fn write_key_row(&self, sql: &mut Writer, alias: &str) {
        if sql.dialect == Dialect::Postgres {
            sql.push(alias)
                .push(".tenant_id = ")
                .push(&self.alias)
                .push(".tenant_id AND ");
        }
        sql.push(alias)
            .push(".object = ")
            .constant(&self.object.name);
        sql.push(" AND ")
            .push(alias)
            .push(".field = ")
            .push(&self.field.id.to_string());
        sql.push(" AND ")
            .push(alias)
            .push(".record_id = ")
            .push(&self.alias)
            .push(".id");
    }
}

impl Place<'_> {
    /// Appends the join of this custom field's key as `alias`, looked up row by row.
    pub(super) fn write_key_join(&self, sql: &mut Writer, alias: &str) {
        if sql.dialect == Dialect::Postgres {
            sql.push(" LEFT JOIN LATERAL (SELECT r.* FROM ")
                .table("field_value")
                .push(" r WHERE ");
            self.write_key_row(sql, "r");
            sql.push(" OFFSET 0) ").push(alias).push(" ON TRUE");
        } else {
            sql.push(" LEFT JOIN ")
                .table("field_value")
                .push(" ")
                .push(alias)
                .push(" ON ");
            self.write_key_row(sql, alias);
        }
    }
}

/// The table with an object's records: its own, or the one of all custom objects.
pub(super) fn table_of(object: &Object) -> &str {
    if object.custom {
        "custom_record"
    } else {
        &object.name
    }
}

/// The scope's owners as one parameter.
fn owners_param(dialect: Dialect, owners: &[String]) -> Param {
    match dialect {
        Dialect::Postgres => Param::Texts(owners.to_vec()),
        // Ids need no escaping.
        Dialect::Sqlite => Param::Text(format!("[\"{}\"]", owners.join("\",\""))),
    }
}

/// Appends the condition that what stands before it is among the owners at this placeholder.
fn write_among(sql: &mut Writer, owners: usize) {
    let number = owners.to_string();
    match sql.dialect {
        Dialect::Postgres => sql.push(" = ANY ($").push(&number).push(")"),
        Dialect::Sqlite => sql
            .push(" IN (SELECT value FROM json_each(?")
            .push(&number)
            .push("))"),
    };
}
