//! `/proc/…/status`: who traces a thread, and what it is called.

/// What is read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadStatus {
    /// The thread's name. The thread chooses it: worth nothing but as evidence.
    pub name: String,
    /// Who traces it; zero for nobody, and for somebody outside this namespace of process numbers.
    pub tracer: u32,
}

/// Reads the status of a thread. `None` when it says nothing about a tracer, which a kernel always does.
///
/// The name comes first and can hold a newline only as `\n` in two characters, so no thread can write a line of its own.
pub fn parse(text: &[u8]) -> Option<ThreadStatus> {
    let text = String::from_utf8_lossy(text);
    let mut name = None;
    let mut tracer = None;
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        match key {
            "Name" if name.is_none() => name = Some(value.trim().to_owned()),
            // The first is the kernel's.
            "TracerPid" if tracer.is_none() => tracer = Some(value.trim().parse().ok()?),
            _ => {}
        }
    }
    Some(ThreadStatus {
        name: name.unwrap_or_default(),
        tracer: tracer?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tracer_is_read() {
        let text = b"Name:\tgum-js-loop\nUmask:\t0022\nTracerPid:\t4711\nUid:\t0\n";
        let status = parse(text).unwrap();
        assert_eq!((status.name.as_str(), status.tracer), ("gum-js-loop", 4711));
        assert!(parse(b"Name:\tx\n").is_none());
        assert!(parse(b"TracerPid:\tx\n").is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_name_hides_no_tracer(name in "[^\n\0]{0,40}", tracer in 1_u32..) {
            let text = format!("Name:\t{name}\nTracerPid:\t{tracer}\n");
            prop_assert_eq!(parse(text.as_bytes()).unwrap().tracer, tracer);
        }
    }
}
