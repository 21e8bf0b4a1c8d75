//! `fieldstone-deploy-drill`: two nodes behind haproxy are replaced one after the other under load, forth and back, and no request is lost.
//!
//! Each is taken out of the balancer, finishes what it has begun, is stopped as an upgrade stops it, started in its other version, and put
//! back once it says that it is ready.
//!
//! The new version's migration is stood in for by one that only adds: the version before has to serve beside it, and after it was taken back.
#![allow(
    clippy::print_stdout,
    reason = "a command that reports to the terminal"
)]

mod load;
mod site;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;
use fieldstone_model::clock::{Clock as _, SystemClock};
use fieldstone_server::backup::record;
use fieldstone_server::config::Configuration;
use fieldstone_server::database::connect;
use fieldstone_testkit::binary;
use serde_json::json;

use load::Load;
use site::Site;

/// How long one step may take.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Debug, Parser)]
#[command(
    name = "fieldstone-deploy-drill",
    about = "Replace two nodes under load, forth and back, and count lost requests"
)]
struct Arguments {
    /// The version before [default: this build]
    #[arg(long)]
    old: Option<PathBuf>,
    /// The version after [default: this build]
    #[arg(long)]
    new: Option<PathBuf>,
    /// People who work meanwhile
    #[arg(long, default_value_t = 6)]
    people: u32,
    /// The configuration of an installation that is to keep the result, for `fieldstone verify`
    #[arg(long)]
    record: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.record.is_some() {
        ensure!(
            are_different(&arguments)?,
            "a drill that is kept takes two different versions: name them with --old and --new"
        );
    }
    let began = SystemClock.now();
    let old = arguments.old.unwrap_or_else(binary);
    let new = arguments.new.unwrap_or_else(binary);
    let mut site = Site::start(&old).await?;
    let load = Load::start(&site, arguments.people).await?;
    load.work_for(200).await?;

    let owner = connect(&site.owner).await?;
    // What the new version's migration does: it adds, and the version before never notices.
    owner
        .batch_execute(
            "ALTER TABLE app.account ADD COLUMN later text;
             INSERT INTO app.schema_history (version, name, applied_on, checksum) VALUES (9000, 'later', '2026-01-01T00:00:00Z', '0')",
        )
        .await?;
    for (step, version) in [("upgrade", &new), ("rollback", &old)] {
        let before = load.counts.answered.load(Ordering::Relaxed);
        for node in 0..site.nodes.len() {
            site.replace(node, version).await?;
            load.work_for(100).await?;
        }
        let during = load.counts.answered.load(Ordering::Relaxed) - before;
        println!(
            "{step}: both nodes replaced, {during} requests answered meanwhile, {} lost",
            load.counts.lost()
        );
    }
    let counts = load.stop().await;
    let made = u64::try_from(
        owner
            .query_one(
                "SELECT count(*) FROM app.account WHERE name_key LIKE 'drill %'",
                &[],
            )
            .await?
            .get::<_, i64>(0),
    )?;
    let acknowledged = counts.made.load(Ordering::Relaxed);
    let report = json!({
        "from": said_of(&old)?, "to": said_of(&new)?,
        "answered": counts.answered.load(Ordering::Relaxed), "lost": counts.lost(), "slowest_ms": counts.slowest_ms.load(Ordering::Relaxed),
        "acknowledged": acknowledged, "found": made,
    });
    println!("{report}");
    site.end().await?;
    if let Some(file) = &arguments.record {
        let databases = Configuration::read(file)?.databases()?;
        let owner = databases
            .owner
            .context("the configuration names no owner_url")?;
        let outcome = if counts.lost() == 0 && made == acknowledged {
            Ok(report)
        } else {
            Err(report.to_string())
        };
        let client = connect(&owner).await?;
        record(&client, "deploy-drill", began, &SystemClock, outcome).await?;
    }
    ensure!(counts.lost() == 0, "requests were lost");
    ensure!(
        made == acknowledged,
        "{acknowledged} records were acknowledged and {made} are there"
    );
    Ok(())
}

/// Whether two versions are named, and aren't the same program.
fn are_different(arguments: &Arguments) -> anyhow::Result<bool> {
    let (Some(old), Some(new)) = (&arguments.old, &arguments.new) else {
        return Ok(false);
    };
    Ok(fs::read(old)? != fs::read(new)?)
}

/// What a version says it is.
fn said_of(version: &Path) -> anyhow::Result<String> {
    let output = Command::new(version).arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
