//! What the person a store acts for keeps beside records: views of lists, and what they have looked at.

use fieldstone_model::{Capability, RecordId, fold::fold};
use fieldstone_store::StoreError;
use fieldstone_ui::{Kept, Shelf, View};
use tokio_postgres::{Row, types::ToSql};

use super::{PgStore, store_error};
use crate::database::pool::Step;

const VIEW_PREFIX: [u8; 3] = *b"0VW";
/// Views of one list that are shown.
const VIEWS: i64 = 100;
/// Records remembered.
const RECENT: i64 = 30;

const OF_LIST: &str = "SELECT v.id, v.name, v.query, v.shared, p.view_id IS NOT NULL, v.by_id FROM ( \
        SELECT o.id, o.name, o.query, false AS shared, o.user_id AS by_id FROM app.own_view o WHERE o.object = $1 \
        UNION ALL SELECT s.id, s.name, s.query, true, s.by_id FROM app.shared_view s WHERE s.object = $1) v \
    LEFT JOIN app.pinned_view p ON p.view_id = v.id AND p.user_id = (SELECT app.user_id()) \
    ORDER BY p.view_id IS NULL, lower(v.name), v.id LIMIT $2";
const KEEP_OWN: &str = "INSERT INTO app.own_view (tenant_id, user_id, id, object, name, query, updated_at) \
    SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), $1, $2, $3, $4, transaction_timestamp()";
const KEEP_SHARED: &str = "INSERT INTO app.shared_view (tenant_id, id, object, name, query, by_id, updated_at) \
    SELECT (SELECT app.tenant_id()), $1, $2, $3, $4, (SELECT app.user_id()), transaction_timestamp()";
const PIN: &str = "INSERT INTO app.pinned_view (tenant_id, user_id, view_id) SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), v.id FROM ( \
        SELECT o.id FROM app.own_view o WHERE o.id = $1 UNION ALL SELECT s.id FROM app.shared_view s WHERE s.id = $1) v \
    ON CONFLICT (tenant_id, user_id, view_id) DO UPDATE SET view_id = excluded.view_id RETURNING view_id";
const UNPIN: &str = "DELETE FROM app.pinned_view p WHERE p.view_id = $1 RETURNING p.view_id";
const REMOVE_OWN: &str = "DELETE FROM app.own_view v WHERE v.id = $1 RETURNING v.id";
const REMOVE_SHARED: &str = "DELETE FROM app.shared_view v WHERE v.id = $1 AND (v.by_id = (SELECT app.user_id()) OR $2) RETURNING v.id";
const REVISE_OWN: &str = "UPDATE app.own_view v SET query = $3, updated_at = transaction_timestamp() WHERE v.id = $1 AND v.query = $2 RETURNING v.id";
const REVISE_SHARED: &str = "UPDATE app.shared_view v SET query = $3, updated_at = transaction_timestamp() \
    WHERE v.id = $1 AND v.query = $2 AND (v.by_id = (SELECT app.user_id()) OR $4) RETURNING v.id";
const VISITED: &str = "INSERT INTO app.recent_record (tenant_id, user_id, record_id, at) \
    SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), $1, transaction_timestamp() \
    ON CONFLICT (tenant_id, user_id, record_id) DO UPDATE SET at = excluded.at";
const FORGET: &str = "DELETE FROM app.recent_record r WHERE r.at < (SELECT k.at FROM app.recent_record k ORDER BY k.at DESC OFFSET $1 LIMIT 1)";
const WIDTHS: &str = "SELECT coalesce( \
    (SELECT v.widths FROM app.view_widths v WHERE v.object = $1 AND v.view_id = $2), \
    (SELECT w.widths FROM app.column_widths w WHERE w.object = $1), '')";
