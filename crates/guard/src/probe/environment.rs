//! Orders to the linker to put a library into every process, or into this one.

use super::{Pace, Probe};
use crate::{
    finding::{Family, Finding},
    world::{Reading, World},
};

/// Variables that make the linker load what the program doesn't ask for. `LD_LIBRARY_PATH` isn't among them, since whole systems are run
/// with it: which library came of it is what the look at memory judges.
const VARIABLES: [&str; 3] = ["LD_PRELOAD", "LD_AUDIT", "LD_PROFILE"];

/// Looks at the environment that the process was started with.
#[derive(Debug)]
pub struct Environment;

impl Probe for Environment {
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>) {
        let mut say = |evidence: &str| found.push(Finding::new(Family::Tools, "preload", evidence));
        for name in VARIABLES {
            if let Some(value) = world.environment(name) {
                say(&format!("{name} was set to {value}"));
            }
        }
        if let Reading::Found(text) = world.read("/etc/ld.so.preload") {
            let text = String::from_utf8_lossy(&text);
            if let Some(library) = text.split_whitespace().next() {
                say(&format!("/etc/ld.so.preload names {library}"));
            }
        }
    }

    fn pace(&self) -> Pace {
        Pace::Seldom
    }
}

/// Where tools wait on a phone for whoever steers them: Frida's server, and Android's debug servers.
const PORTS: [(u16, &str); 3] = [
    (27_042, "Frida"),
    (27_043, "Frida"),
    (23_946, "IDA's server"),
];

/// Looks whether a tool's server answers. For phones: on a desktop it says nothing about this process.
#[derive(Debug)]
pub struct Ports;

impl Probe for Ports {
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>) {
        for (port, whose) in PORTS {
            if world.port_answers(port) {
                let evidence = format!("something answers on port {port}, as {whose} does");
                found.push(Finding::new(Family::Tools, "port", &evidence));
            }
        }
    }

    fn pace(&self) -> Pace {
        Pace::Seldom
    }
}
