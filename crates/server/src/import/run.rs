//! One import from its mapping to its report: what is to be imported, and what must be right before the first row.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use fieldstone_model::{Capability, Clock, RecordId};
use fieldstone_store::{Store, StoreError};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    End, ImportError, Input, Mapping, MappingProblem, Progress, Report, Resume, Sink, Workspace,
    apply::Applier,
    binding::Binding,
    failures::Failures,
    find::Searcher,
    guess,
    handle::Handle,
    input::Output,
    journal::{Journal, Run},
    passes::{Import, Source},
    plan,
    setup::{self, Ready},
    source::Opened,
};

/// Bytes of rows that wait for other rows which are held; further ones are read again.
const HELD: usize = 64 * 1024 * 1024;

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
    /// Where to go on, after an interruption.
    pub resume: Option<Resume>,
    /// Ends the import, once it is cancelled, so that it can go on later.
    pub suspend: CancellationToken,
    /// Bytes of rows held that wait for other rows.
    pub held: usize,
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
            resume: None,
            suspend: CancellationToken::new(),
            held: HELD,
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
        return Err(MappingProblem::new("same-file", []).into());
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
    check_required(&binding, &registry, (clock.now(), store.user().id))?;
    let binding = Arc::new(binding);
    let resume = request.resume.as_ref();
    let journal = begun(workspace, request).await?;
    let handle = Handle::new(workspace, store);
    let applier = Applier {
        handle: &handle,
        binding: &binding,
        registry: &registry,
        clock,
        trial: request.trial,
        journal,
        resume,
    };
    let mut searcher = Searcher::new(&handle, &binding.finders, request.trial);
    searcher.imagine("stage", "name", &imagined);
    let progress = Progress {
        total_bytes: opened.bytes,
        ..resume.map(|resume| resume.progress).unwrap_or_default()
    };
    let failures = Failures::new(
        request.output(),
        opened.header.clone(),
        opened.escaped,
        progress.failed,
    );
    let source = Source {
        request,
        binding: &binding,
        cancel,
    };
    let mut import = Import::new(applier, searcher, failures, progress, source);
    let end = import.all(opened, watch).await?;
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
    if let Some((journal, run)) = journal
        && report.end != End::Suspended
    {
        Journal::end(journal, run, &report).await?;
    }
    Ok(report)
}

/// The journal of an import that changes anything, and its run: a new one, or the one that goes on.
async fn begun<'a, W: Workspace>(
    workspace: &'a W,
    request: &Request,
) -> Result<Option<(&'a dyn Journal, RecordId)>, StoreError> {
    let Some(journal) = workspace.journal().filter(|_| !request.trial) else {
        return Ok(None);
    };
    let run = match &request.resume {
        Some(resume) => resume.run,
        None => journal.begin(&run_of(request)).await?,
    };
    Ok(Some((journal, run)))
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
    by: (Timestamp, RecordId),
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
            && !plan::has_default(registry, &object.name, &field.name, by)
    });
    match missing {
        Some(field) if !only_updates => {
            let object = ("object", object.name.to_string());
            let field = ("field", field.name.to_string());
            Err(MappingProblem::new("field-missing", [object, field]).into())
        }
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
