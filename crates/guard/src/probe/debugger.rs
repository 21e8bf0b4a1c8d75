//! Whether anybody traces this process or one of its threads.

use super::Probe;
use crate::{
    allow::Tracer,
    finding::{Family, Finding},
    parse::status,
    world::{Reading, World},
};

const CHECK: &str = "tracer";

/// Looks for a tracer that isn't the process's own supervisor.
#[derive(Debug)]
pub struct Debugger {
    allowed: Tracer,
}

impl Debugger {
    /// With the tracer that is allowed.
    pub fn new(allowed: Tracer) -> Self {
        Self { allowed }
    }

    fn judge(&self, whose: &str, reading: Reading, found: &mut Vec<Finding>) {
        let mut say = |evidence: &str| found.push(Finding::new(Family::Debugger, CHECK, evidence));
        let text = match reading {
            Reading::Found(text) => text,
            // A thread may have ended since it was listed; a process that looks at itself hasn't.
            Reading::Missing if whose != "this process" => return,
            Reading::Missing | Reading::Refused => {
                say(&format!("the kernel doesn't say who traces {whose}"));
                return;
            }
        };
        // A thread that ended while it was read.
        if text.is_empty() && whose != "this process" {
            return;
        }
        let expected = self.allowed.expected();
        match status::parse(&text) {
            None => say(&format!("the kernel doesn't say who traces {whose}")),
            Some(status) if status.tracer == expected => {}
            Some(status) if status.tracer == 0 => {
                say(&format!("{whose} is no longer traced by its supervisor"));
            }
            Some(status) => say(&format!("{whose} is traced by process {}", status.tracer)),
        }
    }
}

impl Probe for Debugger {
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>) {
        if !world.system().is_linux() {
            if world.is_traced() == Some(true) {
                found.push(Finding::new(
                    Family::Debugger,
                    CHECK,
                    "the system says that this process is traced",
                ));
            }
            return;
        }
        self.judge("this process", world.process("status"), found);
        // A tracer can take one thread and leave the others alone.
        let Some(threads) = world.threads() else {
            found.push(Finding::new(
                Family::Debugger,
                CHECK,
                "the kernel doesn't list this process's threads",
            ));
            return;
        };
        for thread in threads {
            let file = format!("task/{thread}/status");
            let mut seen = Vec::new();
            self.judge(&format!("thread {thread}"), world.process(&file), &mut seen);
            if !seen.is_empty() {
                // A thread loses its tracer in the moment in which it ends: what is still there at a second look counts.
                seen.clear();
                self.judge(&format!("thread {thread}"), world.process(&file), &mut seen);
            }
            found.append(&mut seen);
        }
    }
}
