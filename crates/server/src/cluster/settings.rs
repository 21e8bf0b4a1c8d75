//! What the embedded PostgreSQL is told: `postgresql.conf` and `pg_hba.conf`, written anew at every start.
//!
//! Its log must never hold a value from a statement or a row.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What may differ between clusters.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ClusterOptions {
    /// Whether a commit waits for the disk. Only a cluster whose data nobody will miss may say no.
    pub durable: bool,
    /// Memory for the database's page cache, in MiB; by default a quarter of the machine's, at most 1 GiB.
    pub shared_buffers_mib: Option<u64>,
}

impl ClusterOptions {
    /// For data that matters.
    pub const DURABLE: Self = Self {
        durable: true,
        shared_buffers_mib: None,
    };

    /// For tests: fast, small, and lost with the power.
    pub const DISPOSABLE: Self = Self {
        durable: false,
        shared_buffers_mib: Some(128),
    };
}

/// Only the socket, only with a password. The socket's folder is private as well.
pub(super) const HOST_BASED_ACCESS: &str = "local all all scram-sha-256\n";

/// The whole of `postgresql.conf`.
pub(super) fn configuration(
    options: &ClusterOptions,
    socket_dir: &Path,
    log_dir: &Path,
    archive_command: Option<&str>,
) -> String {
    let shared_buffers = options
        .shared_buffers_mib
        .unwrap_or_else(|| shared_buffers_mib(memory_mib()));
    let mut text =
        String::from("# Written by fieldstone at every start; changes made here are lost.\n");
    let mut set = |name: &str, value: &str| {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
    };
    set("listen_addresses", "");
    set("unix_socket_directories", &socket_dir.to_string_lossy());
    set("unix_socket_permissions", "0700");
    // Tests run at once, as many as the machine has cores, each with pools of its own.
    set(
        "max_connections",
        if options.durable { "100" } else { "400" },
    );
    set("password_encryption", "scram-sha-256");
    set("shared_buffers", &format!("{shared_buffers}MB"));
    set("jit", "off");
    set("max_wal_size", "2GB");
    // A table that an import has just filled is read by the wrong index until its statistics are known.
    set("autovacuum_naptime", "10s");
    set("timezone", "UTC");
    set("datestyle", "iso, ymd");
    set("lc_messages", "C");

    if let Some(command) = archive_command {
        set("archive_mode", "on");
        set("archive_command", command);
        // What is lost when the disk dies is what was written since the last piece left, and that is at most this much and the time it
        // takes to get there.
        set("archive_timeout", "45s");
    }

    set("log_destination", "stderr");
    set("logging_collector", "on");
    set("log_directory", &log_dir.to_string_lossy());
    set("log_filename", "postgresql-%a.log");
    set("log_file_mode", "0600");
    set("log_rotation_age", "1d");
    set("log_rotation_size", "0");
    set("log_truncate_on_rotation", "on");
    set("log_timezone", "UTC");
    set("log_line_prefix", "%m [%p] %u@%d ");
    set("log_checkpoints", "off");
    // The message alone: a DETAIL line quotes the row that broke a constraint.
    set("log_error_verbosity", "terse");
    set("log_statement", "none");
    set("log_min_error_statement", "panic");
    set("log_parameter_max_length", "0");
    set("log_parameter_max_length_on_error", "0");

    if !options.durable {
        set("fsync", "off");
        set("synchronous_commit", "off");
        set("full_page_writes", "off");
        set("autovacuum", "off");
    }
    text
}

/// A quarter of the memory, between 128 MiB and 1 GiB.
fn shared_buffers_mib(memory_mib: u64) -> u64 {
    (memory_mib / 4).clamp(128, 1024)
}

/// The machine's memory in MiB; half a GiB where it can't be told.
fn memory_mib() -> u64 {
    let Ok(facts) = fs::read_to_string("/proc/meminfo") else {
        return 512;
    };
    let total = facts
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next());
    total
        .and_then(|kib| kib.parse::<u64>().ok())
        .map_or(512, |kib| kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_stays_in_bounds() {
        assert_eq!(shared_buffers_mib(256), 128);
        assert_eq!(shared_buffers_mib(2048), 512);
        assert_eq!(shared_buffers_mib(65_536), 1024);
    }

    #[test]
    fn a_quote_in_a_path_stays_inside_the_value() {
        let text = configuration(
            &ClusterOptions::DURABLE,
            Path::new("/tmp/o'hara"),
            Path::new("/tmp/log"),
            None,
        );
        assert!(
            text.contains("unix_socket_directories = '/tmp/o''hara'"),
            "{text}"
        );
        assert!(text.contains("listen_addresses = ''\n"));
        assert!(!text.contains("fsync"));
    }
}
