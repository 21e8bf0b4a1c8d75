//! Importing: the store's bulk writes by themselves, and whole files through the command line.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use fieldstone_model::{Change, Value, Values};
use fieldstone_store::Store as _;

use super::layers::Layers;
use super::load::Size;

/// Rows of one bulk write.
const CHUNK: u32 = 500;
/// The small tenant that files are imported into.
const WORKSPACE: &str = "bench-1";
const DEDUPE: &str = "guess = true\n[dedupe]\nby = \"external_id\"\nrule = \"update\"\n";

/// One figure.
#[derive(Debug)]
pub(crate) struct Imported {
    /// What was done.
    pub(crate) name: &'static str,
    /// How fast.
    pub(crate) rows_per_second: f64,
}

/// Measures all ways of writing many rows.
pub(crate) async fn measure(
    layers: &Layers,
    data: &Path,
    scratch: &Path,
    size: Size,
) -> anyhow::Result<Vec<Imported>> {
    let (file, changed, map) = (
        scratch.join("deals.csv"),
        scratch.join("changed.csv"),
        scratch.join("map.toml"),
    );
    // Numbers that no earlier run on this data has used.
    let run = std::process::id();
    fs::write(&file, deals(size.import, run, 0)?)?;
    fs::write(&changed, deals(size.import, run, 1)?)?;
    fs::write(&map, DEDUPE)?;
    let import = |file: &Path, map: Option<&Path>| import(data, file, map, size.import);
    Ok(vec![
        Imported {
            name: "bulk writes of 500 deals through the store",
            rows_per_second: bulk(layers, size).await?,
        },
        Imported {
            name: "`fieldstone import`, new deals",
            rows_per_second: import(&file, None)?,
        },
        Imported {
            name: "`fieldstone import` with a dedupe rule, all known and unchanged",
            rows_per_second: import(&file, Some(&map))?,
        },
        Imported {
            name: "`fieldstone import` with a dedupe rule, all known and changed",
            rows_per_second: import(&changed, Some(&map))?,
        },
    ])
}

async fn bulk(layers: &Layers, size: Size) -> anyhow::Result<f64> {
    let store = layers.store(&layers.large()?.actor).await?;
    let begun = Instant::now();
    let chunks = size.import / CHUNK;
    for chunk in 0..chunks {
        let mut changes = Vec::new();
        for row in 0..CHUNK {
            let number = chunk * CHUNK + row;
            let id = store.new_id("deal").context("no deals")?;
            let values = Values::new()
                .with(
                    "name",
                    Value::Text(format!("Kestrel Premium upgrade {number}")),
                )
                .with("amount", Value::Int(i64::from(number) * 100))
                .with("score", Value::Int(i64::from(number)));
            changes.push(Change::Create {
                object: "deal".to_owned(),
                id,
                values,
            });
        }
        store.apply(&changes).await?;
    }
    Ok(f64::from(chunks * CHUNK) / begun.elapsed().as_secs_f64())
}

/// Runs the command as an operator would, its start included.
fn import(data: &Path, file: &Path, map: Option<&Path>, rows: u32) -> anyhow::Result<f64> {
    let mut command = Command::new(fieldstone_testkit::binary());
    command
        .arg("import")
        .arg("--data")
        .arg(data)
        .arg(WORKSPACE)
        .arg("deal")
        .arg(file);
    if let Some(map) = map {
        command.arg("--map").arg(map);
    }
    let begun = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    let took = begun.elapsed();
    if !output.status.success() {
        bail!(
            "the import failed:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(f64::from(rows) / took.as_secs_f64())
}

fn deals(rows: u32, run: u32, change: u32) -> anyhow::Result<String> {
    let mut text = "name,amount,close_date,source,external_id,score\n".to_owned();
    for row in 0..rows {
        let (day, source) = (
            row % 28 + 1,
            if row % 3 == 0 { "referral" } else { "website" },
        );
        writeln!(
            text,
            "Juniper Pro pilot {row},{}.50,2026-03-{day:02},{source},{run}-{row},{}",
            row + change,
            row % 1000
        )?;
    }
    Ok(text)
}
