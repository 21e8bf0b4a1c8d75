//! Imports that are interrupted and go on, and files with more rows that wait than may be held.

use std::{fmt::Write as _, sync::Mutex};

use bytes::Bytes;
use fieldstone_model::RecordId;

use super::{
    undo::{change, make, name},
    *,
};

/// A journal in memory, whose server dies after so many checkpoints.
#[derive(Default)]
struct Kept {
    checkpoints: Mutex<Vec<(Checkpoint, usize)>>,
    batches: Mutex<Vec<Batch>>,
    failed: Mutex<Vec<u8>>,
    /// What was kept of failed rows without a checkpoint, each time.
    put_away: Mutex<Vec<Bytes>>,
    dies_after: Option<usize>,
}

impl Kept {
    fn run() -> RecordId {
        RecordId::compose(*b"0IM", NOW.parse().unwrap(), 1)
    }
}

impl Journal for Kept {
    fn begin<'a>(&'a self, _: &'a Run) -> Written<'a, RecordId> {
        Box::pin(async { Ok(Self::run()) })
    }

    fn batch<'a>(&'a self, _: RecordId, batch: &'a Batch) -> Written<'a, ()> {
        Box::pin(async {
            self.batches.lock().unwrap().push(batch.clone());
            Ok(())
        })
    }

    fn checkpoint<'a>(&'a self, checkpoint: &'a Checkpoint, failed: Bytes) -> Written<'a, ()> {
        Box::pin(async move {
            let mut kept = self.checkpoints.lock().unwrap();
            if self.dies_after.is_some_and(|most| kept.len() >= most) {
                return Err(StoreError::Busy);
            }
            let batches = self.batches.lock().unwrap().len();
            kept.push((checkpoint.clone(), batches));
            self.failed.lock().unwrap().extend_from_slice(&failed);
            Ok(())
        })
    }

    fn failed(&self, failed: Bytes) -> Written<'_, ()> {
        Box::pin(async move {
            self.put_away.lock().unwrap().push(failed);
            Ok(())
        })
    }

    fn keeps_checkpoints(&self) -> bool {
        true
    }

    fn end<'a>(&'a self, _: RecordId, _: &'a Report) -> Written<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// A workspace whose imports are kept in a journal.
struct Journaled<'a>(&'a Fake, Kept);

impl Workspace for Journaled<'_> {
    type Store = <Fake as Workspace>::Store;

    async fn store(&self) -> Result<Self::Store, StoreError> {
        self.0.store().await
    }

    async fn create_object(&self, name: &str, object: &NewObject) -> Result<(), ImportError> {
        self.0.create_object(name, object).await
    }

    async fn create_field(
        &self,
        object: &str,
        field: &fieldstone_model::Field,
    ) -> Result<(), ImportError> {
        self.0.create_field(object, field).await
    }

    fn journal(&self) -> Option<&dyn Journal> {
        Some(&self.1)
    }
}

const PARENTS: &str = "[map]\nname = \"name\"\nemail = \"email\"\nparent_id = { column = \"parent\", find = \"account.name\" }";

fn request(folder: &Path, file: &str) -> Request {
    let path = folder.join("rows.csv");
    std::fs::write(&path, file).unwrap();
    let mut request = Request::new("account", path);
    request.chunk = 4;
    request.mapping = Mapping::from_toml(PARENTS).unwrap();
    request.sink = Some(Sink::default());
    request
}

/// What a journal says of an import that was interrupted.
async fn resume(fake: &Fake, kept: &Kept) -> Resume {
    let store = fake.store().await.unwrap();
    let checkpoints = kept.checkpoints.lock().unwrap().clone();
    let mut resume = Resume::new(Kept::run());
    let mut batches = 0;
    for (checkpoint, before) in checkpoints {
        resume.replay(&checkpoint);
        batches = before;
    }
    let there = all(fake, "account").await.iter().map(|it| it.id).collect();
    let by = resume::By {
        person: store.user().id,
        since: NOW.parse().unwrap(),
    };
    let announced = kept.batches.lock().unwrap().clone();
    for batch in announced.iter().skip(batches) {
        resume.add(batch, &there, &store, by).await.unwrap();
    }
    resume
}

