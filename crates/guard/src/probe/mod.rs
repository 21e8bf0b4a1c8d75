//! Probes: each looks at one thing, again and again, and says what it found. None of them decides what follows.

mod android;
mod apple;
mod code;
mod debugger;
mod desktop;
mod environment;
mod memory;
mod prologue;
mod threads;

use crate::{
    allow::Allowances,
    finding::Finding,
    world::{System, World},
};

pub use android::{AndroidEmulator, AndroidRoot};
pub use apple::{AppleEmulator, AppleRoot, AppleTools};
pub use code::Code;
pub use debugger::Debugger;
pub use desktop::{DesktopRoot, DesktopVirtual};
pub use environment::{Environment, Ports};
pub use memory::Memory;
pub use prologue::Prologues;
pub use threads::Threads;

/// How often a probe looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At every look.
    Always,
    /// At the first look, and about once a minute: what doesn't change while an app runs, or hardly.
    Seldom,
}

/// Looks at one thing.
pub trait Probe: Send {
    /// Looks, and adds what was found. Never panics, whatever the world shows.
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>);

    /// How often.
    fn pace(&self) -> Pace {
        Pace::Always
    }
}

/// All probes that make sense on a system.
pub fn all(system: System, allowances: &Allowances) -> Vec<Box<dyn Probe>> {
    let mut probes: Vec<Box<dyn Probe>> = vec![Box::new(Debugger::new(allowances.tracer.clone()))];
    if system.is_linux() {
        probes.push(Box::new(Environment));
        probes.push(Box::new(Memory::new(allowances.clone())));
        probes.push(Box::new(Threads::new(allowances.threads_max)));
        probes.push(Box::new(Prologues::default()));
        probes.push(Box::new(Code::of_this_program()));
    }
    match system {
        System::Linux => {
            probes.push(Box::new(DesktopRoot));
            probes.push(Box::new(DesktopVirtual));
        }
        System::Android => {
            probes.push(Box::new(AndroidRoot));
            probes.push(Box::new(AndroidEmulator));
            probes.push(Box::new(Ports));
        }
        System::Ios => {
            probes.push(Box::new(AppleRoot));
            probes.push(Box::new(AppleEmulator));
            probes.push(Box::new(AppleTools));
        }
        System::MacOs => probes.push(Box::new(AppleTools)),
    }
    probes
}
