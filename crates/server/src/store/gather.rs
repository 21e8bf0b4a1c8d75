//! Reads that are asked for at the same moment share a flight.
//!
//! A page asks for a dozen lists and figures at once. A flight for each would enter the context and check the connection a dozen times, which
//! costs more than most of the reads do. So whoever asks first lets everything else of the same moment be asked, and takes it along.
//!
//! Reads that are under way at the same time have to be polled together, as `join!` does it, or dropped: one that is set aside half done would
//! keep those waiting that it took along.

use std::{
    future::poll_fn,
    mem::take,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use fieldstone_model::Registry;
use fieldstone_store::{
    StoreError,
    compile::{Param, Sql},
};
use tokio::sync::oneshot;
use tokio_postgres::{Row, types::ToSql};

use super::{PgStore, error::store_error, wire::Sent};
use crate::database::pool::Step;

/// Most reads of one flight. What is more goes in another one, over another connection at the same time.
const MOST: usize = 8;
/// Values of one list from which on a query is worth a plan of its own.
const BULK: usize = 16;

/// A plan that was kept since a table was small reads all of a table that has grown; for long lists, planning costs less than that.
const PLAN_ANEW: Step<'static> = Step {
    sql: "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)",
    params: &[],
};

/// Whether a parameter is a long list.
fn is_bulk(param: &Param) -> bool {
    match param {
        Param::Texts(texts) => texts.len() >= BULK,
        Param::Ints(numbers) => numbers.len() >= BULK,
        _ => false,
    }
}

/// Where the reads of one moment meet. Those that belong to one store have one person, and one context.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// The group that takes reads.
    open: Mutex<Option<Arc<Group>>>,
}

/// Reads that wait for whoever asked first. Changes while its gathering is locked, and by whoever leads it once it is closed.
#[derive(Debug)]
struct Group {
    /// The schema that they were made for.
    version: i64,
    waiting: Mutex<Vec<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    sql: Sql,
    answer: oneshot::Sender<Vec<Row>>,
}

/// How a read is made.
enum Part<'a> {
    /// It takes the others along.
    Leads(Lead<'a>),
    /// Another one takes it along, unless it fails or is given up.
    Follows(oneshot::Receiver<Vec<Row>>),
}

/// Leads a group. Dropped, it lets go of whoever waits.
struct Lead<'a> {
    gathering: &'a Gathering,
    group: Arc<Group>,
}

impl Gathering {
    fn join(&self, version: i64, sql: &Sql) -> Part<'_> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = open.as_ref().filter(|group| group.version == version) {
            let mut waiting = group.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() + 1 < MOST {
                let (answer, follows) = oneshot::channel();
                let sql = sql.clone();
                waiting.push(Waiting { sql, answer });
                return Part::Follows(follows);
            }
        }
        let group = Arc::new(Group {
            version,
            waiting: Mutex::default(),
        });
        *open = Some(Arc::clone(&group));
        Part::Leads(Lead {
            gathering: self,
            group,
        })
    }
}

impl Lead<'_> {
    /// Takes no more reads; answers those that wait.
    fn close(&self) -> Vec<Waiting> {
        let mut open = self
            .gathering
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|it| Arc::ptr_eq(it, &self.group)) {
            *open = None;
        }
        let mut waiting = self
            .group
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        take(&mut *waiting)
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

