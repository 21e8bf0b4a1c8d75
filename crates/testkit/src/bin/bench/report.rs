//! The figures as a Markdown document.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use super::at_rest::AtRest;
use super::device::Figures;
use super::import::Imported;
use super::layers::Layer;
use super::load::Size;
use super::measure::{ASKERS, Outcome};
use super::pages::Pages;
use super::sign_in::SignIns;

/// What the figures were measured on.
#[derive(Debug)]
pub(crate) struct Facts {
    cores: usize,
    processor: String,
    memory_gib: f64,
    size: Size,
    /// The version of PostgreSQL.
    pub(crate) database: String,
    /// How long a first start took, everything made from nothing.
    pub(crate) first_start: Option<Duration>,
    /// How long a start on the loaded data took.
    pub(crate) later_start: Option<Duration>,
    /// The server's memory before the first request, and after the last.
    pub(crate) idle_kib: u64,
    /// See `idle_kib`.
    pub(crate) loaded_kib: u64,
}

impl Facts {
    /// Asks the machine.
    pub(crate) fn of_this_machine(size: Size) -> Self {
        let line = |path: &str, name: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let found = text
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.split_once(':'));
            found
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let kib: f64 = line("/proc/meminfo", "MemTotal")
            .trim_end_matches(" kB")
            .parse()
            .unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: line("/proc/cpuinfo", "model name"),
            memory_gib: kib / 1024.0 / 1024.0,
            size,
            database: String::new(),
            first_start: None,
            later_start: None,
            idle_kib: 0,
            loaded_kib: 0,
        }
    }
}

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Report {
    /// What they were measured on.
    pub(crate) facts: Facts,
    outcomes: Vec<Outcome>,
    /// What importing showed.
    pub(crate) imports: Vec<Imported>,
    /// What signing in showed.
    pub(crate) sign_ins: Option<SignIns>,
    /// How long whole pages took.
    pub(crate) pages: Vec<Pages>,
    /// What the field app showed.
    field: Option<Figures>,
    /// What encryption costs.
    at_rest: Option<AtRest>,
}

impl Report {
    /// With nothing yet but what was measured on data of its own.
    pub(crate) fn of_own_data(
        facts: Facts,
        field: Option<Figures>,
        at_rest: Option<AtRest>,
    ) -> Self {
        Self {
            facts,
            field,
            at_rest,
            outcomes: Vec::new(),
            imports: Vec::new(),
            sign_ins: None,
            pages: Vec::new(),
        }
    }

