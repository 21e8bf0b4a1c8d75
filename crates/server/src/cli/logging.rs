//! The log: short lines on standard error for a person, or JSON for a collector.
//!
//! `FIELDSTONE_LOG` is a list of levels as `tracing` takes them (`debug`, `info,fieldstone_server::http=debug`); the word `json` in
//! it changes the form.

use std::env;
use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

const VARIABLE: &str = "FIELDSTONE_LOG";

/// What is worth a line when nobody has said otherwise.
const DEFAULT: &str = "info,tokio_postgres=warn,refinery=warn,refinery_core=warn";

/// Starts the log for this process.
pub(super) fn start() {
    let (json, levels) = parse(&env::var(VARIABLE).unwrap_or_default());
    let filter = EnvFilter::builder().parse_lossy(levels);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    // Fails only when a log has been started already, and then that one is as good.
    let _ = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder
            .compact()
            .without_time()
            .with_target(false)
            .with_ansi(stderr().is_terminal())
            .try_init()
    };
}

fn parse(value: &str) -> (bool, String) {
    let words = value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>();
    let json = words.contains(&"json");
    let levels = words
        .into_iter()
        .filter(|word| *word != "json")
        .collect::<Vec<_>>()
        .join(",");
    (
        json,
        if levels.is_empty() {
            DEFAULT.to_owned()
        } else {
            levels
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_and_levels_share_one_variable() {
        assert_eq!(parse(""), (false, DEFAULT.to_owned()));
        assert_eq!(parse("json"), (true, DEFAULT.to_owned()));
        assert_eq!(parse("debug, json"), (true, "debug".to_owned()));
        assert_eq!(
            parse("info,hyper=warn"),
            (false, "info,hyper=warn".to_owned())
        );
    }
}
