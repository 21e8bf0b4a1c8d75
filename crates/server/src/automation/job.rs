//! The job that looks at what rules wait for, and does what they say: each event in one transaction, with its end.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use fieldstone_model::{
    Clock, Comparison, FieldType, Filter, Query, RecordId, Role, Value,
    query::{Environment, parse_filter},
};
use fieldstone_store::{ChangeError, Store as _, StoreError};
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use tokio_postgres::Row;

use super::{
    Actions,
    plan::{About, fitting, plan},
};
use crate::{
    database::Actor,
    jobs::{Job, Work},
    store::{PgStore, Stores},
    sync::Extra,
};

const EVERY: Duration = Duration::from_millis(700);
/// How long a claim lasts, in seconds.
const LEASE_S: i32 = 120;
/// Events claimed at once.
const CLAIMED: i32 = 50;
/// How often days are looked at, and what has had its time is forgotten.
const SLOWLY: SignedDuration = SignedDuration::from_mins(5);
/// Records that one rule takes up for one day.
const OF_ONE_DAY: u32 = 200;

const CLAIM: &str = "SELECT tenant_id, event, record, rule, name, object, starts, filter, actions, person, role, member_version FROM app.claim_automation($1, $2)";
const END: &str = "SELECT app.end_automation($1, $2, $3)";

/// Does what rules say.
#[derive(Clone)]
pub(crate) struct Automation {
    stores: Stores,
    clock: Arc<dyn Clock>,
    slow: Arc<Mutex<Option<Timestamp>>>,
}

impl std::fmt::Debug for Automation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Automation").finish_non_exhaustive()
    }
}

/// Something claimed.
struct Claimed {
    actor: Actor,
    event: String,
    record: RecordId,
    rule: String,
    name: String,
    object: String,
    starts: String,
    filter: String,
    actions: Actions,
}

/// What came of an event.
enum Came {
    Done,
    /// The record doesn't fit, or isn't there any more.
    Passed,
    Failed(String),
}

impl Automation {
    /// Works in the workspaces of these stores.
    pub(crate) fn new(stores: Stores, clock: Arc<dyn Clock>) -> Self {
        Self {
            stores,
            clock,
            slow: Arc::default(),
        }
    }