const KEEP_VIEW_WIDTHS: &str = "INSERT INTO app.view_widths (tenant_id, user_id, object, view_id, widths, updated_at) \
    SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), v.object, v.id, $3, transaction_timestamp() FROM ( \
        SELECT o.object, o.id FROM app.own_view o WHERE o.id = $2 UNION ALL SELECT s.object, s.id FROM app.shared_view s WHERE s.id = $2) v \
    WHERE v.object = $1 \
    ON CONFLICT (tenant_id, user_id, object, view_id) DO UPDATE SET widths = excluded.widths, updated_at = excluded.updated_at RETURNING view_id";
const FORGET_VIEW_WIDTHS: &str = "DELETE FROM app.view_widths w WHERE w.view_id = $1 \
    AND NOT EXISTS (SELECT FROM app.own_view o WHERE o.id = $1) AND NOT EXISTS (SELECT FROM app.shared_view s WHERE s.id = $1)";
const KEEP_WIDTHS: &str = "INSERT INTO app.column_widths (tenant_id, user_id, object, widths, updated_at) \
    SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), $1, $2, transaction_timestamp() \
    ON CONFLICT (tenant_id, user_id, object) DO UPDATE SET widths = excluded.widths, updated_at = excluded.updated_at RETURNING object";
const FORGET_WIDTHS: &str =
    "DELETE FROM app.column_widths w WHERE w.object = $1 RETURNING w.object";
const LOOKED_AT: &str = "SELECT r.record_id FROM app.recent_record r ORDER BY r.at DESC LIMIT $1";

impl Shelf for PgStore {
    fn views<'a>(&'a self, object: &'a str) -> Kept<'a, Vec<View>> {
        Box::pin(async move {
            let rows = self.run_step(OF_LIST, &[&object, &VIEWS]).await?;
            rows.iter().map(|row| self.view(row)).collect()
        })
    }

