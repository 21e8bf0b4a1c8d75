//! An import under way: a thread reads and checks rows while the database applies those before them.
//!
//! Rows that wait for rows further down are held, up to a limit; beyond it only their numbers are, and they are read again once the file has
//! come to its end. After each chunk a checkpoint says how far it is.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use fieldstone_store::StoreError;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Checkpoint, End, Fate, ImportError, Progress, Request, RowProblem, Spans, Told, Workspace,
    apply::{Applier, Outcome, Settled},
    binding::Binding,
    draft::{Content, Draft, Entry},
    failures::Failures,
    find::{Answers, Ask, Found, Searcher},
    row_problem::Why,
    source::{Chunk, Opened, Sent, Wanted, read},
};

/// Chunks read ahead.
const AHEAD: usize = 2;
/// Failures that the report repeats.
const FIRST_PROBLEMS: usize = 10;
/// How often a file is read again for rows that could not be held.
const PASSES: usize = 50;
/// What a row that is held takes besides its cells.
const ROW_BYTES: usize = 1024;
/// Bytes of failed rows that are held at most while the rest of a file is given up.
const FAILED_AT_ONCE: usize = 1 << 20;

type Watch<'w> = &'w mut (dyn FnMut(&Progress) + Send);

/// What is read.
pub(super) struct Source<'a> {
    pub(super) request: &'a Request,
    pub(super) binding: &'a Arc<Binding>,
    /// Ends the import; what is applied stays.
    pub(super) cancel: &'a CancellationToken,
}

impl Source<'_> {
    /// Lets a thread read what is wanted.
    fn read(&self, opened: Opened, wanted: Wanted) -> mpsc::Receiver<Sent> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let binding = Arc::clone(self.binding);
        let chunk = (
            self.request.chunk.max(1),
            self.request.first.unwrap_or(u64::MAX),
        );
        tokio::task::spawn_blocking(move || read(opened, &binding, &wanted, chunk, &sender));
        receiver
    }

    /// The same from the file's beginning.
    async fn again(&self, among: Spans) -> Result<mpsc::Receiver<Sent>, ImportError> {
        let opened = Opened::beside(&self.request.input, &self.request.mapping).await?;
        let after = u64::MAX;
        Ok(self.read(opened, Wanted { after, among }))
    }
}

/// An import under way.
pub(super) struct Import<'a, W: Workspace> {
    applier: Applier<'a, W>,
    searcher: Searcher<'a, W>,
    source: Source<'a>,
    pub(super) failures: Failures,
    /// Rows that wait for another row of the file, by what they wait for.
    waiting: HashMap<Ask, Vec<Entry>>,
    /// Bytes of them.
    held: usize,
    /// Rows whose wait is over.
    released: Vec<Entry>,
    /// Rows that are to be read again, since no more can be held.
    later: Spans,
    /// All of these.
    pending: Spans,
    /// What has changed since the last checkpoint.
    waits: Vec<u64>,
    settled: Vec<u64>,
    pub(super) progress: Progress,
    pub(super) last_row: u64,
    pub(super) first_problems: Vec<(u64, RowProblem)>,
    pub(super) told: Vec<Told>,
    /// Whether it is told what becomes of each row.
    tells: bool,
    /// Whether no row can bring what others wait for any more.
    last: bool,
    began: Timestamp,
    /// Rows settled before that.
    before: u64,
}

/// A chunk with its look-ups.
type Prepared = (Chunk, Answers);

/// Why there is nothing more to do.
type Ended<T> = Result<T, End>;

impl<'a, W: Workspace> Import<'a, W> {
    pub(super) fn new(
        applier: Applier<'a, W>,
        searcher: Searcher<'a, W>,
        failures: Failures,
        progress: Progress,
        source: Source<'a>,
    ) -> Self {
        let resume = applier.resume;
        Self {
            waiting: HashMap::new(),
            held: 0,
            released: Vec::new(),
            later: Spans::default(),
            pending: resume
                .map(|resume| resume.waiting.clone())
                .unwrap_or_default(),
            waits: Vec::new(),
            settled: Vec::new(),
            last_row: resume.map_or(0, |resume| resume.up_to_row),
            first_problems: Vec::new(),
            told: Vec::new(),
            tells: source.request.first.is_some(),
            last: false,
            began: applier.clock.now(),
            before: progress.settled,
            progress,
            applier,
            searcher,
            source,
            failures,
        }
    }