/// Lets everything else that is done at the same time get as far as it can.
async fn rest_of_this_moment() {
    let mut is_later = false;
    poll_fn(|context| {
        if is_later {
            return Poll::Ready(());
        }
        is_later = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl PgStore {
    /// Runs a statement that reads, with those that are asked for at the same moment.
    pub(super) async fn run_one(
        &self,
        registry: &Registry,
        sql: &Sql,
    ) -> Result<Vec<Row>, StoreError> {
        let version = registry.version();
        if sql.params.iter().any(is_bulk) {
            return self.run_alone(version, &[PLAN_ANEW], sql).await;
        }
        let lead = match self.reads.join(version, sql) {
            Part::Leads(lead) => lead,
            Part::Follows(answer) => {
                return match answer.await {
                    Ok(rows) => Ok(rows),
                    Err(_) => self.run_alone(version, &[], sql).await,
                };
            }
        };
        rest_of_this_moment().await;
        let others = lead.close();
        if others.is_empty() {
            return self.run_alone(version, &[], sql).await;
        }
        let Ok((rows, answers)) = self.run_together(version, sql, &others).await else {
            // One of them failed, and the others with it: each finds out for itself.
            drop(others);
            return self.run_alone(version, &[], sql).await;
        };
        for (other, rows) in others.into_iter().zip(answers) {
            // Whoever has gone away wants no answer.
            let _ = other.answer.send(rows);
        }
        Ok(rows)
    }

    async fn run_alone(
        &self,
        version: i64,
        before: &[Step<'_>],
        sql: &Sql,
    ) -> Result<Vec<Row>, StoreError> {
        let sent: Vec<Sent<'_>> = sql.params.iter().map(Sent).collect();
        let params: Vec<&(dyn ToSql + Sync)> = sent.iter().map(|param| param as _).collect();
        let mut steps = before.to_vec();
        steps.push(Step {
            sql: &sql.text,
            params: &params,
        });
        let rows = self.read_steps(version, &steps).await?;
        Ok(rows.into_iter().next_back().unwrap_or_default())
    }

    /// The rows of a statement, and those of others.
    async fn run_together(
        &self,
        version: i64,
        first: &Sql,
        others: &[Waiting],
    ) -> Result<(Vec<Row>, Vec<Vec<Row>>), StoreError> {
        let all = || std::iter::once(first).chain(others.iter().map(|other| &other.sql));
        let sent: Vec<Vec<Sent<'_>>> = all()
            .map(|sql| sql.params.iter().map(Sent).collect())
            .collect();
        let params: Vec<Vec<&(dyn ToSql + Sync)>> = sent
            .iter()
            .map(|sent| sent.iter().map(|param| param as _).collect())
            .collect();
        let steps: Vec<Step<'_>> = all()
            .zip(&params)
            .map(|(sql, params)| Step {
                sql: &sql.text,
                params,
            })
            .collect();
        let mut rows = self.read_steps(version, &steps).await?.into_iter();
        Ok((rows.next().unwrap_or_default(), rows.collect()))
    }

    async fn read_steps(
        &self,
        version: i64,
        steps: &[Step<'_>],
    ) -> Result<Vec<Vec<Row>>, StoreError> {
        let rows = self
            .pool()
            .flight(self.actor(), Some(version), steps)
            .await
            .map_err(store_error)?;
        self.note_flight();
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &str) -> Sql {
        Sql {
            text: text.to_owned(),
            params: Vec::new(),
        }
    }

    fn lead(gathering: &Gathering, version: i64) -> Lead<'_> {
        match gathering.join(version, &sql("leads")) {
            Part::Leads(lead) => lead,
            Part::Follows(_) => panic!("nobody leads it"),
        }
    }

    fn follow(gathering: &Gathering, version: i64) -> oneshot::Receiver<Vec<Row>> {
        match gathering.join(version, &sql("follows")) {
            Part::Follows(answer) => answer,
            Part::Leads(_) => panic!("nobody takes it along"),
        }
    }

    #[test]
    fn those_that_come_before_the_group_is_closed_are_taken_along() {
        let gathering = Gathering::default();
        let first = lead(&gathering, 1);
        let mut answers = [follow(&gathering, 1), follow(&gathering, 1)];
        let waiting = first.close();
        assert_eq!(waiting.len(), 2);
        let next = lead(&gathering, 1);
        drop(first);
        let _late = follow(&gathering, 1);
        assert_eq!(next.close().len(), 1);
        for waiting in waiting {
            waiting.answer.send(Vec::new()).unwrap();
        }
        assert!(answers.iter_mut().all(|answer| answer.try_recv().is_ok()));
    }

    #[test]
    fn a_group_that_is_full_or_of_another_schema_takes_no_more() {
        let gathering = Gathering::default();
        let first = lead(&gathering, 1);
        let _others: Vec<_> = (1..MOST).map(|_| follow(&gathering, 1)).collect();
        let second = lead(&gathering, 1);
        let _other = follow(&gathering, 1);
        let third = lead(&gathering, 2);
        assert_eq!(first.close().len(), MOST - 1);
        assert_eq!(second.close().len(), 1);
        assert_eq!(third.close().len(), 0);
    }

    #[test]
    fn nobody_waits_for_a_leader_who_is_gone() {
        let gathering = Gathering::default();
        let first = lead(&gathering, 1);
        let mut other = follow(&gathering, 1);
        drop(first);
        assert!(matches!(
            other.try_recv(),
            Err(oneshot::error::TryRecvError::Closed)
        ));
        drop(lead(&gathering, 1));
    }
}
