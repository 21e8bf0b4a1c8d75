//! `/settings/audit`: what happened in the workspace, for those who manage its people.

use std::collections::HashMap;

use askama::Template;
use axum::{
    body::Body,
    extract::RawQuery,
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse as _,
};
use bytes::Bytes;
use fieldstone_store::StoreError;
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use futures_util::{Stream, stream};
use jiff::{Timestamp, civil};
use serde_json::{Value as Json, json};

use super::{
    Settings,
    programs::{Fields, Submitted},
};
use crate::{
    identity::audit::{Action, AuditEvent, Filter, Verdict},
    spreadsheet::harmless,
    store::PgStore,
};

const PATH: &str = "/settings/audit";
/// Events of one page.
const PAGE: i64 = 50;
/// Events fetched at a time for an export.
const CHUNK: i64 = 1000;

/// What the filter's form says, as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Typed {
    actor: String,
    action: String,
    target: String,
    from: String,
    until: String,
}

impl Typed {
    fn read(get: impl Fn(&str) -> String) -> Self {
        Self {
            actor: get("actor"),
            action: get("action"),
            target: get("target"),
            from: get("from"),
            until: get("until"),
        }
    }

    /// The filter; days are whole days where the person is. What can't be read filters nothing.
    fn filter(&self, locale: &Locale) -> Filter {
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let midnight = |text: &str, days: i64| -> Option<Timestamp> {
            let date: civil::Date = text.parse().ok()?;
            let date = date.checked_add(jiff::Span::new().days(days)).ok()?;
            let zoned = date.to_zoned(locale.time_zone().clone()).ok()?;
            Some(zoned.timestamp())
        };
        Filter {
            actor: filled(&self.actor),
            action: Action::of(&self.action),
            target: filled(&self.target),
            from: midnight(&self.from, 0),
            until: midnight(&self.until, 1),
        }
    }

    fn query(&self, before: Option<i64>) -> String {
        let before = before.map(|before| before.to_string()).unwrap_or_default();
        let pairs = [
            ("actor", &self.actor),
            ("action", &self.action),
            ("target", &self.target),
            ("from", &self.from),
            ("until", &self.until),
            ("before", &before),
        ];
        let pairs: Vec<_> = pairs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        serde_urlencoded::to_string(pairs).unwrap_or_default()
    }
}

struct Line {
    seq: i64,
    at: String,
    sentence: String,
    action: String,
    raw: String,
}

/// An entry of a list: value, label, and whether it is chosen.
type Choice = (String, String, bool);

#[derive(Template)]
#[template(path = "settings/audit.html")]
struct Page<'a> {
    locale: &'a Locale,
    typed: &'a Typed,
    people: Vec<Choice>,
    actions: Vec<Choice>,
    is_filtered: bool,
    lines: Vec<Line>,
    /// The address of the page with older events.
    older: Option<String>,
    verdict: Option<String>,
    is_whole: bool,
}

