//! One import from the first byte to the report: a thread reads and checks rows while the database applies those before them.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use fieldstone_model::{Capability, Clock};
use fieldstone_store::{Store, StoreError};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    End, Fate, ImportError, Input, Mapping, Progress, Report, Sink, Told, Workspace,
    apply::{Applier, Outcome, Settled},
    binding::Binding,
    draft::{Content, Draft, Entry},
    failures::Failures,
    find::{Answers, Ask, Found, Searcher},
    guess,
    handle::Handle,
    input::Output,
    journal::{Journal, Run},
    plan,
    setup::{self, Ready},
    source::{Chunk, Opened, Sent, read},
};

/// Chunks read ahead.
const AHEAD: usize = 2;
/// Failures that the report repeats.
const FIRST_PROBLEMS: usize = 10;

/// What to import and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// API name of the object.
    pub object: String,
    /// The file.
    pub input: Input,
    /// Where failed rows go; beside the file when nothing is said.
    pub errors: Option<PathBuf>,
    /// Takes failed rows instead.
    pub sink: Option<Sink>,
    /// The mapping.
    pub mapping: Mapping,
    /// Checks everything and changes nothing.
    pub trial: bool,
    /// Rows applied together.
    pub chunk: usize,
    /// Reads no more rows than these and tells what becomes of each.
    pub first: Option<u64>,
}

impl Request {
    /// Imports `file` as records of `object`, with columns matched by their names.
    pub fn new(object: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self {
            object: object.into(),
            input: Input::File(file.into()),
            errors: None,
            sink: None,
            mapping: Mapping::default(),
            trial: false,
            chunk: super::CHUNK,
            first: None,
        }
    }

    fn output(&self) -> Output {
        match &self.sink {
            Some(sink) => Output::Memory(sink.clone()),
            None => Output::File(self.errors_path()),
        }
    }

    /// `deals.errors.csv` beside `deals.csv`.
    fn errors_path(&self) -> PathBuf {
        if let Some(path) = &self.errors {
            return path.clone();
        }
        let file = self.input.path();
        let is_table = |extension: &std::ffi::OsStr| {
            ["csv", "tsv", "txt", "tab"]
                .iter()
                .any(|known| extension.eq_ignore_ascii_case(known))
        };
        if file.extension().is_some_and(is_table) {
            return file.with_extension("errors.csv");
        }
        let mut name = file.as_os_str().to_owned();
        name.push(".errors.csv");
        PathBuf::from(name)
    }
}

/// Runs an import. `watch` hears of every chunk; after `cancel` no further chunk begins, and what is applied stays.
pub async fn run<W: Workspace>(
    workspace: &W,
    request: &Request,
    clock: &dyn Clock,
    cancel: &CancellationToken,
    watch: &mut (dyn FnMut(&Progress) + Send),
) -> Result<Report, ImportError> {
    let Ready {
        store,
        registry,
        object,
        made,
        imagined,
    } = setup::prepare(
        workspace,
        &request.object,
        &request.mapping,
        request.trial,
        clock.now(),
    )
    .await?;
    if !store.user().role.can(Capability::RecordsImport) {
        return Err(StoreError::Denied.into());
    }
    if request.sink.is_none() && request.errors_path() == request.input.path() {
        return Err(ImportError::Mapping(
            "failed rows can't be written over the file that is read".to_owned(),
        ));
    }
    let opened = Opened::beside(&request.input, &request.mapping).await?;
    let mut mapping = request.mapping.clone();
    let guessing = mapping.map.is_empty() || mapping.guess;
    if guessing {
        for (field, rule) in guess::guess(&registry, &object, &opened.header) {
            mapping.map.entry(field).or_insert(rule);
        }
    }
    let binding = Binding::new(
        &registry,
        &object,
        &mapping,
        opened.header.clone(),
        opened.escaped,
    )?;
    check_required(&binding, &registry, clock.now())?;
    let binding = Arc::new(binding);
    let journal = match workspace.journal().filter(|_| !request.trial) {
        Some(journal) => Some((journal, journal.begin(&run_of(request)).await?)),
        None => None,
    };
    let handle = Handle::new(workspace, store);
    let applier = Applier {
        handle: &handle,
        binding: &binding,
        registry: &registry,
        clock,
        trial: request.trial,
        journal,
    };
    let mut searcher = Searcher::new(&handle, &binding.finders, request.trial);
    searcher.imagine("stage", "name", &imagined);
    let mut import = Import {
        applier,
        searcher,
        failures: Failures::new(request.output(), opened.header.clone(), opened.escaped),
        waiting: HashMap::new(),
        released: Vec::new(),
        progress: Progress {
            total_bytes: opened.bytes,
            ..Progress::default()
        },
        last_row: 0,
        first_problems: Vec::new(),
        told: Vec::new(),
        tells: request.first.is_some(),
        began: clock.now(),
    };
    let (sender, receiver) = mpsc::channel(AHEAD);
    let reader = {
        let binding = Arc::clone(&binding);
        let chunk = (request.chunk.max(1), request.first.unwrap_or(u64::MAX));
        tokio::task::spawn_blocking(move || read(opened, &binding, chunk, &sender))
    };
    let end = import
        .all(receiver, request.chunk.max(1), cancel, watch)
        .await?;
    reader.await.map_err(StoreError::internal)?;
    import.failures.flush()?;
    let report = Report {
        progress: import.progress,
        end,
        up_to_row: import.last_row,
        errors: import.failures.path().map(Path::to_owned),
        ignored: ignored(&binding, &mapping),
        made,
        first_problems: import.first_problems,
        told: {
            import.told.sort_by_key(|told| told.row);
            import.told
        },
    };
    if let Some((journal, run)) = journal {
        Journal::end(journal, run, &report).await?;
    }
    Ok(report)
}

