//! A record's history: who changed what, from what to what, and when.

use askama::Template;
use fieldstone_model::{RecordId, Value};
use fieldstone_store::{Action, HistoryEntry, Store};

use crate::{
    error::PageError,
    frame::Ask,
    list::{fragment, table::name_of},
    request::{AtRecord, PageResult},
    shown::{Names, Showing},
};

/// Entries shown at once.
const ENTRIES: u32 = 15;

/// Entries of a history, newest first.
#[derive(Debug, Template)]
#[template(path = "record/timeline.html")]
pub(super) struct Timeline {
    entries: Vec<Entry>,
    /// Where older ones are, and the link's text.
    older: Option<(String, String)>,
}

impl askama::filters::HtmlSafe for Timeline {}

#[derive(Debug)]
struct Entry {
    what: String,
    at: String,
    moment: String,
    changes: Vec<Changed>,
}

#[derive(Debug)]
struct Changed {
    field: String,
    old: Option<String>,
    new: Option<String>,
    cleared: String,
}

impl Timeline {
    /// Entries older than `before`, or the newest.
    pub(super) async fn of<S: Store + Clone + 'static>(
        at: &AtRecord<S>,
        before: Option<u64>,
    ) -> Result<Self, PageError> {
        let mut found = at.store.history(at.id, before, ENTRIES + 1).await?;
        let more = found.len() > ENTRIES as usize;
        found.truncate(ENTRIES as usize);
        let locale = &at.viewer.locale;
        let names = names_of(at, &found).await?;
        let showing = Showing {
            locale,
            registry: at.registry(),
            names: &names,
            today: at.viewer.today(),
        };
        let last = found.last().filter(|_| more).map(|entry| entry.sequence);
        let older = last.map(|sequence| {
            (
                format!("/{}/{}/history?before={sequence}", at.object.plural, at.id),
                locale.t("history-older").into_owned(),
            )
        });
        Ok(Self {
            entries: found
                .iter()
                .map(|entry| told(at, &showing, entry))
                .collect(),
            older,
        })
    }
}

async fn names_of<S: Store + Clone + 'static>(
    at: &AtRecord<S>,
    entries: &[HistoryEntry],
) -> Result<Names, PageError> {
    let mut ids: Vec<RecordId> = entries.iter().map(|entry| entry.by).collect();
    ids.extend(
        entries
            .iter()
            .flat_map(|entry| &entry.fields)
            .flat_map(|change| [&change.old, &change.new])
            .filter_map(Value::as_id),
    );
    ids.sort_unstable();
    ids.dedup();
    Ok(if ids.is_empty() {
        Names::new()
    } else {
        at.store.names(&ids).await?
    })
}

fn told<S: Store>(at: &AtRecord<S>, showing: &Showing<'_>, entry: &HistoryEntry) -> Entry {
    let locale = showing.locale;
    let key = match entry.action {
        Action::Created => "history-created",
        Action::Updated => "history-updated",
        Action::Deleted => "history-deleted",
        Action::Restored => "history-restored",
    };
    let who = showing
        .names
        .get(&entry.by)
        .cloned()
        .unwrap_or_else(|| locale.t("person-unknown").into_owned());
    let changes = entry.fields.iter().filter_map(|change| {
        let field = at.object.field(&change.field)?;
        let text = |value: &Value| {
            Some(showing.value(&at.object, field, value).text).filter(|text| !text.is_empty())
        };
        Some(Changed {
            field: locale.field(&at.object, field),
            old: text(&change.old),
            new: text(&change.new),
            cleared: locale.t("value-none").into_owned(),
        })
    });
    Entry {
        what: locale.t1(key, "person", who),
        at: locale.instant(entry.at),
        moment: entry.at.to_string(),
        changes: changes.collect(),
    }
}

#[derive(Template)]
#[template(path = "record/history.html")]
struct Page {
    title: String,
    trail: [(String, String); 2],
    timeline: Timeline,
}

/// `GET /{objects}/{id}/history?before=…`: older entries, as more of the timeline or as a page of their own.
pub(crate) async fn show<S: Store + Clone + 'static>(at: AtRecord<S>) -> PageResult {
    let before = at
        .parameters
        .get("before")
        .and_then(|before| before.parse().ok());
    let record = at.store.get(&at.object.name, at.id, &[]).await?;
    let timeline = Timeline::of(&at, before).await?;
    if at.ask == Ask::Partial {
        return Ok(fragment(&timeline));
    }
    let locale = &at.viewer.locale;
    let name = name_of(&at, &at.object, &record);
    let title = locale.t1("history-title", "name", name.as_str());
    let list = format!("/{}", at.object.plural);
    let page = Page {
        title: title.clone(),
        trail: [
            (list.clone(), locale.objects(&at.object)),
            (format!("{list}/{}", at.id), name),
        ],
        timeline,
    };
    Ok(at.page(title, &page))
}