/// `GET /settings/audit`.
pub(crate) async fn show(settings: Settings, RawQuery(query): RawQuery) -> PageResult {
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(&query.unwrap_or_default()).map_err(|_| PageError::Invalid)?;
    if pairs.iter().any(|(_, value)| value.contains('\0')) {
        return Err(PageError::Invalid);
    }
    let get = |name: &str| {
        let found = pairs.iter().find(|(known, _)| known == name);
        found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let before = get("before").parse().ok();
    page(&settings, &Typed::read(get), before, None).await
}

/// `POST /settings/audit/verification`.
pub(crate) async fn verify(settings: Settings) -> PageResult {
    let verdict = settings.store.verify_audit().await?;
    page(&settings, &Typed::default(), None, Some(verdict)).await
}

async fn page(
    settings: &Settings,
    typed: &Typed,
    before: Option<i64>,
    verdict: Option<Verdict>,
) -> PageResult {
    let locale = settings.locale();
    let filter = typed.filter(locale);
    let mut events = settings
        .store
        .audit_events(&filter, before, PAGE + 1)
        .await?;
    let has_more = i64::try_from(events.len()).is_ok_and(|found| found > PAGE);
    events.truncate(usize::try_from(PAGE).unwrap_or(50));
    let names = Names::read(&settings.store).await?;
    let older = events.last().filter(|_| has_more);
    let older = older.map(|event| format!("{PATH}?{}", typed.query(Some(event.seq))));
    let content = Page {
        locale,
        typed,
        people: names.choices(locale, &typed.actor),
        actions: actions(locale, &typed.action),
        is_filtered: filter != Filter::default(),
        lines: events
            .iter()
            .map(|event| line(locale, &names, event))
            .collect(),
        older,
        is_whole: verdict.is_none_or(|verdict| verdict.whole),
        verdict: verdict.map(|verdict| match verdict.first_break {
            None => locale.t1("audit-whole", "events", verdict.events),
            Some(at) => locale.t1("audit-broken", "event", at),
        }),
    };
    settings.page(&content)
}

/// Names of those whom events speak of.
struct Names(HashMap<String, String>);

impl Names {
    async fn read(store: &PgStore) -> Result<Self, StoreError> {
        let sql =
            "SELECT id, name FROM app.\"user\" UNION ALL SELECT id, name FROM app.oauth_client";
        let rows = store.run_step(sql, &[]).await?;
        let names = rows
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<Result<_, tokio_postgres::Error>>();
        names.map(Self).map_err(StoreError::internal)
    }

    /// Somebody's name; what they are, for those without one.
    fn of(&self, locale: &Locale, id: &str) -> String {
        match self.0.get(id) {
            Some(name) => name.clone(),
            None if matches!(id, "operator" | "system") => {
                locale.t(&format!("audit-{id}")).into_owned()
            }
            None => id.to_owned(),
        }
    }

    fn choices(&self, locale: &Locale, chosen: &str) -> Vec<Choice> {
        let mut choices: Vec<Choice> = self
            .0
            .iter()
            .filter(|(id, _)| id.starts_with("005"))
            .map(|(id, name)| (id.clone(), name.clone(), id == chosen))
            .collect();
        choices.sort_by_cached_key(|(_, name, _)| name.to_lowercase());
        for id in ["operator", "system"] {
            choices.push((id.to_owned(), self.of(locale, id), id == chosen));
        }
        choices
    }
}

fn actions(locale: &Locale, chosen: &str) -> Vec<Choice> {
    let anyone = locale.t("audit-somebody").into_owned();
    let anything = locale.t("audit-something").into_owned();
    let variables = [("actor", anyone), ("target", anything)];
    Action::ALL
        .iter()
        .map(|action| {
            let label = begun(&locale.t_with(&action.text_key(), &variables));
            (action.name().to_owned(), label, action.name() == chosen)
        })
        .collect()
}

/// One event as a sentence, with everything it holds for those who want to see it.
fn line(locale: &Locale, names: &Names, event: &AuditEvent) -> Line {
    let target = match event.detail.get("name").and_then(Json::as_str) {
        Some(name) if !names.0.contains_key(&event.target) => name.to_owned(),
        _ => names.of(locale, &event.target),
    };
    let variables = [
        ("actor", names.of(locale, &event.actor)),
        ("target", target),
    ];
    let raw = json!({
        "seq": event.seq, "at": event.at, "actor": event.actor, "action": event.action,
        "target": event.target, "detail": event.detail, "hash": event.hash,
    });
    Line {
        seq: event.seq,
        at: locale.instant(event.at),
        // An event from a newer version is told by its name.
        sentence: Action::of(&event.action).map_or_else(
            || event.action.clone(),
            |action| begun(&locale.t_with(&action.text_key(), &variables)),
        ),
        action: event.action.clone(),
        raw: serde_json::to_string_pretty(&raw).unwrap_or_default(),
    }
}

/// A sentence with a capital at its beginning, also when it begins with what has none.
fn begun(sentence: &str) -> String {
    let mut rest = sentence.chars();
    match rest.next() {
        Some(first) => first.to_uppercase().chain(rest).collect(),
        None => String::new(),
    }
}

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    JsonLines,
}