fn run_of(request: &Request) -> Run {
    Run {
        object: request.object.clone(),
        file: request.input.name(),
    }
}

/// A required field that nothing fills would fail every row.
fn check_required(
    binding: &Binding,
    registry: &fieldstone_model::Registry,
    now: Timestamp,
) -> Result<(), ImportError> {
    let object = &binding.object;
    let only_updates = binding
        .dedupe
        .as_ref()
        .is_some_and(|dedupe| dedupe.rule == super::DedupeRule::Update);
    let missing = object.writable_fields().find(|field| {
        field.required
            && field.name != "owner_id"
            && !binding
                .fields
                .iter()
                .any(|bound| bound.field.name == field.name)
            && !plan::has_default(registry, &object.name, &field.name, now)
    });
    match missing {
        Some(field) if !only_updates => Err(ImportError::Mapping(format!(
            "“{}” needs the field “{}”; say in a mapping file where it comes from",
            object.name, field.name
        ))),
        _ => Ok(()),
    }
}

/// Columns that no rule reads.
fn ignored(binding: &Binding, mapping: &Mapping) -> Vec<String> {
    use super::binding::{Part, Source};
    let read = |at: usize| {
        binding.fields.iter().any(|bound| match &bound.source {
            Source::Column(column) => *column == at,
            Source::Template(parts) => parts.contains(&Part::Column(at)),
            Source::Constant(_) => false,
        })
    };
    let columns = binding.header.iter().enumerate();
    columns
        .filter(|(at, name)| !read(*at) && !mapping.columns.contains_key(*name))
        .map(|(_, name)| name.clone())
        .collect()
}

/// An import under way.
struct Import<'a, W: Workspace> {
    applier: Applier<'a, W>,
    searcher: Searcher<'a, W>,
    failures: Failures,
    /// Rows that wait for another row of the file, by what they wait for.
    waiting: HashMap<Ask, Vec<Entry>>,
    /// Rows whose wait is over.
    released: Vec<Entry>,
    progress: Progress,
    last_row: u64,
    first_problems: Vec<(u64, String)>,
    told: Vec<Told>,
    /// Whether it is told what becomes of each row.
    tells: bool,
    began: Timestamp,
}

/// A chunk with its look-ups.
type Prepared = (Chunk, Answers);

