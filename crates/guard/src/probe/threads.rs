//! The census of threads: what is put into a process brings threads of its own.

use super::Probe;
use crate::{
    finding::{Family, Finding},
    parse::status,
    world::{Reading, World},
};

/// Counts the threads against what the app has declared.
#[derive(Debug)]
pub struct Threads {
    most: usize,
}

impl Threads {
    /// With the most threads that the app ever has.
    pub fn new(most: usize) -> Self {
        Self { most }
    }
}

impl Probe for Threads {
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>) {
        // That they can't be listed at all is what the look for tracers says.
        let Some(threads) = world.threads() else {
            return;
        };
        if threads.len() <= self.most {
            return;
        }
        // Names prove nothing, and still help whoever reads the report.
        let mut names: Vec<String> = threads
            .iter()
            .filter_map(
                |thread| match world.process(&format!("task/{thread}/status")) {
                    Reading::Found(text) => status::parse(&text).map(|status| status.name),
                    Reading::Missing | Reading::Refused => None,
                },
            )
            .collect();
        names.sort_unstable();
        names.dedup();
        let evidence = format!(
            "{} threads, of which {} are the app's: {}",
            threads.len(),
            self.most,
            names.join(", ")
        );
        found.push(Finding::new(Family::Tools, "threads", &evidence));
    }
}
