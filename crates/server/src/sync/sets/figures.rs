//! What record sets bring to a device: counted, and their size told from a sample.

use fieldstone_model::query::Environment;
use fieldstone_store::{
    StoreError,
    compile::{Dialect, compile_scope},
};
use serde::{Deserialize, Serialize};
use tokio_postgres::types::ToSql;

use crate::{
    database::pool::Step,
    store::{PgStore, Sent, column, sql_table, store_error},
    sync::scope::{RecordSet, Scope},
};

/// Rows that are looked at to tell how large rows are.
const SAMPLED: usize = 200;

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

impl PgStore {
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
            let count = column::<i64>(row, 0)?.unsigned_abs();
            let each = column::<Option<i64>>(row, 1)?.unwrap_or(0).unsigned_abs();
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