    /// Imports everything; tells why it ended.
    pub(super) async fn all(
        &mut self,
        opened: Opened,
        watch: Watch<'_>,
    ) -> Result<End, ImportError> {
        let wanted = Wanted {
            after: self.last_row,
            among: self.pending.clone(),
        };
        let receiver = self.source.read(opened, wanted);
        match self.everything(receiver, watch).await? {
            Ok(()) => Ok(End::Complete),
            Err(End::Suspended) => Ok(End::Suspended),
            Err(end) => self.abandon(end).await,
        }
    }

    async fn everything(
        &mut self,
        receiver: mpsc::Receiver<Sent>,
        watch: Watch<'_>,
    ) -> Result<Ended<()>, ImportError> {
        if let Err(end) = self.pass(receiver, watch).await? {
            return Ok(Err(end));
        }
        for _ in 0..PASSES {
            if self.later.is_empty() || self.tells {
                break;
            }
            let before = self.progress.settled;
            let receiver = self.source.again(std::mem::take(&mut self.later)).await?;
            if let Err(end) = self.pass(receiver, watch).await? {
                return Ok(Err(end));
            }
            if self.progress.settled == before {
                break;
            }
        }
        // Nothing more can come: who still waits learns that there is no such record.
        let rest = self.all_waiting();
        if self.tells {
            // The rows that these wait for may come further down.
            let waits = rest.iter().map(|entry| told(entry, Fate::Waits));
            self.told.extend(waits);
            self.measure(watch);
            return Ok(Ok(()));
        }
        self.released = rest;
        self.last = true;
        if !self.released.is_empty()
            && let Err(end) = self.let_go(&Answers::new()).await?
        {
            return Ok(Err(end));
        }
        if !self.later.is_empty() {
            let receiver = self.source.again(std::mem::take(&mut self.later)).await?;
            if let Err(end) = self.pass(receiver, watch).await? {
                return Ok(Err(end));
            }
        }
        self.measure(watch);
        Ok(Ok(()))
    }

    /// Once through what is wanted of the file, and through the rows that this lets go.
    async fn pass(
        &mut self,
        mut receiver: mpsc::Receiver<Sent>,
        watch: Watch<'_>,
    ) -> Result<Ended<()>, ImportError> {
        let size = self.source.request.chunk.max(1);
        let mut fresh = Answers::new();
        let first = prefetch(&mut self.searcher, &mut receiver).await;
        let mut next = match self.prefetched(first)? {
            Ok(next) => next,
            Err(end) => return Ok(Err(end)),
        };
        while let Some((chunk, answers)) = next.take() {
            if let Some(end) = self.asked_to_end() {
                return Ok(Err(end));
            }
            let (settled, following) = tokio::join!(
                self.applier
                    .apply(&chunk.entries, &answers, &fresh, self.last),
                prefetch(&mut self.searcher, &mut receiver),
            );
            self.progress.bytes = self.progress.bytes.max(chunk.bytes);
            fresh = match self.settle(chunk.entries, settled)? {
                Ok(fresh) => fresh,
                Err(end) => return Ok(Err(end)),
            };
            if self.released.len() >= size {
                match self.let_go(&fresh).await? {
                    Ok(more) => merge(&mut fresh, more),
                    Err(end) => return Ok(Err(end)),
                }
            }
            if let Err(end) = self.checkpoint().await? {
                return Ok(Err(end));
            }
            self.measure(watch);
            next = match self.prefetched(following)? {
                Ok(next) => next,
                Err(end) => return Ok(Err(end)),
            };
        }
        while !self.released.is_empty() {
            if let Some(end) = self.asked_to_end() {
                return Ok(Err(end));
            }
            if let Err(end) = self.let_go(&Answers::new()).await? {
                return Ok(Err(end));
            }
            if let Err(end) = self.checkpoint().await? {
                return Ok(Err(end));
            }
            self.measure(watch);
        }
        Ok(Ok(()))
    }

    fn asked_to_end(&self) -> Option<End> {
        if self.source.request.suspend.is_cancelled() {
            return Some(End::Suspended);
        }
        self.source.cancel.is_cancelled().then_some(End::Cancelled)
    }

    /// How an import ends that the database, or where its file lies, doesn't let go on.
    fn ended_by(&self, error: &StoreError) -> End {
        if self.keeps_checkpoints()
            && matches!(
                error,
                StoreError::Busy | StoreError::SessionEnded | StoreError::NoRoom
            )
        {
            tracing::info!(%error, "an import is suspended");
            return End::Suspended;
        }
        tracing::error!(?error, "an import stopped");
        End::Stopped(error.to_string())
    }

