//! What became of the attacks, counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// What became of one attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The tool was turned away, and the app went on.
    TurnedAway,
    /// The app ended with 70, so long after the attack began to work.
    Ended(Duration),
    /// The app didn't do anything for the attacker: it crashed, or never began.
    NotServed,
    /// It is not as it should be.
    Failed(String),
}

/// How long an app may live on under attack.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Count {
    turned_away: u32,
    ended: Vec<Duration>,
    not_served: u32,
    failed: Vec<String>,
}

/// All attacks.
#[derive(Debug, Default)]
pub(crate) struct Report(BTreeMap<&'static str, Count>);

impl Report {
    pub(crate) fn add(&mut self, attack: &'static str, outcome: anyhow::Result<Outcome>) {
        let count = self.0.entry(attack).or_default();
        match outcome {
            Ok(Outcome::TurnedAway) => count.turned_away += 1,
            Ok(Outcome::Ended(after)) if after <= PATIENCE => count.ended.push(after),
            Ok(Outcome::Ended(after)) => count.failed.push(format!("ended after {after:?}")),
            Ok(Outcome::NotServed) => count.not_served += 1,
            Ok(Outcome::Failed(why)) => count.failed.push(why),
            Err(error) => count.failed.push(format!("{error:#}")),
        }
    }

    pub(crate) fn is_good(&self) -> bool {
        !self.0.is_empty() && self.0.values().all(|count| count.failed.is_empty())
    }

    /// A table, and what failed.
    pub(crate) fn text(&self, rounds: u32, window: Duration) -> String {
        let mut text = format!(
            "# Attacks, {rounds} times each\n\n| attack | turned away | ended with 70 | slowest (ms) | didn't start or crashed | failed |\n|---|---:|---:|---:|---:|---:|\n"
        );
        for (name, count) in &self.0 {
            let slowest = count
                .ended
                .iter()
                .max()
                .map_or(String::new(), |slowest| slowest.as_millis().to_string());
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {slowest} | {} | {} |",
                count.turned_away,
                count.ended.len(),
                count.not_served,
                count.failed.len()
            );
        }
        let _ = writeln!(
            text,
            "\nFrom the start of the process until nobody can attach to it any more: {:.1} ms at most. Root can read its memory at any time without attaching \
             (`/proc/…/mem`), and nothing in the process can notice that.",
            window.as_secs_f64() * 1000.0
        );
        for (name, count) in &self.0 {
            for why in count.failed.iter().take(10) {
                let _ = writeln!(text, "\n**{name}**: {why}");
            }
        }
        text
    }
}