/// Rows whose parents come later, some of which can't be, in a shuffled order.
fn rows() -> String {
    let mut file = "name,email,parent\n".to_owned();
    for row in 0..60 {
        let email = if row % 10 == 3 { "broken" } else { "" };
        let parent = match row % 7 {
            0 if row < 50 => format!("row {:02}", row + 9),
            5 => "nowhere".to_owned(),
            _ => String::new(),
        };
        writeln!(file, "row {row:02},{email},{parent}").unwrap();
    }
    file
}

#[tokio::test]
async fn an_import_that_dies_anywhere_goes_on_without_losing_or_doubling_a_row() {
    let whole = Fake::new();
    let folder = tempfile::tempdir().unwrap();
    let workspace = Journaled(&whole, Kept::default());
    let never = CancellationToken::new();
    let asked = request(folder.path(), &rows());
    let report = run(&workspace, &asked, &clock(), &never, &mut |_| {})
        .await
        .unwrap();
    let expected = report.progress;
    assert!(expected.created > 40 && expected.failed > 10);
    let names = |records: Vec<Record>| -> Vec<String> {
        let mut names: Vec<String> = records
            .iter()
            .map(|it| text(it, "name").to_owned())
            .collect();
        names.sort_unstable();
        names
    };
    let arrived = names(all(&whole, "account").await);

    for deaths in 0..14 {
        let fake = Fake::new();
        let first = Journaled(
            &fake,
            Kept {
                dies_after: Some(deaths),
                ..Kept::default()
            },
        );
        let asked = request(folder.path(), &rows());
        let report = run(&first, &asked, &clock(), &never, &mut |_| {})
            .await
            .unwrap();
        assert_eq!(report.end, End::Suspended, "{deaths}");
        let resumed = resume(&fake, &first.1).await;
        assert!(
            !resumed.happened.is_empty(),
            "what was applied is known: {deaths}"
        );
        let mut asked = request(folder.path(), &rows());
        asked.resume = Some(resumed);
        let second = Journaled(&fake, Kept::default());
        let report = run(&second, &asked, &clock(), &never, &mut |_| {})
            .await
            .unwrap();
        assert_eq!(report.end, End::Complete);
        let counts = |it: &Progress| (it.read, it.settled, it.created, it.failed);
        assert_eq!(counts(&report.progress), counts(&expected), "{deaths}");
        assert_eq!(names(all(&fake, "account").await), arrived, "{deaths}");
        let mut failed = first.1.failed.lock().unwrap().clone();
        failed.extend_from_slice(&second.1.failed.lock().unwrap());
        failed.extend(asked.sink.unwrap().take());
        let failed = String::from_utf8(failed).unwrap();
        assert_eq!(failed.matches("name,email,parent").count(), 1, "{failed}");
        assert_eq!(
            failed.lines().count() as u64,
            expected.failed + 1,
            "{failed}"
        );
    }
}

#[tokio::test]
async fn a_batch_that_was_announced_and_not_applied_keeps_its_ids() {
    let fake = Fake::new();
    let folder = tempfile::tempdir().unwrap();
    let id = fake.store().await.unwrap().new_id("account").unwrap();
    let mut asked = request(folder.path(), "name,email,parent\nAcme,,\nBeta,,\n");
    let batch = Batch {
        rows: (2, 2),
        created: vec![id],
        created_rows: vec![2],
        ..Batch::default()
    };
    let kept = Kept::default();
    kept.batches.lock().unwrap().push(batch);
    asked.resume = Some(resume(&fake, &kept).await);
    let never = CancellationToken::new();
    let workspace = Journaled(&fake, Kept::default());
    run(&workspace, &asked, &clock(), &never, &mut |_| {})
        .await
        .unwrap();
    let accounts = all(&fake, "account").await;
    assert_eq!(accounts.len(), 2);
    let beta = accounts
        .iter()
        .find(|it| text(it, "name") == "Beta")
        .unwrap();
    assert_eq!(
        beta.id, id,
        "whoever still holds the batch can't apply it beside"
    );
}

