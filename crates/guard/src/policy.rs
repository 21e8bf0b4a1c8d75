//! What follows from a finding. A policy can be tightened and never weakened: there is no function that does, and nothing is read from
//! the environment, an argument or a file.

use crate::finding::Family;

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It is noted, and told to whoever is in charge.
    Report,
    /// The process ends at once.
    ShutDown,
}

/// The kind of device that the app runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// A phone or tablet: its owner needs none of the four.
    Phone,
    /// A desktop or server, where virtual machines and administrators are ordinary.
    Desktop,
}

/// What follows from a finding of each family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    root: Action,
    emulator: Action,
    debugger: Action,
    tools: Action,
    erase: bool,
}

impl Policy {
    /// A release build's policy: on phones all four families end the app, on desktops debuggers and tools do.
    pub const fn release(device: Device) -> Self {
        let surroundings = match device {
            Device::Phone => Action::ShutDown,
            Device::Desktop => Action::Report,
        };
        Self {
            root: surroundings,
            emulator: surroundings,
            debugger: Action::ShutDown,
            tools: Action::ShutDown,
            erase: false,
        }
    }

    /// A debug build's policy: everything is reported. Its users are those who build the app.
    pub const fn debug() -> Self {
        Self {
            root: Action::Report,
            emulator: Action::Report,
            debugger: Action::Report,
            tools: Action::Report,
            erase: false,
        }
    }

    /// The policy of this build, decided when it was compiled.
    pub const fn of_this_build() -> Self {
        if cfg!(debug_assertions) {
            Self::debug()
        } else if cfg!(any(target_os = "android", target_os = "ios")) {
            Self::release(Device::Phone)
        } else {
            Self::release(Device::Desktop)
        }
    }

    /// What follows from a finding of `family`.
    pub const fn action(&self, family: Family) -> Action {
        match family {
            Family::Root => self.root,
            Family::Emulator => self.emulator,
            Family::Debugger => self.debugger,
            Family::Tools => self.tools,
        }
    }

    /// Whether what is on the device is erased at the next start after a shutdown.
    pub const fn erases(&self) -> bool {
        self.erase
    }

    /// Whether any finding ends the process.
    pub fn ends_anything(&self) -> bool {
        Family::ALL
            .into_iter()
            .any(|family| self.action(family) == Action::ShutDown)
    }

    /// This policy with `more` on top. Nothing gets weaker by it.
    #[must_use]
    pub fn tightened(self, more: Tightening) -> Self {
        let stricter = |now: Action, wanted: bool| if wanted { Action::ShutDown } else { now };
        Self {
            root: stricter(self.root, more.root),
            emulator: stricter(self.emulator, more.emulator),
            debugger: stricter(self.debugger, more.debugger),
            tools: stricter(self.tools, more.tools),
            erase: self.erase || more.erase,
        }
    }
}

/// What somebody with authority over the device asks for besides. It has no way to say “less”.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one wish per family, each independent"
)]
pub struct Tightening {
    /// Shut down on rooted devices.
    pub root: bool,
    /// Shut down in emulators and virtual machines.
    pub emulator: bool,
    /// Shut down under a debugger.
    pub debugger: bool,
    /// Shut down when tools are found.
    pub tools: bool,
    /// Erase what is on the device after a shutdown.
    pub erase: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tightening_never_weakens(phone: bool, debug: bool, root: bool, emulator: bool, debugger: bool, tools: bool, erase: bool) {
            let device = if phone { Device::Phone } else { Device::Desktop };
            let before = if debug { Policy::debug() } else { Policy::release(device) };
            let after = before.tightened(Tightening { root, emulator, debugger, tools, erase });
            for family in Family::ALL {
                prop_assert!(after.action(family) >= before.action(family));
            }
            prop_assert!(after.erases() >= before.erases());
            prop_assert_eq!(after.tightened(Tightening::default()), after);
        }
    }

    #[test]
    fn phones_end_for_all_four_and_desktops_for_two() {
        for family in Family::ALL {
            assert_eq!(
                Policy::release(Device::Phone).action(family),
                Action::ShutDown
            );
            assert_eq!(Policy::debug().action(family), Action::Report);
        }
        let desktop = Policy::release(Device::Desktop);
        assert_eq!(desktop.action(Family::Debugger), Action::ShutDown);
        assert_eq!(desktop.action(Family::Tools), Action::ShutDown);
        assert_eq!(desktop.action(Family::Root), Action::Report);
        assert_eq!(desktop.action(Family::Emulator), Action::Report);
    }
}