    fn keeps_checkpoints(&self) -> bool {
        self.applier
            .journal
            .is_some_and(|(journal, _)| journal.keeps_checkpoints())
    }

    fn prefetched(
        &self,
        next: Result<Option<Prepared>, ImportError>,
    ) -> Result<Ended<Option<Prepared>>, ImportError> {
        match next {
            Ok(next) => Ok(Ok(next)),
            Err(ImportError::Store(error)) => Ok(Err(self.ended_by(&error))),
            Err(ImportError::Io(error)) if self.keeps_checkpoints() => {
                tracing::warn!(%error, "a file can't be read on: the import goes on later");
                Ok(Err(End::Suspended))
            }
            Err(error) => Err(error),
        }
    }

    /// Applies rows that had waited.
    async fn let_go(&mut self, before: &Answers) -> Result<Ended<Answers>, ImportError> {
        let entries = std::mem::take(&mut self.released);
        let answers = match self.searcher.answers(drafts(&entries)).await {
            Ok(answers) => answers,
            Err(error) => {
                self.released = entries;
                return Ok(Err(self.ended_by(&error)));
            }
        };
        let settled = self.applier.apply(&entries, &answers, before, self.last);
        let settled = settled.await;
        self.settle(entries, settled)
    }

    /// Counts what came of a chunk, writes its failures down, lets go of rows that waited for it.
    fn settle(
        &mut self,
        entries: Vec<Entry>,
        settled: Settled,
    ) -> Result<Ended<Answers>, ImportError> {
        self.progress.related += settled.related;
        let mut untouched = false;
        for (entry, outcome) in entries.into_iter().zip(settled.outcomes) {
            let Some(outcome) = outcome else {
                untouched = true;
                continue;
            };
            if entry.number > self.last_row {
                self.progress.read += 1;
                if !untouched {
                    self.last_row = entry.number;
                }
            }
            self.count(entry, outcome)?;
        }
        for ask in settled.fresh.keys() {
            if let Some(entries) = self.waiting.remove(ask) {
                let weight: usize = entries.iter().map(weight).sum();
                self.held = self.held.saturating_sub(weight);
                self.released.extend(entries);
            }
        }
        self.searcher.made(&settled.fresh);
        Ok(match settled.stopped {
            Some(error) => Err(self.ended_by(&error)),
            None => Ok(settled.fresh),
        })
    }

    fn count(&mut self, entry: Entry, outcome: Outcome) -> Result<(), ImportError> {
        if self.tells {
            let fate = match &outcome {
                Outcome::Created => Some(Fate::Create),
                Outcome::Updated => Some(Fate::Update),
                Outcome::Skipped => Some(Fate::Skip),
                Outcome::Failed(problem) => Some(Fate::Fail(problem.clone())),
                Outcome::Waits(_) => None,
            };
            self.told.extend(fate.map(|fate| told(&entry, fate)));
        }
        match outcome {
            Outcome::Created => self.progress.created += 1,
            Outcome::Updated => self.progress.updated += 1,
            Outcome::Skipped => self.progress.skipped += 1,
            Outcome::Failed(problem) => return self.fail(&entry, problem),
            Outcome::Waits(ask) => {
                self.wait(ask, entry);
                return Ok(());
            }
        }
        self.done_with(entry.number);
        Ok(())
    }

    fn wait(&mut self, ask: Ask, entry: Entry) {
        if self.pending.insert(entry.number) {
            self.waits.push(entry.number);
        }
        let weight = weight(&entry);
        if self.held + weight > self.source.request.held {
            self.later.insert(entry.number);
            return;
        }
        self.held += weight;
        self.waiting.entry(ask).or_default().push(entry);
    }

    fn done_with(&mut self, row: u64) {
        self.progress.settled += 1;
        if self.pending.remove(row) {
            self.settled.push(row);
        }
    }

    fn fail(&mut self, entry: &Entry, problem: RowProblem) -> Result<(), ImportError> {
        self.failures.write(entry, &problem)?;
        self.progress.failed = self.failures.count();
        self.done_with(entry.number);
        if self.first_problems.len() < FIRST_PROBLEMS {
            self.first_problems.push((entry.line, problem));
        }
        Ok(())
    }