/// `POST /settings/audit/export` with `format`, `csv` or `jsonl`, and the filter: everything it finds, oldest first.
pub(crate) async fn export(settings: Settings, submitted: Submitted) -> PageResult {
    let fields = Fields::read(submitted)?;
    let (format, name, kind) = match fields.get("format") {
        "csv" => (Format::Csv, "csv", "text/csv; charset=utf-8"),
        "jsonl" => (
            Format::JsonLines,
            "jsonl",
            "application/jsonl; charset=utf-8",
        ),
        _ => return Err(PageError::Invalid),
    };
    let typed = Typed::read(|name| fields.get(name).to_owned());
    let filter = typed.filter(settings.locale());
    // Noted before anything leaves, and so the last event that the export holds.
    let detail = json!({"format": name, "actor": filter.actor, "action": filter.action.map(Action::name),
        "target": filter.target, "from": filter.from, "until": filter.until});
    settings
        .store
        .run_audited(&[], Action::AuditExport, "", &detail)
        .await?;
    let names = Names::read(&settings.store).await?;
    let day = settings.viewer.today();
    let mut response =
        Body::from_stream(rows(settings.store.clone(), filter, names, format)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let disposition = format!("attachment; filename=\"audit-log-{day}.{name}\"");
    let disposition = HeaderValue::from_str(&disposition).map_err(|_| PageError::Failed)?;
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}

/// The export in pieces, each read in a transaction of its own, so that whoever loses access meanwhile gets no more.
fn rows(
    store: PgStore,
    filter: Filter,
    names: Names,
    format: Format,
) -> impl Stream<Item = Result<Bytes, StoreError>> {
    let start = Some((store, filter, names, 0_i64, true));
    stream::try_unfold(start, move |state| async move {
        let Some((store, filter, names, after, is_first)) = state else {
            return Ok(None);
        };
        let events = store.audit_events_after(&filter, after, CHUNK).await?;
        let is_last = i64::try_from(events.len()).is_ok_and(|found| found < CHUNK);
        let after = events.last().map_or(after, |event| event.seq);
        let text = match format {
            Format::Csv => csv(&events, &names, is_first).map_err(StoreError::internal)?,
            Format::JsonLines => json_lines(&events),
        };
        let next = (!is_last).then_some((store, filter, names, after, false));
        Ok(Some((Bytes::from(text), next)))
    })
}

const COLUMNS: [&str; 9] = [
    "number",
    "time",
    "actor",
    "actor_name",
    "action",
    "target",
    "target_name",
    "detail",
    "hash",
];

fn csv(events: &[AuditEvent], names: &Names, with_head: bool) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    if with_head {
        writer.write_record(COLUMNS)?;
    }
    let name = |id: &str| names.0.get(id).cloned().unwrap_or_default();
    for event in events {
        let fields = [
            event.seq.to_string(),
            event.at.to_string(),
            event.actor.clone(),
            name(&event.actor),
            event.action.clone(),
            event.target.clone(),
            name(&event.target),
            event.detail.to_string(),
            event.hash.clone(),
        ];
        writer.write_record(fields.iter().map(|field| harmless(field).into_owned()))?;
    }
    writer
        .into_inner()
        .map_err(|error| error.into_error().into())
}

fn json_lines(events: &[AuditEvent]) -> Vec<u8> {
    let mut text = Vec::new();
    for event in events {
        // An event always serialises.
        if serde_json::to_writer(&mut text, event).is_ok() {
            text.push(b'\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn event(action: &str, detail: Json) -> AuditEvent {
        AuditEvent {
            seq: 7,
            at: "2026-05-01T12:00:00Z".parse().unwrap(),
            actor: "005000000000001".to_owned(),
            action: action.to_owned(),
            target: "0OC000000000001".to_owned(),
            detail,
            hash: "ab".repeat(32),
        }
    }

    fn names() -> Names {
        Names(HashMap::from([(
            "005000000000001".to_owned(),
            "=Ann".to_owned(),
        )]))
    }

    #[test]
    fn cells_are_no_formulas() {
        let text = csv(
            &[event("application.add", json!({"name": "x"}))],
            &names(),
            true,
        )
        .unwrap();
        let text = String::from_utf8(text).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(COLUMNS.join(",").as_str()));
        let row = lines.next().unwrap();
        assert!(
            row.starts_with("7,2026-05-01T12:00:00Z,005000000000001,'=Ann,application.add,"),
            "{row}"
        );
    }

    #[test]
    fn an_event_is_told_in_a_sentence() {
        let locale = Locale::new("en", TimeZone::UTC, "EUR");
        let told = |action: &str, detail| line(&locale, &names(), &event(action, detail)).sentence;
        assert_eq!(
            told("application.add", json!({"name": "Reports"})),
            "=Ann registered the application Reports."
        );
        assert_eq!(told("from.the_future", json!({})), "from.the_future");
        assert_eq!(begun("an operator did"), "An operator did");
    }

    #[test]
    fn days_are_those_of_the_person() {
        let locale = Locale::new("en", TimeZone::get("Europe/Berlin").unwrap(), "EUR");
        let typed = Typed {
            from: "2026-05-01".to_owned(),
            until: "2026-05-01".to_owned(),
            action: "nonsense".to_owned(),
            ..Typed::default()
        };
        let filter = typed.filter(&locale);
        assert_eq!(filter.from, Some("2026-04-30T22:00:00Z".parse().unwrap()));
        assert_eq!(filter.until, Some("2026-05-01T22:00:00Z".parse().unwrap()));
        assert_eq!(filter.action, None);
        assert_eq!(
            typed.query(Some(5)),
            "action=nonsense&from=2026-05-01&until=2026-05-01&before=5"
        );
    }
}