impl<W: Workspace> Import<'_, W> {
    async fn all(
        &mut self,
        mut receiver: mpsc::Receiver<Sent>,
        size: usize,
        cancel: &CancellationToken,
        watch: &mut (dyn FnMut(&Progress) + Send),
    ) -> Result<End, ImportError> {
        let mut fresh = Answers::new();
        let mut next = prefetch(&mut self.searcher, &mut receiver).await?;
        while let Some((chunk, answers)) = next.take() {
            if cancel.is_cancelled() {
                return self.abandon(End::Cancelled);
            }
            let (settled, following) = tokio::join!(
                self.applier.apply(&chunk.entries, &answers, &fresh, false),
                prefetch(&mut self.searcher, &mut receiver),
            );
            self.progress.bytes = chunk.bytes;
            fresh = match self.settle(chunk.entries, settled, true)? {
                Ok(fresh) => fresh,
                Err(end) => return self.abandon(end),
            };
            if self.released.len() >= size {
                match self.released(&fresh, false).await? {
                    Ok(more) => merge(&mut fresh, more),
                    Err(end) => return self.abandon(end),
                }
            }
            self.measure(watch);
            next = match following {
                Err(ImportError::Store(error)) => {
                    return self.abandon(End::Stopped(error.to_string()));
                }
                other => other?,
            };
        }
        while !self.released.is_empty() {
            if cancel.is_cancelled() {
                return self.abandon(End::Cancelled);
            }
            if let Err(end) = self.released(&Answers::new(), false).await? {
                return self.abandon(end);
            }
            self.measure(watch);
        }
        // Nothing more can come: who still waits learns that there is no such record.
        let mut rest: Vec<Entry> = self
            .waiting
            .drain()
            .flat_map(|(_, entries)| entries)
            .collect();
        rest.sort_by_key(|entry| entry.number);
        if self.tells {
            // The rows that these wait for may come further down.
            let waits = rest.iter().map(|entry| told(entry, Fate::Waits));
            self.told.extend(waits);
            self.measure(watch);
            return Ok(End::Complete);
        }
        self.released = rest;
        if !self.released.is_empty()
            && let Err(end) = self.released(&Answers::new(), true).await?
        {
            return self.abandon(end);
        }
        self.measure(watch);
        Ok(End::Complete)
    }

    /// Applies rows that had waited.
    async fn released(
        &mut self,
        before: &Answers,
        last: bool,
    ) -> Result<Result<Answers, End>, ImportError> {
        let entries = std::mem::take(&mut self.released);
        let answers = self.searcher.answers(drafts(&entries)).await?;
        let settled = self.applier.apply(&entries, &answers, before, last).await;
        self.settle(entries, settled, false)
    }

    /// Counts what came of a chunk, writes its failures down, lets go of rows that waited for it.
    fn settle(
        &mut self,
        entries: Vec<Entry>,
        settled: Settled,
        first_time: bool,
    ) -> Result<Result<Answers, End>, ImportError> {
        self.progress.related += settled.related;
        let mut untouched = false;
        for (entry, outcome) in entries.into_iter().zip(settled.outcomes) {
            let Some(outcome) = outcome else {
                untouched = true;
                continue;
            };
            if first_time {
                self.progress.read += 1;
                if !untouched {
                    self.last_row = entry.number;
                }
            }
            self.count(entry, outcome)?;
        }
        for ask in settled.fresh.keys() {
            if let Some(entries) = self.waiting.remove(ask) {
                self.released.extend(entries);
            }
        }
        self.searcher.made(&settled.fresh);
        Ok(match settled.stopped {
            Some(error) => {
                tracing::error!(error = ?error, "an import stopped");
                Err(End::Stopped(error.to_string()))
            }
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
                self.waiting.entry(ask).or_default().push(entry);
                return Ok(());
            }
        }
        self.progress.settled += 1;
        Ok(())
    }

    fn fail(&mut self, entry: &Entry, problem: String) -> Result<(), ImportError> {
        self.failures.write(entry, &problem)?;
        self.progress.failed = self.failures.count();
        self.progress.settled += 1;
        if self.first_problems.len() < FIRST_PROBLEMS {
            self.first_problems.push((entry.line, problem));
        }
        Ok(())
    }

    /// Ends early: rows that still wait are failures that say so.
    fn abandon(&mut self, end: End) -> Result<End, ImportError> {
        let released = std::mem::take(&mut self.released);
        let waiting = self.waiting.drain().flat_map(|(_, entries)| entries);
        let mut rest: Vec<Entry> = waiting.chain(released).collect();
        rest.sort_by_key(|entry| entry.number);
        for entry in rest {
            self.fail(
                &entry,
                "The import ended before the record that this one refers to was made.".to_owned(),
            )?;
        }
        Ok(end)
    }

    fn measure(&mut self, watch: &mut (dyn FnMut(&Progress) + Send)) {
        self.progress.measure(self.began, self.applier.clock.now());
        watch(&self.progress);
    }
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
