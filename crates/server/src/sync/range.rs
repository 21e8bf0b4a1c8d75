//! Parts of a scope in the order of ids: what a walk compares, page by page.

use fieldstone_model::RecordId;
use fieldstone_protocol::{conflict, tag::Tag};
use fieldstone_store::{
    StoreError,
    compile::{Dialect, IdRange, Param, compile_scope_range},
};

use super::{
    SyncError,
    reading::{Reading, Statement, column, id_of},
};
use crate::store::sql_table;

impl Reading<'_> {
    /// Ids and tags in scope between `after` and `until`, in order of id, at most `limit`.
    pub(super) async fn tags_between(
        &mut self,
        after: Option<RecordId>,
        until: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<(String, RecordId, Tag)>, SyncError> {
        let mut objects: Vec<([u8; 3], String)> = self
            .scope
            .objects()
            .into_iter()
            .map(|object| (object.prefix, object.name.to_string()))
            .collect();
        objects.push((conflict::PREFIX, conflict::OBJECT.to_owned()));
        objects.sort_unstable();
        let lies_within = |prefix: &[u8; 3]| {
            after.is_none_or(|after| prefix.as_slice() >= after.prefix().as_bytes())
                && until.is_none_or(|until| prefix.as_slice() <= until.prefix().as_bytes())
        };
        let mut found = Vec::new();
        for (_, name) in objects
            .into_iter()
            .filter(|(prefix, _)| lies_within(prefix))
        {
            if found.len() >= limit {
                break;
            }
            let range = IdRange {
                after,
                until,
                limit: limit - found.len(),
            };
            let Some((scope, table, params)) = self.range_in_scope(&name, range)? else {
                continue;
            };
            let text = format!(
                "SELECT t.id, t.row_tag{} FROM ({scope}) o CROSS JOIN LATERAL (SELECT r.* FROM {table} r WHERE r.id = o.id OFFSET 0) t ORDER BY t.id",
                of_object(&name),
            );
            for row in self
                .run(&[Statement { text, params }])
                .await?
                .iter()
                .flatten()
            {
                let of = match row.len() {
                    2 => self.withheld(&name),
                    _ => self.withheld(column(row, 2)?),
                };
                found.push((name.clone(), id_of(row)?, Tag::new(column(row, 1)?, of)));
            }
        }
        Ok(found)
    }

    /// The ids in scope of one part of an object's ids, in order, with the table that they are in.
    fn range_in_scope(
        &self,
        name: &str,
        range: IdRange,
    ) -> Result<Option<(String, String, Vec<Param>)>, SyncError> {
        if name == conflict::OBJECT {
            let scope = format!(
                "SELECT c.id FROM app.sync_conflict c WHERE c.deleted_at IS NULL AND c.id > $1 AND c.id <= $2 ORDER BY c.id LIMIT {}",
                range.limit
            );
            let bound = |id: Option<RecordId>, end: &str| {
                Param::Text(id.map_or_else(|| end.to_owned(), |id| id.to_string()))
            };
            // Every id is smaller than this.
            let params = vec![bound(range.after, ""), bound(range.until, "~")];
            return Ok(Some((scope, "app.sync_conflict".to_owned(), params)));
        }
        let Some(object) = self.registry.object(name).cloned() else {
            return Ok(None);
        };
        let nodes = self.scope.nodes();
        let sql = compile_scope_range(Dialect::Postgres, self.registry, &nodes, &object, range)
            .map_err(StoreError::from)?;
        Ok(sql.map(|sql| (sql.text, sql_table(&object), sql.params)))
    }
}

/// One column more of what has no fields of its own: the object of its record.
fn of_object(name: &str) -> &'static str {
    if name == conflict::OBJECT {
        ", t.object"
    } else {
        ""
    }
}