    fn keep<'a>(
        &'a self,
        object: &'a str,
        name: &'a str,
        query: &'a str,
        shared: bool,
    ) -> Kept<'a, RecordId> {
        Box::pin(async move {
            let key = fold(name);
            let known = self.views(object).await?;
            let same = known
                .iter()
                .find(|view| view.shared == shared && view.removable && fold(&view.name) == key);
            let id = same.map_or_else(|| self.fresh_id(VIEW_PREFIX), |view| view.id);
            let (remove, keep) = if shared {
                (REMOVE_SHARED, KEEP_SHARED)
            } else {
                (REMOVE_OWN, KEEP_OWN)
            };
            let (text, may_manage) = (id.to_string(), self.manages_views());
            let removal: &[&(dyn ToSql + Sync)] = if shared {
                &[&text, &may_manage]
            } else {
                &[&text]
            };
            let steps = [
                Step {
                    sql: remove,
                    params: removal,
                },
                Step {
                    sql: keep,
                    params: &[&text, &object, &name, &query],
                },
            ];
            let flight = self.pool().flight(self.actor(), None, &steps).await;
            self.note_outcome(flight.map_err(store_error))?;
            self.note_written();
            Ok(id)
        })
    }

    fn revise<'a>(&'a self, id: RecordId, seen: &'a str, query: &'a str) -> Kept<'a, bool> {
        Box::pin(async move {
            let (id, may_manage) = (id.to_string(), self.manages_views());
            let steps = [
                Step {
                    sql: REVISE_OWN,
                    params: &[&id, &seen, &query],
                },
                Step {
                    sql: REVISE_SHARED,
                    params: &[&id, &seen, &query, &may_manage],
                },
            ];
            let flight = self.pool().flight(self.actor(), None, &steps).await;
            let flight = flight.map_err(store_error);
            let is_revised = flight
                .as_ref()
                .is_ok_and(|tables| tables.iter().any(|rows| !rows.is_empty()));
            self.note_outcome(flight)?;
            self.note_written();
            Ok(is_revised)
        })
    }

    fn pin(&self, id: RecordId, pinned: bool) -> Kept<'_, bool> {
        Box::pin(async move {
            self.found(if pinned { PIN } else { UNPIN }, &[&id.as_str()])
                .await
        })
    }

    fn remove(&self, id: RecordId) -> Kept<'_, bool> {
        Box::pin(async move {
            let (text, may_manage) = (id.to_string(), self.manages_views());
            let steps = [
                Step {
                    sql: REMOVE_OWN,
                    params: &[&text],
                },
                Step {
                    sql: REMOVE_SHARED,
                    params: &[&text, &may_manage],
                },
                Step {
                    sql: UNPIN,
                    params: &[&text],
                },
                Step {
                    sql: FORGET_VIEW_WIDTHS,
                    params: &[&text],
                },
            ];
            let flight = self.pool().flight(self.actor(), None, &steps).await;
            let answers = self.note_outcome(flight.map_err(store_error))?;
            let found = answers.iter().take(2).any(|rows| !rows.is_empty());
            if found {
                self.note_written();
            }
            Ok(found)
        })
    }

    fn widths<'a>(&'a self, object: &'a str, view: Option<RecordId>) -> Kept<'a, String> {
        Box::pin(async move {
            let view = view.map(|view| view.to_string());
            let rows = self.run_step(WIDTHS, &[&object, &view]).await?;
            let found = rows.first().map(|row| row.try_get(0)).transpose();
            Ok(found.map_err(StoreError::internal)?.unwrap_or_default())
        })
    }

    fn keep_widths<'a>(
        &'a self,
        object: &'a str,
        view: Option<RecordId>,
        widths: &'a str,
    ) -> Kept<'a, ()> {
        Box::pin(async move {
            if let Some(view) = view.map(|view| view.to_string())
                && self
                    .found(KEEP_VIEW_WIDTHS, &[&object, &view, &widths])
                    .await?
            {
                return Ok(());
            }
            let kept = if widths.is_empty() {
                self.found(FORGET_WIDTHS, &[&object]).await
            } else {
                self.found(KEEP_WIDTHS, &[&object, &widths]).await
            };
            kept.map(drop)
        })
    }

    fn visited(&self, id: RecordId) -> Kept<'_, ()> {
        Box::pin(async move {
            let text = id.to_string();
            let steps = [
                Step {
                    sql: VISITED,
                    params: &[&text],
                },
                Step {
                    sql: FORGET,
                    params: &[&RECENT],
                },
            ];
            // Not noted as written: the request may be run again all the same.
            let flight = self.pool().flight(self.actor(), None, &steps).await;
            self.note_outcome(flight.map_err(store_error)).map(drop)
        })
    }

    fn recent(&self) -> Kept<'_, Vec<RecordId>> {
        Box::pin(async move {
            let rows = self.run_step(LOOKED_AT, &[&RECENT]).await?;
            Ok(rows
                .iter()
                .filter_map(|row| row.try_get::<_, &str>(0).ok()?.parse().ok())
                .collect())
        })
    }

    fn follows(&self, id: RecordId) -> Kept<'_, bool> {
        Box::pin(self.follows_record(id))
    }

    fn follow(&self, id: RecordId, on: bool) -> Kept<'_, ()> {
        Box::pin(self.follow_record(id, on))
    }
}

impl PgStore {
    fn manages_views(&self) -> bool {
        self.actor().role.can(Capability::SchemaManage)
    }

    async fn found(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<bool, StoreError> {
        let rows = self.run_step(sql, params).await?;
        if !rows.is_empty() {
            self.note_written();
        }
        Ok(!rows.is_empty())
    }

    fn view(&self, row: &Row) -> Result<View, StoreError> {
        let text = |at: usize| row.try_get::<_, &str>(at).map_err(StoreError::internal);
        let yes = |at: usize| row.try_get::<_, bool>(at).map_err(StoreError::internal);
        let broken = |_| StoreError::internal("the id of a view can't be read");
        let by = text(5)?;
        Ok(View {
            id: text(0)?.parse().map_err(broken)?,
            name: text(1)?.to_owned(),
            query: text(2)?.to_owned(),
            shared: yes(3)?,
            pinned: yes(4)?,
            removable: by == self.actor().user.as_str() || self.manages_views(),
        })
    }
}
