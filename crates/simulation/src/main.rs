//! Many devices against a model of the platform, under a seeded scheduler: crashes, partitions, repeated, delayed and cut messages, changed
//! rights and scopes. It runs the engine and the merge that are shipped. A seed that fails fails again.

mod device;
mod ledger;
mod platform;
mod random;
mod world;

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::Parser;

use world::{Tally, World};

/// Runs simulated histories and reports the first that breaks an invariant.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this one alone, and tell what happens in it.
    #[arg(long)]
    seed: Option<u64>,
}

fn say(text: &str) {
    // Nobody listens any more when this fails.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        let outcome = run(seed, true);
        say(&format!("{outcome:?}"));
        return outcome
            .map(drop)
            .map_err(|broken| anyhow::anyhow!("seed {seed}: {broken}"));
    }
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from.saturating_add(arguments.seeds);
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let found = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| work(&next, end)))
            .collect();
        workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|_| (Tally::default(), Some((u64::MAX, "a panic".to_owned()))))
            })
            .collect::<Vec<_>>()
    });
    let mut total = Tally::default();
    for (tally, _) in &found {
        total.add(*tally);
    }
    if let Some((seed, broken)) = found.into_iter().filter_map(|(_, broken)| broken).min() {
        anyhow::bail!("seed {seed}: {broken}\nto see it happen: ./x sim --seed {seed}");
    }
    say(&format!("{} seeds hold: {total:?}", arguments.seeds));
    Ok(())
}

/// Runs seeds until there are none left or one fails.
fn work(next: &AtomicU64, end: u64) -> (Tally, Option<(u64, String)>) {
    let mut total = Tally::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return (total, None);
        }
        match run(seed, false) {
            Ok(tally) => total.add(tally),
            Err(broken) => {
                next.store(end, Ordering::Relaxed);
                return (total, Some((seed, broken)));
            }
        }
    }
}

fn run(seed: u64, trace: bool) -> Result<Tally, String> {
    let mut world = World::new(seed, trace);
    world.run()?;
    Ok(world.tally)
}
