//! Attacks the field app as it is shipped, with real tools, again and again at random moments, and says what became of each attack.
//!
//! Whoever attacks is root. An attack is turned away (the tool fails and the app goes on), or the app ends: within a second, with status 70. Anything
//! else is a failure, and this program's status says so.

mod calm;
mod report;
mod target;
mod tools;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;

use report::Report;
use target::Site;

/// Attack the field app with real tools
#[derive(Debug, Parser)]
struct Wish {
    /// The app: a release, sealed
    #[arg(long, default_value = "dist/fieldstone-device")]
    device: PathBuf,
    /// How often each attack is made
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// Only attacks whose name has this in it
    #[arg(long)]
    only: Option<String>,
    /// The Python that has Frida; without it, Frida's attacks count as failed
    #[arg(long)]
    python: Option<PathBuf>,
    /// Instead of attacking: leave it alone for so many minutes, on a busy machine where others are debugged, and see that it doesn't end
    #[arg(long, value_name = "MINUTES")]
    calm: Option<u64>,
    /// Write the table to this file as well
    #[arg(long)]
    write: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let wish = Wish::parse();
    let device = wish
        .device
        .canonicalize()
        .with_context(|| format!("{} isn't there; ./x dist makes it", wish.device.display()))?;
    let site = Site::prepare(&device, wish.python.as_deref())?;
    if let Some(minutes) = wish.calm {
        let text = calm::leave_alone(&site, Duration::from_mins(minutes))?;
        return told(&text, wish.write.as_deref(), true);
    }
    let mut report = Report::default();
    let mut stderr = io::stderr().lock();
    for attack in tools::ALL {
        if wish
            .only
            .as_ref()
            .is_some_and(|only| !attack.name.contains(only.as_str()))
        {
            continue;
        }
        writeln!(stderr, "{} …", attack.name)?;
        for _ in 0..wish.rounds {
            report.add(attack.name, (attack.run)(&site));
        }
    }
    let window = target::window(&site, wish.rounds.min(20))?;
    let text = report.text(wish.rounds, window);
    told(&text, wish.write.as_deref(), report.is_good())
}

fn told(text: &str, file: Option<&Path>, is_good: bool) -> anyhow::Result<ExitCode> {
    io::stdout().lock().write_all(text.as_bytes())?;
    if let Some(file) = file {
        std::fs::write(file, text)?;
    }
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