#[tokio::test]
async fn a_change_by_hand_says_nothing_of_a_batch_that_was_not_applied() {
    let fake = Fake::new();
    let store = fake.store().await.unwrap();
    let id = store.new_id("account").unwrap();
    let known = make(&store, "account", &[("name", name("Known"))]).await;
    let by_hand = [("name".to_owned(), name("By hand"))];
    change(&store, known, by_hand.into_iter().collect()).await;
    let batch = Batch {
        rows: (2, 3),
        created: vec![id],
        created_rows: vec![2],
        updated: vec![(known, 2)],
        updated_rows: vec![3],
    };
    let kept = Kept::default();
    kept.batches.lock().unwrap().push(batch);
    let resume = resume(&fake, &kept).await;
    assert_eq!(resume.promised.get(&2), Some(&id), "imported again");
    assert!(!resume.happened.contains_key(&2));
}

#[tokio::test]
async fn rows_that_can_not_be_held_are_read_again() {
    let mut file = "name,email,parent\n".to_owned();
    for row in 0..40 {
        writeln!(file, "child {row},,parent {}", row % 5).unwrap();
    }
    file.push_str("orphan,,nobody\n");
    for row in 0..5 {
        writeln!(file, "parent {row},,").unwrap();
    }
    for held in [0, 5_000, 64 << 20] {
        let fake = Fake::new();
        let folder = tempfile::tempdir().unwrap();
        let mut asked = request(folder.path(), &file);
        asked.held = held;
        let never = CancellationToken::new();
        let report = run(&fake, &asked, &clock(), &never, &mut |_| {})
            .await
            .unwrap();
        let progress = report.progress;
        assert_eq!(
            (progress.read, progress.created, progress.failed),
            (46, 45, 1),
            "{held}"
        );
        let failed = String::from_utf8(asked.sink.unwrap().take()).unwrap();
        assert!(
            failed.lines().nth(1).unwrap().starts_with("orphan"),
            "{failed}"
        );
    }
}

#[tokio::test]
async fn an_import_that_is_cancelled_holds_no_more_than_a_little_of_what_it_gives_up() {
    let ballast = "b".repeat(4_000);
    let mut file = "name,email,parent,ballast\n".to_owned();
    for row in 0..2_000 {
        writeln!(file, "row {row},,nobody,{ballast}").unwrap();
    }
    let fake = Fake::new();
    let workspace = Journaled(&fake, Kept::default());
    let folder = tempfile::tempdir().unwrap();
    let mut asked = request(folder.path(), &file);
    asked.chunk = 100;
    asked.held = 0;
    // When every row is known to wait.
    let cancel = CancellationToken::new();
    let mut hear = |progress: &Progress| {
        if progress.read == 2_000 {
            cancel.cancel();
        }
    };
    let report = run(&workspace, &asked, &clock(), &cancel, &mut hear)
        .await
        .unwrap();
    assert_eq!(report.end, End::Cancelled);
    assert_eq!(report.progress.failed, 2_000);
    let rest = asked.sink.unwrap().take();
    let mut all: Vec<u8> = workspace.1.put_away.lock().unwrap().concat();
    let pieces = workspace.1.put_away.lock().unwrap().len();
    assert!(pieces >= 4, "{pieces}");
    assert!(rest.len() < 2 << 20, "{}", rest.len());
    all.extend(rest);
    let all = String::from_utf8(all).unwrap();
    assert_eq!(all.lines().count(), 2_001);
    assert_eq!(all.matches("name,email,parent").count(), 1);
    // What goes on from here tries every row again.
    let resumed = resume(&fake, &workspace.1).await;
    assert_eq!(resumed.progress.failed, 0);
    assert!((1..=2_000).all(|row| resumed.waiting.contains(row)));
}