    /// Adds what a case showed.
    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    /// The whole document.
    pub(crate) fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let facts = &self.facts;
        writeln!(out, "# Benchmarks\n")?;
        writeln!(
            out,
            "Written by `./x bench` from one run: {} cores ({}), {:.0} GiB of memory, PostgreSQL {} with `fsync` and `synchronous_commit` on, \
            load generator, server and database sharing the machine. {} tenants have {} deals each, one has {}.\n",
            facts.cores,
            facts.processor,
            facts.memory_gib,
            facts.database,
            grouped(facts.size.tenants),
            grouped(facts.size.deals),
            grouped(facts.size.large)
        )?;
        writeln!(
            out,
            "*Plain* is the same SQL with the tenant as a condition, by a role that no policy binds, in `BEGIN … COMMIT` through the same driver, \
            pool size and pipelining, in the same run; *context* is that SQL under row-level security with the signed context; *store* adds what \
            makes SQL of queries and records of rows; *API* is the server's JSON API over TLS 1.3 and HTTP/1.1 with an API token. \
            A ratio is of requests per second to *plain*. Processor time of one API request is given for the load generator, the server and the database apart.\n"
        )?;
        if !self.outcomes.is_empty() {
            for askers in ASKERS {
                self.write_table(out, askers)?;
            }
        }
        if !self.imports.is_empty() {
            writeln!(out, "## Import\n\n| what | rows/s |\n|---|---:|")?;
            for import in &self.imports {
                writeln!(
                    out,
                    "| {} | {} |",
                    import.name,
                    grouped_f(import.rows_per_second)
                )?;
            }
            writeln!(out)?;
        }
        if !self.pages.is_empty() {
            write_pages(out, &self.pages)?;
        }
        if let Some(sign_ins) = &self.sign_ins {
            write_sign_ins(out, sign_ins)?;
        }
        if let Some(field) = &self.field {
            write_field(out, field)?;
        }
        if let Some(at_rest) = &self.at_rest {
            at_rest.write(out)?;
        }
        if self.outcomes.is_empty()
            && self.imports.is_empty()
            && self.sign_ins.is_none()
            && self.pages.is_empty()
        {
            return Ok(());
        }
        writeln!(out, "## Start and memory\n")?;
        let seconds = |time: Option<Duration>| {
            time.map_or("not measured".to_owned(), |time| {
                format!("{:.2} s", time.as_secs_f64())
            })
        };
        writeln!(out, "| what | |\n|---|---:|")?;
        writeln!(
            out,
            "| first start, demo data included | {} |",
            seconds(facts.first_start)
        )?;
        writeln!(
            out,
            "| start on the loaded data | {} |",
            seconds(facts.later_start)
        )?;
        writeln!(
            out,
            "| server's memory, idle | {:.0} MiB |",
            mib(facts.idle_kib)
        )?;
        writeln!(
            out,
            "| server's memory, after the load | {:.0} MiB |",
            mib(facts.loaded_kib)
        )
    }

    fn write_table(&self, out: &mut String, askers: usize) -> std::fmt::Result {
        let s = if askers == 1 { "" } else { "s" };
        writeln!(out, "## {askers} connection{s}\n")?;
        writeln!(
            out,
            "| request | plain/s | context/s | store/s | API/s | context ÷ plain | API ÷ plain | plain p50/p95/p99 ms | API p50/p95/p99 ms | processor µs |"
        )?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for outcome in &self.outcomes {
            let of = |layer: Layer| {
                outcome
                    .figures
                    .iter()
                    .find(|figure| figure.layer == layer && figure.askers == askers)
            };
            let rate = |layer| of(layer).map(super::measure::Figure::per_second);
            let shown = |rate: Option<f64>| rate.map_or("–".to_owned(), grouped_f);
            let ratio = |layer| match (rate(layer), rate(Layer::Plain)) {
                (Some(rate), Some(plain)) => format!("{:.2}", rate / plain),
                _ => "–".to_owned(),
            };
            let times = |layer| {
                of(layer).map_or("–".to_owned(), |figure| {
                    format!(
                        "{:.1} / {:.1} / {:.1}",
                        figure.percentile_ms(50),
                        figure.percentile_ms(95),
                        figure.percentile_ms(99)
                    )
                })
            };
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                outcome.name,
                shown(rate(Layer::Plain)),
                shown(rate(Layer::Context)),
                shown(rate(Layer::Store)),
                shown(rate(Layer::Api)),
                ratio(Layer::Context),
                ratio(Layer::Api),
                times(Layer::Plain),
                times(Layer::Api),
                of(Layer::Api).map_or("–".to_owned(), super::measure::Figure::processor_us)
            )?;
        }
        writeln!(out)
    }
}

