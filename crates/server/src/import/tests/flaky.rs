//! A database that refuses rows, is busy, and loses answers: still no row is lost and none arrives twice.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use fieldstone_model::{Change, Field, Query, Record, RecordId, Registry, Value, query::Path};
use fieldstone_store::{
    Aggregate, AggregateRow, Applied, ChangeError, ChangeMark, Changes, Coverage, HistoryEntry,
    MemoryStore, Page, Store, User,
};

use super::*;

/// What goes wrong, by the number of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// Every third call finds the database busy.
    Busy,
    /// Every third call is applied, and its answer lost.
    LostAnswer,
    /// After so many calls nothing works any more.
    GoneAfter(u32),
    /// Records whose name has an `x` are refused.
    Refusals,
}

#[derive(Clone)]
struct Flaky {
    store: MemoryStore,
    trouble: Trouble,
    calls: Arc<AtomicU32>,
}

struct FlakyWorkspace(Flaky);

impl Workspace for FlakyWorkspace {
    type Store = Flaky;

    async fn store(&self) -> Result<Flaky, StoreError> {
        Ok(self.0.clone())
    }

    async fn create_object(&self, _: &str, _: &NewObject) -> Result<(), ImportError> {
        unreachable!()
    }

    async fn create_field(&self, _: &str, _: &Field) -> Result<(), ImportError> {
        unreachable!()
    }
}

impl Store for Flaky {
    fn registry(&self) -> &Registry {
        self.store.registry()
    }

    fn user(&self) -> User {
        self.store.user()
    }

    fn new_id(&self, object: &str) -> Option<RecordId> {
        self.store.new_id(object)
    }

    async fn get(
        &self,
        object: &str,
        id: RecordId,
        columns: &[Path],
    ) -> Result<Record, StoreError> {
        self.store.get(object, id, columns).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.store.list(query).await
    }

    async fn count(&self, query: &Query) -> Result<u64, StoreError> {
        self.store.count(query).await
    }

    async fn aggregate(&self, aggregate: &Aggregate) -> Result<Vec<AggregateRow>, StoreError> {
        self.store.aggregate(aggregate).await
    }

    async fn apply(&self, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let third = call.is_multiple_of(3);
        match self.trouble {
            Trouble::Busy if third => return Err(StoreError::Busy),
            Trouble::LostAnswer if third => {
                self.store.apply(changes).await?;
                return Err(StoreError::Busy);
            }
            Trouble::GoneAfter(calls) if call >= calls => {
                return Err(StoreError::internal("the disk is on fire"));
            }
            Trouble::Refusals => {
                let refused = changes.iter().position(|change| match change {
                    Change::Create { values, .. } => values
                        .get("name")
                        .and_then(Value::as_text)
                        .is_some_and(|name| name.contains('x')),
                    _ => false,
                });
                if let Some(at) = refused {
                    return Err(StoreError::Change(at, ChangeError::Stale { current: 2 }));
                }
            }
            _ => {}
        }
        self.store.apply(changes).await
    }

    async fn history(
        &self,
        id: RecordId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        self.store.history(id, before, limit).await
    }

    async fn names(&self, ids: &[RecordId]) -> Result<HashMap<RecordId, String>, StoreError> {
        self.store.names(ids).await
    }

    async fn changes_since(
        &self,
        object: &str,
        mark: Option<&ChangeMark>,
    ) -> Result<Changes, StoreError> {
        self.store.changes_since(object, mark).await
    }

    fn coverage(&self) -> Coverage {
        self.store.coverage()
    }
}

/// Imports rows under `trouble`; answers the report, the names that arrived, the names that failed.
async fn under(trouble: Trouble, rows: &[String]) -> (Report, Vec<String>, Vec<String>) {
    let fake = Fake::new();
    let flaky = Flaky {
        store: fake.store().await.unwrap(),
        trouble,
        calls: Arc::default(),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, format!("name,parent\n{}\n", rows.join("\n"))).unwrap();
    let mut request = Request::new("account", path);
    request.chunk = 25;
    request.mapping = Mapping::from_toml(
        "[map]\nname = \"name\"\nparent_id = { column = \"parent\", find = \"account.name\" }",
    )
    .unwrap();
    let cancel = CancellationToken::new();
    let workspace = FlakyWorkspace(flaky);
    let report = run(&workspace, &request, &clock(), &cancel, &mut |_| {})
        .await
        .unwrap();
    let mut arrived: Vec<String> = all(&fake, "account")
        .await
        .iter()
        .map(|record| text(record, "name").to_owned())
        .collect();
    arrived.sort_unstable();
    let failed = report.errors.as_deref().map(cells).unwrap_or_default();
    let failed = failed
        .into_iter()
        .skip(1)
        .map(|row| row[0].clone())
        .collect();
    (report, arrived, failed)
}

fn names(rows: std::ops::Range<u32>) -> Vec<String> {
    rows.map(|row| format!("row {row:03}")).collect()
}

fn lines(names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("{name},")).collect()
}

#[tokio::test]
async fn a_busy_database_and_lost_answers_change_nothing() {
    for trouble in [Trouble::Busy, Trouble::LostAnswer] {
        let rows = names(0..120);
        let (report, arrived, failed) = under(trouble, &lines(&rows)).await;
        assert_eq!(arrived, rows, "{trouble:?}");
        assert!(failed.is_empty());
        assert_eq!(report.progress.created, 120);
    }
}

#[tokio::test]
async fn refused_rows_are_set_aside_and_the_rest_arrives_once() {
    let mut rows = lines(&names(0..90));
    for at in [3, 4, 40, 41, 42, 43, 44, 89] {
        rows[at] = format!("x{at:03},");
    }
    rows[50] = "child of a refused row,x003".to_owned();
    let (report, arrived, mut failed) = under(Trouble::Refusals, &rows).await;
    assert_eq!(arrived.len(), 81);
    assert_eq!(report.progress.created, 81);
    failed.sort_unstable();
    assert_eq!(failed.len(), 9);
    assert_eq!(failed[0], "child of a refused row");
    assert!(arrived.iter().all(|name| !name.contains('x')));
    let mut once = arrived.clone();
    once.dedup();
    assert_eq!(once, arrived);
}

#[tokio::test]
async fn a_database_that_goes_away_leaves_a_report_of_how_far_it_got() {
    let rows = names(0..120);
    let (report, arrived, failed) = under(Trouble::GoneAfter(3), &lines(&rows)).await;
    assert!(matches!(report.end, End::Stopped(_)));
    assert_eq!(report.up_to_row, 75);
    assert_eq!(arrived, names(0..75));
    assert!(failed.is_empty());
    let mut waiting = lines(&rows);
    waiting[10] = "early child,row 110".to_owned();
    let (report, _, failed) = under(Trouble::GoneAfter(3), &waiting).await;
    assert!(matches!(report.end, End::Stopped(_)));
    assert_eq!(failed, ["early child"], "a row that waited is written down");
}
