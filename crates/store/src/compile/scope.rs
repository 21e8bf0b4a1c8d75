//! Scopes: the ids of one object's records that a tree of related objects reaches from its roots.

use fieldstone_model::{
    Field, Filter, Object, Registry,
    query::{Presence, QueryError},
};

use super::{
    Dialect, Sql, Writer,
    filter::write_where,
    source::{Place, Source, table_of},
};
use crate::Scope;

/// One place in a tree of objects. Parents stand before their children.
#[derive(Debug, Clone)]
pub struct ScopeNode<'a> {
    /// The object whose records are here.
    pub object: &'a Object,
    /// Which of them.
    pub reach: Reach<'a>,
}

/// Which records of an object a place in the tree has.
#[derive(Debug, Clone)]
pub enum Reach<'a> {
    /// Those that match.
    Root(&'a Filter),
    /// Those whose `field` leads to a record of the parent place.
    Down {
        /// The parent's number in the list.
        parent: usize,
        /// A relation of this place's object.
        field: &'a Field,
    },
    /// Those that the `field` of a record of the parent place leads to.
    Up {
        /// The parent's number in the list.
        parent: usize,
        /// A relation of the parent's object.
        field: &'a Field,
    },
}

/// The living records of `object` that `nodes` reach: their `id` and `row_tag`, each once. None when no place has the object.
pub fn compile_scope(
    dialect: Dialect,
    registry: &Registry,
    nodes: &[ScopeNode<'_>],
    object: &Object,
) -> Result<Option<Sql>, QueryError> {
    let mut sql = Writer::new(dialect);
    for at in 0..nodes.len() {
        if nodes
            .get(at)
            .is_some_and(|node| node.object.name == object.name)
        {
            if !sql.text.is_empty() {
                sql.push(" UNION ");
            }
            write_node(&mut sql, registry, nodes, at, Wanted::Tagged)?;
        }
    }
    Ok((!sql.text.is_empty()).then_some(Sql {
        text: sql.text,
        params: sql.params,
    }))
}

/// What is wanted of the records of a place.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    Id,
    /// The id and the tag.
    Tagged,
    /// Where a relation leads.
    Relation(&'a Field),
}

/// The records of one place.
fn write_node(
    sql: &mut Writer,
    registry: &Registry,
    nodes: &[ScopeNode<'_>],
    at: usize,
    wanted: Wanted<'_>,
) -> Result<(), QueryError> {
    let Some(node) = nodes.get(at) else {
        return Err(QueryError::TooLarge);
    };
    let object = node.object;
    match &node.reach {
        Reach::Root(filter) => {
            // The policies of the database keep to what the person may see.
            let mut source = Source::new(registry, object, &Scope::Everything);
            let mut from = Writer::new(sql.dialect);
            source.write_root(&mut from);
            let mut rest = Writer {
                params: std::mem::take(&mut sql.params),
                ..Writer::new(sql.dialect)
            };
            write_where(&mut rest, &mut source, filter, &[], Presence::Living)?;
            write_wanted(sql, object, wanted);
            sql.push(&from.text);
            source.write_joins(sql);
            sql.push(&rest.text);
            sql.params = rest.params;
        }
        Reach::Down { parent, field } => {
            write_living(sql, object, wanted);
            place(object, field).write_value(sql);
            sql.push(" IN (");
            write_node(sql, registry, nodes, *parent, Wanted::Id)?;
            sql.push(")");
        }
        Reach::Up { parent, field } => {
            if nodes.get(*parent).is_none() {
                return Err(QueryError::TooLarge);
            }
            write_living(sql, object, wanted);
            sql.push("t.id IN (");
            write_node(sql, registry, nodes, *parent, Wanted::Relation(field))?;
            sql.push(")");
        }
    }
    Ok(())
}

fn write_wanted(sql: &mut Writer, object: &Object, wanted: Wanted<'_>) {
    sql.push("SELECT ");
    match wanted {
        Wanted::Id => {
            sql.push("t.id");
        }
        Wanted::Tagged => {
            sql.push("t.id, t.row_tag");
        }
        Wanted::Relation(field) => place(object, field).write_value(sql),
    }
}

fn write_living(sql: &mut Writer, object: &Object, wanted: Wanted<'_>) {
    write_wanted(sql, object, wanted);
    sql.push(" FROM ")
        .table(table_of(object))
        .push(" t WHERE t.deleted_at IS NULL AND ");
    if object.custom {
        sql.push("t.object = ").constant(&object.name).push(" AND ");
    }
}

fn place<'a>(object: &'a Object, field: &'a Field) -> Place<'a> {
    Place {
        alias: "t".to_owned(),
        object,
        field,
        always: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldstone_model::{RecordId, Value};

    #[test]
    fn a_tree_is_nested_conditions() {
        let registry = Registry::standard();
        let object = |name| registry.object(name).unwrap().as_ref();
        let me: RecordId = "0051kQh2S0a8Xbd".parse().unwrap();
        let mine = Filter::equal("owner_id", Value::Id(me));
        let field = |of, name| registry.object(of).unwrap().field(name).unwrap();
        let nodes = [
            ScopeNode {
                object: object("deal"),
                reach: Reach::Root(&mine),
            },
            ScopeNode {
                object: object("account"),
                reach: Reach::Up {
                    parent: 0,
                    field: field("deal", "account_id"),
                },
            },
            ScopeNode {
                object: object("contact"),
                reach: Reach::Down {
                    parent: 1,
                    field: field("contact", "account_id"),
                },
            },
            ScopeNode {
                object: object("contact"),
                reach: Reach::Root(&mine),
            },
        ];
        let sql = compile_scope(Dialect::Postgres, &registry, &nodes, object("contact"))
            .unwrap()
            .unwrap();
        insta::assert_snapshot!(sql.text);
        assert_eq!(sql.params.len(), 2);
        assert_eq!(
            compile_scope(Dialect::Postgres, &registry, &nodes, object("task")).unwrap(),
            None
        );
    }
}