    async fn all(&self, work: &Work<'_>) -> anyhow::Result<()> {
        if self.is_time() {
            work.client
                .execute("SELECT app.guard_automation()", &[])
                .await?;
            self.look_at_days(work).await?;
        }
        while !work.is_stopping() {
            let rows = work.client.query(CLAIM, &[&LEASE_S, &CLAIMED]).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                let claimed = claimed(row)?;
                if let Err(error) = self.one(&claimed).await {
                    // It comes back when the claim has ended, twice; then it is given up.
                    tracing::warn!(%error, rule = claimed.rule, "a rule could not be brought to its end");
                }
            }
        }
        Ok(())
    }

    fn is_time(&self) -> bool {
        let now = self.clock.now();
        let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = slow.is_none_or(|at| now.duration_since(at) >= SLOWLY);
        if is_time {
            *slow = Some(now);
        }
        is_time
    }

    async fn today(&self, store: &PgStore) -> Result<Date, StoreError> {
        let zone = TimeZone::get(&store.own_profile().await?.time_zone).unwrap_or(TimeZone::UTC);
        Ok(self.clock.now().to_zoned(zone).date())
    }

    async fn one(&self, claimed: &Claimed) -> Result<(), StoreError> {
        let store = self.stores.open(claimed.actor.clone()).await?;
        let mut came = self.act(&store, claimed).await;
        let is_stale = |came: &Result<Came, StoreError>| {
            matches!(
                came,
                Err(StoreError::Busy
                    | StoreError::SchemaChanged
                    | StoreError::Change(_, ChangeError::Stale { .. }))
            )
        };
        if is_stale(&came) {
            // Somebody changed the record meanwhile: it is looked at once more as it is now.
            came = self.act(&store, claimed).await;
        }
        let (outcome, detail) = match came {
            Ok(Came::Done) => return Ok(()),
            Ok(Came::Passed) => ("passed", String::new()),
            Ok(Came::Failed(why)) => ("failed", why),
            Err(StoreError::Busy | StoreError::SessionEnded | StoreError::NoRoom) => {
                return Err(StoreError::Busy);
            }
            Err(error) => ("failed", error.to_string()),
        };
        store
            .run_step(END, &[&claimed.event, &outcome, &detail])
            .await
            .map(drop)
    }

    /// Does it, if the record fits.
    async fn act(&self, store: &PgStore, claimed: &Claimed) -> Result<Came, StoreError> {
        let registry = store.fresh_registry().await?;
        let Some(object) = registry.object(&claimed.object) else {
            return Ok(Came::Failed("The object is gone.".to_owned()));
        };
        let today = self.today(store).await?;
        let found = fitting(store, object, claimed.record, &claimed.filter, today).await;
        let record = match found {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(Came::Passed),
            Err(StoreError::Query(error)) => return Ok(Came::Failed(error.to_string())),
            Err(error) => return Err(error),
        };
        let about = About {
            rule: &claimed.name,
            starts: &claimed.starts,
            tenant: claimed.actor.tenant,
            now: self.clock.now(),
            today,
        };
        let planned = plan(store, object, &record, &claimed.actions, about);
        let mut extras = Vec::new();
        let mut done = Vec::new();
        if let Some((person, text)) = planned.telling.clone() {
            done.push("told".to_owned());
            extras.push(Extra {
                sql: "SELECT app.tell_people($1, 'automation', $2, $3)",
                params: vec![
                    Box::new(vec![person.to_string()]),
                    Box::new(vec![record.id.to_string()]),
                    Box::new(text),
                ],
            });
        }
        if let Some((hook, body)) = planned.webhook.clone() {
            done.push("webhook".to_owned());
            extras.push(Extra {
                sql: "SELECT app.queue_delivery($1, $2, $3)",
                params: vec![
                    Box::new(claimed.rule.clone()),
                    Box::new(hook.to_string()),
                    Box::new(body),
                ],
            });
        }
        if planned.task.is_some() {
            done.push("task".to_owned());
        }
        done.extend(planned.sets.iter().map(|(name, _, _)| name.clone()));
        extras.push(Extra {
            sql: END,
            params: vec![
                Box::new(claimed.event.clone()),
                Box::new("done".to_owned()),
                Box::new(done.join(", ")),
            ],
        });
        let changes = planned.changes();
        if changes.is_empty() {
            store.run_extras(&extras).await?;
            return Ok(Came::Done);
        }
        store.write_with(&registry, &changes, extras).await?;
        Ok(Came::Done)
    }

    /// Takes up the records whose day has come for some rule.
    async fn look_at_days(&self, work: &Work<'_>) -> anyhow::Result<()> {
        let sql = "SELECT tenant_id, rule, object, date_field, days, filter, person, role, member_version FROM app.date_rules()";
        for row in work.client.query(sql, &[]).await? {
            let rule: String = row.try_get(1)?;
            let actor = actor(&row, 0, 6)?;
            if let Err(error) = self.look_at_day(actor, &row).await {
                tracing::warn!(%error, rule, "a rule's day could not be looked at");
            }
        }
        Ok(())
    }

    async fn look_at_day(&self, actor: Actor, row: &Row) -> Result<(), StoreError> {
        let text = |at: usize| row.try_get::<_, String>(at).map_err(StoreError::internal);
        let (rule, name, field, filter) = (text(1)?, text(2)?, text(3)?, text(5)?);
        let days: i32 = row.try_get(4).map_err(StoreError::internal)?;
        let store = self.stores.open(actor).await?;
        let zone = TimeZone::get(&store.own_profile().await?.time_zone).unwrap_or(TimeZone::UTC);
        let today = self.clock.now().to_zoned(zone.clone()).date();
        let registry = store.fresh_registry().await?;
        let Some(object) = registry.object(&name) else {
            return Ok(());
        };
        let shift = jiff::Span::new().try_days(-i64::from(days));
        let day = shift.and_then(|shift| today.checked_add(shift));
        let day = day.map_err(StoreError::internal)?;
        let reached = match object.field(&field).map(|field| &field.kind) {
            Some(FieldType::Date) => Filter::equal(&field, Value::Date(day)),
            Some(FieldType::DateTime) => {
                let instant = |day: Date| day.to_zoned(zone.clone()).map(|at| at.timestamp());
                let from = instant(day).map_err(StoreError::internal)?;
                let until = day.tomorrow().and_then(instant);
                let until = until.map_err(StoreError::internal)?;
                Filter::compare(&field, Comparison::GreaterOrEqual, Value::DateTime(from)).and(
                    Filter::compare(&field, Comparison::Less, Value::DateTime(until)),
                )
            }
            _ => return Ok(()),
        };
        let environment = Environment {
            me: store.user().id,
            today,
        };
        let wanted =
            parse_filter(&registry, object, environment, &filter).map_err(StoreError::Query)?;
        let query = Query::new(name)
            .filter(reached.and(wanted))
            .limit(OF_ONE_DAY);
        let page = store.list(&query).await?;
        let records: Vec<String> = page
            .records
            .iter()
            .map(|record| record.id.to_string())
            .collect();
        if records.is_empty() {
            return Ok(());
        }
        let sql = "SELECT app.add_date_events($1, $2, $3)";
        store
            .run_step(sql, &[&rule, &records, &day.to_string()])
            .await
            .map(drop)
    }
}

fn actor(row: &Row, tenant: usize, person: usize) -> anyhow::Result<Actor> {
    let id = |at: usize| -> anyhow::Result<RecordId> {
        let text: &str = row.try_get(at)?;
        text.parse().ok().context("an id that can't be")
    };
    let role: &str = row.try_get(person + 1)?;
    Ok(Actor {
        tenant: id(tenant)?,
        user: id(person)?,
        role: role.parse::<Role>().ok().context("a role that can't be")?,
        member_version: row.try_get(person + 2)?,
        credential: None,
    })
}

fn claimed(row: &Row) -> anyhow::Result<Claimed> {
    let record: &str = row.try_get(2)?;
    Ok(Claimed {
        actor: actor(row, 0, 9)?,
        event: row.try_get(1)?,
        record: record.parse().ok().context("an id that can't be")?,
        rule: row.try_get(3)?,
        name: row.try_get(4)?,
        object: row.try_get(5)?,
        starts: row.try_get(6)?,
        filter: row.try_get(7)?,
        actions: serde_json::from_str(row.try_get(8)?)?,
    })
}

impl Job for Automation {
    fn name(&self) -> &'static str {
        "automation"
    }

    fn every(&self) -> Duration {
        EVERY
    }

    fn run<'a>(&'a self, work: &'a Work<'a>) -> BoxFuture<'a, anyhow::Result<()>> {
        self.all(work).boxed()
    }
}
