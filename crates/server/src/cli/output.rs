//! What a command answers, on standard output.

use std::io::{self, ErrorKind, Write as _};

use super::failure::Failure;

/// One line, at once. Whoever has closed that end (as `head` does) wants no more.
pub(super) fn say(line: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::new(format!(
            "The answer can't be written: {error}."
        ))),
        _ => Ok(()),
    }
}
