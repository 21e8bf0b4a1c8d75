//! What follows from a finding. A policy can be tightened and never weakened: there is no function that does, and nothing is read from
//! the environment, an argument or a file.

use crate::finding::Family;

/// What follows, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It is noted, and told to whoever is in charge.
    Report,
    /// The process ends at once.
    ShutDown,
    /// The same, and what is on the device is erased at the next start.
    Erase,
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
        }
    }

    /// A debug build's policy: everything is reported. Its users are those who build the app.
    pub const fn debug() -> Self {
        Self {
            root: Action::Report,
            emulator: Action::Report,
            debugger: Action::Report,
            tools: Action::Report,
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

    /// Whether any finding ends the process.
    pub fn ends_anything(&self) -> bool {
        Family::ALL
            .into_iter()
            .any(|family| self.action(family) > Action::Report)
    }

    /// This policy, but with `action` for findings of `family` where that is stricter. There is no way to get a milder one.
    #[must_use]
    pub fn tightened(mut self, family: Family, action: Action) -> Self {
        let own = match family {
            Family::Root => &mut self.root,
            Family::Emulator => &mut self.emulator,
            Family::Debugger => &mut self.debugger,
            Family::Tools => &mut self.tools,
        };
        *own = action.max(*own);
        self
    }

    /// The strictest of both in each family.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Family::ALL.into_iter().fold(self, |policy, family| {
            policy.tightened(family, other.action(family))
        })
    }

    /// The policy in four bytes, for a process that shares this code.
    pub(crate) fn to_bytes(self) -> [u8; 4] {
        Family::ALL.map(|family| match self.action(family) {
            Action::Report => 0,
            Action::ShutDown => 1,
            Action::Erase => 2,
        })
    }

    /// The same read back. What isn't known is the strictest that erases nothing.
    pub(crate) fn of_bytes(bytes: [u8; 4]) -> Self {
        let families = Family::ALL.into_iter().zip(bytes);
        families.fold(Self::debug(), |policy, (family, byte)| {
            let action = match byte {
                0 => Action::Report,
                2 => Action::Erase,
                _ => Action::ShutDown,
            };
            policy.tightened(family, action)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn actions() -> impl Strategy<Value = Action> {
        prop_oneof![
            Just(Action::Report),
            Just(Action::ShutDown),
            Just(Action::Erase)
        ]
    }

    fn families() -> impl Strategy<Value = Family> {
        prop::sample::select(Family::ALL.as_slice())
    }

    proptest! {
        #[test]
        fn tightening_never_weakens(phone: bool, debug: bool, wishes in prop::collection::vec((families(), actions()), 0..6)) {
            let device = if phone { Device::Phone } else { Device::Desktop };
            let before = if debug { Policy::debug() } else { Policy::release(device) };
            let after = wishes.iter().fold(before, |policy, (family, action)| policy.tightened(*family, *action));
            for family in Family::ALL {
                prop_assert!(after.action(family) >= before.action(family));
            }
            for (family, action) in wishes {
                prop_assert!(after.action(family) >= action);
            }
            prop_assert_eq!(Policy::of_bytes(after.to_bytes()), after);
            prop_assert_eq!(before.with(after), after);
            prop_assert_eq!(after.with(before), after);
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
