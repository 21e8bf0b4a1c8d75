//! `fieldstone-bench`: what the platform costs, measured on this machine against the same SQL without row-level security.
//!
//! Loads a database, starts the real server on it, and asks the same questions at four depths: plain SQL in a transaction, SQL under a
//! signed context, the store, and the API over TLS. Prints a Markdown table. Never touches data it hasn't made itself.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command that reports to the terminal"
)]

mod at_rest;
mod cases;
mod device;
mod http;
mod import;
mod layers;
mod load;
mod measure;
mod pages;
mod processes;
mod report;
mod sample;
mod sign_in;
mod writes;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use fieldstone_server::data_dir::DataDir;
use fieldstone_testkit::{Server, ServerOptions};

use self::at_rest::Amount;
use self::layers::Layers;
use self::load::Size;
use self::measure::Effort;
use self::processes::Processes;
use self::report::{Facts, Report};

#[derive(Debug, Parser)]
#[command(
    name = "fieldstone-bench",
    about = "Measure the platform on this machine"
)]
struct Arguments {
    /// A tenth of the data and of the time: to see that everything runs
    #[arg(long)]
    quick: bool,

    /// Keep the loaded data in this folder, and use it when it is there already
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// Measure only what has this in its name
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// Seconds for each figure
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,

    /// Write the table to this file too
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let scratch = tempfile::Builder::new()
        .prefix("fieldstone-bench-")
        .tempdir_in("/tmp")?;
    // The database's account has to pass through.
    fs::set_permissions(
        scratch.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o711),
    )?;
    let folder = arguments
        .keep
        .clone()
        .unwrap_or_else(|| scratch.path().join("data"));
    let size = if arguments.quick {
        Size::QUICK
    } else {
        Size::FULL
    };
    let mut facts = Facts::of_this_machine(size);
    let wanted = |name: &str| {
        arguments
            .only
            .as_deref()
            .is_none_or(|only| name.contains(only))
    };
    let field = if wanted("device") {
        Some(device::measure(scratch.path(), size.field).await?)
    } else {
        None
    };
    let at_rest = if wanted("at-rest") {
        let amount = if arguments.quick {
            Amount::QUICK
        } else {
            Amount::FULL
        };
        Some(at_rest::measure(scratch.path(), amount).await?)
    } else {
        None
    };
    if matches!(arguments.only.as_deref(), Some("device" | "at-rest")) {
        // These have data of their own; there is no need to load the rest.
        let report = Report::of_own_data(facts, field, at_rest);
        return finish(&report, arguments.write.as_deref());
    }
    if arguments.only.is_none() {
        facts.first_start = Some(start_time(
            &scratch.path().join("first"),
            &ServerOptions::empty(),
        ));
    }
    let demo = if wanted("pages") {
        let demo = ServerOptions::demo().on(&scratch.path().join("demo"));
        Some(pages::of_demo(&Server::start(&demo)).await?)
    } else {
        None
    };
    load::load(&folder, size).await?;

    let options = ServerOptions::empty().on(&folder);
    drop(Server::start(&options));
    facts.later_start = Some(start_time(&folder, &ServerOptions::empty()));
    let server = Server::start(&options);
    let processes = Processes::of(server.pid(), &folder)?;
    facts.idle_kib = processes.server_memory_kib()?;

    let data_dir = DataDir::open(&folder)?;
    let layers = Layers::connect(&data_dir, &server).await?;
    facts.database = layers.database_version().await?;
    let effort = match (arguments.seconds, arguments.quick) {
        (Some(seconds), _) => Effort::of(Duration::from_secs_f64(seconds)),
        (None, true) => Effort::of(Duration::from_millis(500)),
        (None, false) => Effort::of(Duration::from_secs(4)),
    };
    let mut report = Report::of_own_data(facts, field, at_rest);
    for case in cases::all() {
        if wanted(case.name) {
            report.add(measure::case(&layers, &processes, &case, effort).await?);
        }
    }
    if wanted("sign-in") {
        report.sign_ins = Some(sign_in::measure(&layers, &processes, effort.whole()).await?);
    }
    if let Some(demo) = demo {
        let large = pages::of_large(&layers, &server, size.large).await?;
        report.pages = vec![demo, large];
    }
    report.facts.loaded_kib = processes.server_memory_kib()?;
    if wanted("import") {
        report.imports = import::measure(&layers, &folder, scratch.path(), size).await?;
    }
    drop(layers);
    drop(server);
    finish(&report, arguments.write.as_deref())
}

/// Prints the figures, and writes them where they are wanted.
fn finish(report: &Report, write: Option<&Path>) -> anyhow::Result<()> {
    let text = report.to_markdown();
    print!("{text}");
    if let Some(path) = write {
        fs::write(path, &text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// How long a server takes from its start to its readiness.
fn start_time(folder: &Path, options: &ServerOptions) -> Duration {
    let begun = Instant::now();
    let server = Server::start(&options.clone().on(folder));
    let took = begun.elapsed();
    drop(server);
    took
}
