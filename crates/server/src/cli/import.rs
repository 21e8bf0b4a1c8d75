//! `fieldstone import`: a file of records into one workspace, as one of its people.

use std::fs;
use std::io::{IsTerminal as _, stderr};
use std::path::PathBuf;

use clap::Args;
use fieldstone_model::Clock;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::operator::Installation;
use super::output::say;
use crate::import::{End, Mapping, PgWorkspace, Progress, Report, Request, run};

/// How often a log hears of progress.
const EVERY: SignedDuration = SignedDuration::from_secs(2);

/// Import a CSV file into a workspace
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The workspace's address
    workspace: String,

    /// API name of the object, e.g. account
    object: String,

    /// The file
    file: PathBuf,

    /// The mapping file (TOML); without it columns are matched to fields by their names
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,

    /// Whose import it is, by e-mail address [default: the workspace's first owner]
    #[arg(long = "as", value_name = "EMAIL")]
    person: Option<String>,

    /// Check everything and change nothing
    #[arg(long)]
    dry_run: bool,

    /// The character between cells, or `tab` [default: guessed]
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<String>,

    /// The file's encoding, e.g. windows-1252 [default: guessed]
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,

    /// Where failed rows go [default: FILE.errors.csv]
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,

    #[command(flatten)]
    installation: Installation,
}

impl Import {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let request = self.request()?;
        let operator = self.installation.open()?;
        let tenant = operator.workspace(&self.workspace).await?.id;
        let actor = operator
            .store(tenant, self.person.as_deref())
            .await?
            .actor()
            .clone();
        let workspace = PgWorkspace::new(operator.stores()?, actor, Some(operator.owner().await?));
        let clock = operator.clock.as_ref();
        let cancel = CancellationToken::new();
        let interrupted = cancel.clone();
        let listening = tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                interrupted.cancel();
            }
        });
        let mut display = Display::new(clock.now());
        let outcome = run(&workspace, &request, clock, &cancel, &mut |progress| {
            display.show(progress, clock);
        })
        .await;
        listening.abort();
        display.finish();
        let report = outcome.map_err(|error| Failure::new(error.to_string()))?;
        tell(&report, self.dry_run)
    }

    fn request(&self) -> Result<Request, Failure> {
        let mut request = Request::new(&self.object, &self.file);
        if let Some(path) = &self.map {
            let text = fs::read_to_string(path).map_err(|error| {
                Failure::new(format!(
                    "The mapping file {} can't be read: {error}.",
                    path.display()
                ))
            })?;
            request.mapping = Mapping::from_toml(&text)
                .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        }
        if self.delimiter.is_some() {
            request.mapping.delimiter.clone_from(&self.delimiter);
        }
        if self.encoding.is_some() {
            request.mapping.encoding.clone_from(&self.encoding);
        }
        request.errors.clone_from(&self.errors);
        request.trial = self.dry_run;
        Ok(request)
    }
}

/// The summary; an error when not every row arrived.
fn tell(report: &Report, trial: bool) -> Result<(), Failure> {
    let progress = &report.progress;
    if !report.made.is_empty() {
        say(&format!(
            "{} {}",
            if trial { "Would make" } else { "Made" },
            report.made.join(", ")
        ))?;
    }
    if !report.ignored.is_empty() {
        say(&format!(
            "Columns that no field takes: {}",
            report.ignored.join(", ")
        ))?;
    }
    let related = if progress.related == 0 {
        String::new()
    } else {
        format!(" (and {} related records)", progress.related)
    };
    say(&format!(
        "{}{} rows: {} created{related}, {} updated, {} skipped, {} failed; {:.0} rows/s",
        if trial { "Trial run: " } else { "" },
        progress.read,
        progress.created,
        progress.updated,
        progress.skipped,
        progress.failed,
        progress.rate
    ))?;
    for (line, problem) in &report.first_problems {
        say(&format!("  line {line}: {problem}"))?;
    }
    let failed = report.errors.as_ref().map(|path| {
        format!(
            "{} rows failed; they stand in {}.",
            progress.failed,
            path.display()
        )
    });
    match (&report.end, failed) {
        (End::Complete, None) => Ok(()),
        (End::Complete, Some(failed)) => Err(Failure::new(failed)),
        (End::Cancelled, failed) => {
            let ended = format!(
                "Cancelled: rows up to {} are imported and stay. {}",
                report.up_to_row,
                failed.unwrap_or_default()
            );
            Err(Failure::new(ended.trim()))
        }
        (End::Suspended, _) => Err(Failure::new("The import was suspended.")),
        (End::Stopped(why), failed) => {
            let ended = format!(
                "{why} Rows up to {} are imported and stay. {}",
                report.up_to_row,
                failed.unwrap_or_default()
            );
            Err(Failure::new(ended.trim()))
        }
    }
}

/// A bar on a terminal, a line now and then elsewhere.
struct Display {
    bar: Option<ProgressBar>,
    said: Timestamp,
}

impl Display {
    fn new(now: Timestamp) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}  {eta} left");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, said: now }
    }

    fn show(&mut self, progress: &Progress, clock: &dyn Clock) {
        let failed = if progress.failed == 0 {
            String::new()
        } else {
            format!(", {} failed", progress.failed)
        };
        let text = format!(
            "{} rows, {:.0} rows/s{failed}",
            progress.settled, progress.rate
        );
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total_bytes);
            bar.set_position(progress.bytes);
            bar.set_message(text);
            return;
        }
        let now = clock.now();
        if now.duration_since(self.said) >= EVERY {
            self.said = now;
            tracing::info!("{text}");
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
