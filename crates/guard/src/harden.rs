//! What a process does before it touches a key: nothing of its memory may be written to a file or be read by another process of its user.

/// Something that the system refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Core dumps can't be turned off.
    CoreDumps,
    /// Other processes of this user can look into this one.
    Looking,
}

/// Turns core dumps off and keeps other processes of this user from looking into this one. Root can still do the latter.
///
/// Answers what was refused: the system's own settings stay, for which a user can't be blamed.
pub fn harden() -> Vec<Refused> {
    let mut refused = Vec::new();
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::process::{
            DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit,
        };
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        if setrlimit(Resource::Core, none).is_err() {
            refused.push(Refused::CoreDumps);
        }
        if set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err() {
            refused.push(Refused::Looking);
        }
    }
    #[cfg(any(target_os = "macos", target_os = "ios"))]
    {
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        #[expect(unsafe_code, reason = "the interface of the C library")]
        // SAFETY: the limit outlives the call.
        if unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) } != 0 {
            refused.push(Refused::CoreDumps);
        }
        #[expect(unsafe_code, reason = "the interface of the C library")]
        // SAFETY: `PT_DENY_ATTACH` (31) takes nothing else.
        if unsafe { libc::ptrace(31, 0, std::ptr::null_mut(), 0) } != 0 {
            refused.push(Refused::Looking);
        }
    }
    refused
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_dumped() {
        assert_eq!(harden(), []);
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        let words: Vec<&str> = core.unwrap().split_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"]);
    }
}
