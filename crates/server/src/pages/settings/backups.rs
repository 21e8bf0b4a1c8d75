//! `/settings/backups`: the last backups and practised restores of this installation, and what they showed.

use askama::Template;
use fieldstone_store::StoreError;
use fieldstone_ui::{PageResult, locale::Locale};
use jiff::Timestamp;
use serde_json::Value;

use super::Settings;

/// How many of each are shown.
const SHOWN: i32 = 10;

#[derive(Template)]
#[template(path = "settings/backups.html")]
struct Page<'a> {
    locale: &'a Locale,
    backups: Vec<Line>,
    drills: Vec<Line>,
}

/// One run, in words.
struct Line {
    at: String,
    ok: bool,
    facts: Vec<String>,
}

/// `GET /settings/backups`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let locale = settings.locale();
    let backups = runs(&settings, "backup").await?;
    let drills = runs(&settings, "drill").await?;
    let line = |(at, ok, detail): &(Timestamp, bool, Value),
                facts: fn(&Locale, &Value) -> Vec<String>| Line {
        at: locale.instant(*at),
        ok: *ok,
        facts: if *ok {
            facts(locale, detail)
        } else {
            Vec::new()
        },
    };
    settings.page(&Page {
        locale,
        backups: backups.iter().map(|run| line(run, of_backup)).collect(),
        drills: drills.iter().map(|run| line(run, of_drill)).collect(),
    })
}

async fn runs(
    settings: &Settings,
    kind: &str,
) -> Result<Vec<(Timestamp, bool, Value)>, StoreError> {
    let sql = "SELECT o.ended_at, o.ok, o.detail FROM app.operations($1, $2) o";
    let rows = settings.store.run_step(sql, &[&kind, &SHOWN]).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
        .collect::<Result<_, tokio_postgres::Error>>()
        .map_err(StoreError::internal)
}

fn number(detail: &Value, name: &str) -> Option<i64> {
    detail.get(name)?.as_i64()
}

fn of_backup(locale: &Locale, detail: &Value) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(kind) = detail.get("kind").and_then(Value::as_str) {
        let key = if kind == "full" {
            "backups-full"
        } else {
            "backups-changes"
        };
        facts.push(locale.t(key).into_owned());
    }
    if let (Some(database), Some(kept)) = (
        number(detail, "database_bytes"),
        number(detail, "repository_bytes"),
    ) {
        facts.push(locale.t2(
            "backups-sizes",
            ("database", locale.bytes(database)),
            ("kept", locale.bytes(kept)),
        ));
    }
    facts
}

fn of_drill(locale: &Locale, detail: &Value) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(seconds) = number(detail, "rpo_seconds") {
        facts.push(locale.t1("backups-rpo", "seconds", seconds));
    }
    if let Some(milliseconds) = number(detail, "rto_ms") {
        facts.push(locale.t1("backups-rto", "seconds", milliseconds.div_euclid(1_000) + 1));
    }
    if let Some(bytes) = number(detail, "database_bytes") {
        facts.push(locale.bytes(bytes));
    }
    facts
}
