//! `/proc/self/environ`: the environment that a process was started with.

/// The value of a variable: the first, as the linker takes it.
pub fn variable(block: &[u8], name: &str) -> Option<String> {
    block
        .split(|byte| *byte == 0)
        .find_map(|entry| {
            let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            Some(String::from_utf8_lossy(value).into_owned())
        })
        .filter(|value| !value.is_empty())
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

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, name in "[A-Z_]{0,10}") {
            let _ = variable(&bytes, &name);
        }
    }
}