    /// Notes how far it is.
    async fn checkpoint(&mut self) -> Result<Ended<()>, ImportError> {
        let (waits, settled) = (
            std::mem::take(&mut self.waits),
            std::mem::take(&mut self.settled),
        );
        let Some((journal, _)) = self
            .applier
            .journal
            .filter(|(journal, _)| journal.keeps_checkpoints())
        else {
            return Ok(Ok(()));
        };
        let checkpoint = Checkpoint {
            up_to_row: self.last_row,
            waits,
            settled,
            progress: self.progress,
        };
        self.failures.flush()?;
        let sink = self.source.request.sink.clone();
        let failed = Bytes::from(sink.as_ref().map(super::Sink::take).unwrap_or_default());
        match journal.checkpoint(&checkpoint, failed.clone()).await {
            Ok(()) => Ok(Ok(())),
            Err(error) => {
                if let Some(sink) = sink {
                    sink.put_back(&failed);
                }
                Ok(Err(self.ended_by(&error)))
            }
        }
    }

    fn all_waiting(&mut self) -> Vec<Entry> {
        let waiting = self.waiting.drain().flat_map(|(_, entries)| entries);
        let mut rest: Vec<Entry> = waiting.chain(self.released.drain(..)).collect();
        rest.sort_by_key(|entry| entry.number);
        self.held = 0;
        rest
    }

    /// Ends early: rows that still wait are failures that say so.
    async fn abandon(&mut self, end: End) -> Result<End, ImportError> {
        for entry in self.all_waiting() {
            self.fail(&entry, Why::Ended.into())?;
        }
        if let Err(end) = self.keep_failed().await? {
            return Ok(end);
        }
        // Those that were about to be read again, too: which of them have been is nowhere else.
        let rest = std::mem::take(&mut self.pending);
        if !rest.is_empty() {
            let mut receiver = self.source.again(rest).await?;
            while let Some(chunk) = receiver.recv().await {
                for entry in chunk?.entries {
                    self.fail(&entry, Why::Ended.into())?;
                }
                if let Err(end) = self.keep_failed().await? {
                    return Ok(end);
                }
            }
        }
        Ok(end)
    }

    /// Puts away what was written of failed rows once it is much: nobody knows how many there are. That is no checkpoint, since an import
    /// that goes on after all tries these rows again.
    async fn keep_failed(&mut self) -> Result<Ended<()>, ImportError> {
        self.settled.clear();
        let Some((journal, _)) = self.applier.journal else {
            return Ok(Ok(()));
        };
        let Some(sink) = self.source.request.sink.clone() else {
            return Ok(Ok(()));
        };
        self.failures.flush()?;
        if !journal.keeps_checkpoints() || sink.len() < FAILED_AT_ONCE {
            return Ok(Ok(()));
        }
        let failed = Bytes::from(sink.take());
        match journal.failed(failed.clone()).await {
            Ok(()) => Ok(Ok(())),
            Err(error) => {
                sink.put_back(&failed);
                Ok(Err(self.ended_by(&error)))
            }
        }
    }

    fn measure(&mut self, watch: Watch<'_>) {
        let now = self.applier.clock.now();
        self.progress.measure(self.before, self.began, now);
        watch(&self.progress);
    }
}

/// About what a row takes while it is held.
fn weight(entry: &Entry) -> usize {
    entry.cells.bytes() * 3 + ROW_BYTES
}

fn told(entry: &Entry, fate: Fate) -> Told {
    let cells = entry.cells.iter();
    Told {
        row: entry.number,
        line: entry.line,
        cells: cells
            .map(|cell| String::from_utf8_lossy(cell).into_owned())
            .collect(),
        fate,
    }
}

/// Adds what was made later.
fn merge(fresh: &mut Answers, more: Answers) {
    for (ask, found) in more {
        let older = fresh.get(&ask).copied().unwrap_or(Found::None);
        fresh.insert(ask, Found::join(found, older));
    }
}

fn drafts(entries: &[Entry]) -> impl Iterator<Item = &Draft> {
    entries.iter().filter_map(|entry| match &entry.content {
        Content::Draft(draft) => Some(draft.as_ref()),
        _ => None,
    })
}

/// The next chunk with its look-ups; `None` at the end of the file.
async fn prefetch<W: Workspace>(
    searcher: &mut Searcher<'_, W>,
    receiver: &mut mpsc::Receiver<Sent>,
) -> Result<Option<Prepared>, ImportError> {
    let Some(chunk) = receiver.recv().await else {
        return Ok(None);
    };
    let chunk = chunk?;
    let answers = searcher.answers(drafts(&chunk.entries)).await?;
    Ok(Some((chunk, answers)))
}