fn write_field(out: &mut String, found: &Figures) -> std::fmt::Result {
    writeln!(
        out,
        "## The field app\n\n`fieldstone-device` and the server on this machine, over TLS 1.3; the device's database is encrypted. Its user has {} records.\n\n\
        | what | |\n|---|---:|",
        grouped(found.rows)
    )?;
    let [device, server, database] = found.row_us;
    let (bytes, turns, ms) = found.empty;
    let lines = [
        (
            "first sync, rows/s from the start of the process to its end".to_owned(),
            grouped_f(found.sync_rows_per_second),
        ),
        (
            "the same rows into SQLCipher alone, without indexes, rows/s".to_owned(),
            grouped_f(found.raw_rows_per_second),
        ),
        (
            "first sync ÷ SQLCipher alone".to_owned(),
            format!(
                "{:.2}",
                found.sync_rows_per_second / found.raw_rows_per_second
            ),
        ),
        (
            "processor µs of a row: device, server, database".to_owned(),
            format!("{device:.0}, {server:.0}, {database:.0}"),
        ),
        (
            "most memory of the process that syncs, of all the device's together".to_owned(),
            format!(
                "{:.1} MB, {:.1} MB",
                megabytes(found.memory_kib.0),
                megabytes(found.memory_kib.1)
            ),
        ),
        (
            "a record as JSON from the API".to_owned(),
            format!("{:.0} B", found.json_bytes),
        ),
        (
            "a record on the wire".to_owned(),
            format!("{:.0} B", found.wire_bytes),
        ),
        (
            "nothing new: round trips, bytes both ways".to_owned(),
            format!("{turns}, {bytes}"),
        ),
        (
            "nothing new, connection open, median of 20".to_owned(),
            format!("{ms:.1} ms"),
        ),
        (
            "nothing new, from the start of the process to its end".to_owned(),
            format!("{:.0} ms", found.empty_process_ms),
        ),
        (
            "edits sent and brought back, edits/s".to_owned(),
            grouped_f(found.edits_per_second),
        ),
    ];
    let lists = found.lists.iter().map(|(name, ms)| {
        (
            format!("a list of 50, {name}, median of 200"),
            format!("{ms:.1} ms"),
        )
    });
    for (what, figure) in lines.into_iter().chain(lists) {
        writeln!(out, "| {what} | {figure} |")?;
    }
    writeln!(out)
}

fn write_pages(out: &mut String, found: &[Pages]) -> std::fmt::Result {
    writeln!(
        out,
        "## Pages\n\nWhole pages as somebody who is signed in gets them over TLS, one after the other.\n\n\
        | workspace | page | requests | p50 ms | p95 ms | p99 ms |\n|---|---|---:|---:|---:|---:|"
    )?;
    for pages in found {
        for times in &pages.times {
            writeln!(
                out,
                "| {} | {} | {} | {:.1} | {:.1} | {:.1} |",
                pages.workspace,
                times.page,
                times.count(),
                times.ms(50),
                times.ms(95),
                times.ms(99)
            )?;
        }
    }
    writeln!(out)
}

fn write_sign_ins(out: &mut String, found: &SignIns) -> std::fmt::Result {
    let flood = &found.flood;
    let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1e3);
    writeln!(out, "## Sign-in\n\n| what | |\n|---|---:|")?;
    for (what, figure) in [
        (
            "Argon2id alone on all cores, hashes/s",
            format!("{:.1}", found.hashes_per_second),
        ),
        (
            "sign-ins/s through the API",
            format!("{:.1}", found.per_second),
        ),
        (
            "sign-ins ÷ hashes",
            format!("{:.3}", found.per_second / found.hashes_per_second),
        ),
        ("processor ms of a sign-in", found.processor_ms()),
        (
            "refusal of an unknown address, median of 200",
            format!("{:.2} ms", found.unknown_ms),
        ),
        (
            "refusal of a wrong password, median of 200",
            format!("{:.2} ms", found.wrong_ms),
        ),
        (
            "unknown ÷ wrong",
            format!("{:.3}", found.unknown_ms / found.wrong_ms),
        ),
        (
            "of 500 at the same moment: let in, told to come back",
            format!("{}, {}", flood.let_in, flood.sent_back),
        ),
        (
            "slowest of those let in, of those told to come back",
            format!("{}, {}", ms(flood.slowest_in), ms(flood.slowest_back)),
        ),
        ("slowest /healthz meanwhile", ms(flood.slowest_health)),
        (
            "server's memory before, and at most",
            format!(
                "{:.0} MiB, {:.0} MiB",
                mib(flood.before_kib),
                mib(flood.most_kib)
            ),
        ),
    ] {
        writeln!(out, "| {what} | {figure} |")?;
    }
    writeln!(out)
}

fn megabytes(kib: u64) -> f64 {
    mib(kib) * 1.048_576
}

fn mib(kib: u64) -> f64 {
    u32::try_from(kib).map_or(f64::MAX, f64::from) / 1024.0
}

/// A number with commas between thousands.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn grouped_f(number: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate, rounded for people"
    )]
    let whole = number.round() as u32;
    grouped(whole)
}
