//! The log: short lines on standard error for a person, or JSON for a collector.
//!
//! `FIELDSTONE_LOG` is a list of levels as `tracing` takes them (`debug`, `info,fieldstone_server::http=debug`); the word `json` in
//! it changes the form.
//!
//! What Fieldstone says of itself holds no secrets and nobody's data at any level. Libraries promise no such thing: a driver prints values of
//! statements, a protocol prints headers. So theirs is cut at what they find worth telling in production, whatever is asked for.

use std::env;
use std::io::{IsTerminal as _, stderr};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

const VARIABLE: &str = "FIELDSTONE_LOG";

/// What is worth a line when nobody has said otherwise.
const DEFAULT: &str = "info,tokio_postgres=warn,refinery=warn,refinery_core=warn";

/// Starts the log for this process.
pub(super) fn start() {
    let (json, levels) = parse(&env::var(VARIABLE).unwrap_or_default());
    let filter = EnvFilter::builder().parse_lossy(levels);
    let lines = fmt::layer().with_writer(stderr);
    let lines = if json {
        lines.json().flatten_event(true).boxed()
    } else {
        lines
            .compact()
            .without_time()
            .with_target(false)
            .with_ansi(stderr().is_terminal())
            .boxed()
    };
    // Fails only when a log has been started already, and then that one is as good.
    let _ = registry()
        .with(lines.with_filter(filter_fn(may_be_told)))
        .with(filter)
        .try_init();
}

/// Whether an event is Fieldstone's own, or one that a library tells in production too.
fn may_be_told(about: &Metadata<'_>) -> bool {
    about.target().starts_with("fieldstone") || *about.level() <= Level::INFO
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
