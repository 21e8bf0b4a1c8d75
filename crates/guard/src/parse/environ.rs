//! `/proc/self/environ`: the environment that a process was started with.

/// The value of a variable: the first that isn't empty. One environment can name a variable twice, and linkers differ in which of the two they
/// obey (the GNU C library's takes the last), so no entry hides another.
pub fn variable(block: &[u8], name: &str) -> Option<String> {
    block
        .split(|byte| *byte == 0)
        .filter_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .find(|value| !value.is_empty())
        .map(|value| String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let block = b"XLD_PRELOAD=a\0LD_PRELOAD_=b\0LD_PRELOAD=/tmp/x.so\0LD_AUDIT=\0";
        assert_eq!(variable(block, "LD_PRELOAD").as_deref(), Some("/tmp/x.so"));
        assert_eq!(variable(block, "LD_AUDIT"), None);
        assert_eq!(variable(b"", "LD_PRELOAD"), None);
    }

    #[test]
    fn an_empty_entry_hides_none() {
        let preloaded = Some("/tmp/x.so".to_owned());
        assert_eq!(
            variable(b"LD_PRELOAD=\0LD_PRELOAD=/tmp/x.so\0", "LD_PRELOAD"),
            preloaded
        );
        assert_eq!(
            variable(b"LD_PRELOAD=/tmp/x.so\0LD_PRELOAD=\0", "LD_PRELOAD"),
            preloaded
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, name in "[A-Z_]{0,10}") {
            let _ = variable(&bytes, &name);
        }
    }
}
