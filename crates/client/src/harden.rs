//! What a process does before it touches a key: nothing of its memory may be written to a file or read by another process.

/// Turns core dumps off and keeps other processes of this user from looking into this one.
///
/// Root can still do both; that is what `guard` watches for.
pub fn harden() {
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, setrlimit};
        // A refusal leaves the system's own limit, which a user can't be blamed for.
        if setrlimit(Resource::RLIMIT_CORE, 0, 0).is_err() {
            tracing::warn!("core dumps can't be turned off");
        }
    }
    #[cfg(target_os = "linux")]
    if nix::sys::prctl::set_dumpable(false).is_err() {
        tracing::warn!("this process can be looked into by others");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_dumped() {
        harden();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        let words: Vec<&str> = core.unwrap().split_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"]);
        assert!(!nix::sys::prctl::get_dumpable().unwrap());
    }
}
