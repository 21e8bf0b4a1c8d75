//! What happened around a record, in one line of time: its changes, and the notes, tasks, calls and meetings about it.
//!
//! Each source is read newest first and as far as one page reaches; the page ends where the last entry does, and the next begins there.

use askama::Template;
use fieldstone_model::{Comparison, Filter, Object, Query, Record, RecordId, Value};
use fieldstone_store::{Action, HistoryEntry, Store};
use futures_util::{future::try_join_all, try_join};
use jiff::Timestamp;

use crate::{
    error::PageError,
    frame::Ask,
    layout,
    list::{fragment, table::name_of},
    markdown,
    request::{AtRecord, PageResult, Pairs},
    shown::{Names, Showing},
};

/// Entries shown at once.
const ENTRIES: u32 = 20;
/// Kinds of entries besides changes: object, the field with what was written, the fields told beside the name.
const ACTIVITIES: [(&str, &str, &[&str]); 4] = [
    ("note", "body", &[]),
    ("task", "description", &["status", "due_date", "owner_id"]),
    (
        "call",
        "description",
        &["direction", "outcome", "at", "minutes"],
    ),
    ("event", "description", &["starts_at", "location"]),
];

/// Entries, newest first.
#[derive(Debug, Template)]
#[template(path = "record/timeline.html")]
pub(super) struct Timeline {
    entries: Vec<Entry>,
    /// Where older ones are, and the link's text.
    older: Option<(String, String)>,
}

impl askama::filters::HtmlSafe for Timeline {}

impl Timeline {
    /// Whether nothing has happened, or nothing of the kind that is shown.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.older.is_none()
    }
}

#[derive(Debug)]
struct Entry {
    at: Timestamp,
    /// Place in the order of changes, for one of them.
    sequence: Option<u64>,
    icon: Option<&'static str>,
    what: String,
    when: String,
    moment: String,
    title: Option<(String, String)>,
    details: String,
    /// Safe HTML, made of what somebody wrote.
    prose: Option<String>,
    changes: Vec<Changed>,
}

#[derive(Debug)]
struct Changed {
    field: String,
    old: Option<String>,
    new: Option<String>,
    cleared: String,
}

/// Which entries, and from where on.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// An object's name, `changes`, or nothing for all.
    pub(super) kind: Option<String>,
    sequence: Option<u64>,
    before: Option<Timestamp>,
}

impl Wanted {
    pub(super) fn read(parameters: &Pairs) -> Self {
        let kind = parameters.get("show").filter(|kind| {
            *kind == "changes" || ACTIVITIES.iter().any(|(object, _, _)| object == kind)
        });
        Self {
            kind: kind.map(str::to_owned),
            sequence: parameters
                .get("before")
                .and_then(|before| before.parse().ok()),
            before: parameters
                .get("since")
                .and_then(|before| before.parse().ok()),
        }
    }

    fn includes(&self, kind: &str) -> bool {
        self.kind.as_deref().is_none_or(|wanted| wanted == kind)
    }
}

/// The activities that can be about records of `object`.
pub(super) fn activities<S: Store>(
    at: &AtRecord<S>,
) -> impl Iterator<Item = (&Object, &'static str, &'static [&'static str])> {
    ACTIVITIES.iter().filter_map(|(name, prose, details)| {
        let activity = at.registry().object(name)?;
        let about = activity.field("about_id")?;
        let fits = match &about.kind {
            fieldstone_model::FieldType::AnyRelation { to } => {
                to.iter().any(|to| *to == at.object.name)
            }
            _ => false,
        };
        (fits && about.is_filterable()).then_some((activity.as_ref(), *prose, *details))
    })
}

impl Timeline {
    /// The entries that are wanted.
    pub(super) async fn of<S: Store + Clone + 'static>(
        at: &AtRecord<S>,
        wanted: &Wanted,
    ) -> Result<Self, PageError> {
        let asked: Vec<_> = activities(at)
            .filter(|(object, _, _)| wanted.includes(&object.name))
            .collect();
        let queries: Vec<Query> = asked
            .iter()
            .map(|(object, prose, details)| query(at, object, prose, details, wanted.before))
            .collect();
        let (history, pages) = try_join!(
            async {
                if wanted.includes("changes") {
                    at.store.history(at.id, wanted.sequence, ENTRIES + 1).await
                } else {
                    Ok(Vec::new())
                }
            },
            try_join_all(queries.iter().map(|query| at.store.list(query))),
        )?;
        let names = names_of(at, &history, pages.iter().flat_map(|page| &page.records)).await?;
        let showing = Showing {
            locale: &at.viewer.locale,
            registry: at.registry(),
            names: &names,
            today: at.viewer.today(),
        };
        let mut entries: Vec<Entry> = history
            .iter()
            .map(|entry| told(at, &showing, entry))
            .collect();
        for ((object, prose, details), page) in asked.iter().zip(&pages) {
            entries.extend(
                page.records
                    .iter()
                    .map(|record| activity(at, &showing, object, prose, details, record)),
            );
        }
        entries.sort_by(|a, b| b.at.cmp(&a.at).then(b.sequence.cmp(&a.sequence)));
        let more = entries.len() > ENTRIES as usize || pages.iter().any(|page| page.next.is_some());
        entries.truncate(ENTRIES as usize);
        let older = entries.last().filter(|_| more).map(|last| {
            let sequence = entries
                .iter()
                .filter_map(|entry| entry.sequence)
                .min()
                .or(wanted.sequence);
            let mut pairs = Pairs::default().with("since", last.at.to_string());
            if let Some(sequence) = sequence {
                pairs = pairs.with("before", sequence.to_string());
            }
            if let Some(kind) = &wanted.kind {
                pairs = pairs.with("show", kind);
            }
            let href = format!(
                "/{}/{}/history{}",
                at.object.plural,
                at.id,
                pairs.to_query()
            );
            (href, at.viewer.locale.t("history-older").into_owned())
        });
        Ok(Self { entries, older })
    }
}

fn query<S: Store>(
    at: &AtRecord<S>,
    object: &Object,
    prose: &str,
    details: &[&str],
    before: Option<Timestamp>,
) -> Query {
    let columns = [
        "created_at",
        "created_by_id",
        object.name_field.as_ref(),
        prose,
    ];
    let mut query = Query::new(object.name.clone())
        .columns(
            columns
                .into_iter()
                .chain(details.iter().copied())
                .filter(|name| object.field(name).is_some()),
        )
        .filter(Filter::equal("about_id", Value::Id(at.id)))
        .limit(ENTRIES);
    if let Some(before) = before {
        query = query.filter(Filter::compare(
            "created_at",
            Comparison::Less,
            Value::DateTime(before),
        ));
    }
    query
}

async fn names_of<'a, S: Store + Clone + 'static>(
    at: &AtRecord<S>,
    history: &[HistoryEntry],
    records: impl Iterator<Item = &'a Record>,
) -> Result<Names, PageError> {
    let changed = history
        .iter()
        .flat_map(|entry| &entry.fields)
        .flat_map(|change| [&change.old, &change.new])
        .filter_map(Value::as_id);
    let mut ids: Vec<RecordId> = history
        .iter()
        .map(|entry| entry.by)
        .chain(changed)
        .collect();
    ids.extend(
        records
            .flat_map(Record::iter)
            .filter(|(column, _)| column.kind.is_relation())
            .filter_map(|(_, value)| value.as_id()),
    );
    ids.sort_unstable();
    ids.dedup();
    Ok(if ids.is_empty() {
        Names::new()
    } else {
        at.store.names(&ids).await?
    })
}

fn person(showing: &Showing<'_>, id: Option<RecordId>) -> String {
    let known = id.and_then(|id| showing.names.get(&id)).cloned();
    known.unwrap_or_else(|| showing.locale.t("person-unknown").into_owned())
}

fn told<S: Store>(at: &AtRecord<S>, showing: &Showing<'_>, entry: &HistoryEntry) -> Entry {
    let locale = showing.locale;
    let key = match entry.action {
        Action::Created => "history-created",
        Action::Updated => "history-updated",
        Action::Deleted => "history-deleted",
        Action::Restored => "history-restored",
    };
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
        at: entry.at,
        sequence: Some(entry.sequence),
        icon: None,
        what: locale.t1(key, "person", person(showing, Some(entry.by))),
        when: locale.instant(entry.at),
        moment: entry.at.to_string(),
        title: None,
        details: String::new(),
        prose: None,
        changes: changes.collect(),
    }
}

fn activity<S: Store>(
    at: &AtRecord<S>,
    showing: &Showing<'_>,
    object: &Object,
    prose: &str,
    details: &[&str],
    record: &Record,
) -> Entry {
    let locale = showing.locale;
    let created = match record.get("created_at") {
        Value::DateTime(created) => *created,
        _ => at.viewer.now,
    };
    let told = details.iter().filter_map(|name| {
        let field = object.field(name)?;
        Some(showing.field_of(object, field, record).text).filter(|text| !text.is_empty())
    });
    let written = record
        .get(prose)
        .as_text()
        .filter(|text| !text.trim().is_empty());
    Entry {
        at: created,
        sequence: None,
        icon: Some(layout::icon(object)),
        what: locale.t2(
            "timeline-added",
            (
                "person",
                person(showing, record.get("created_by_id").as_id()),
            ),
            ("object", locale.object_in_text(object)),
        ),
        when: locale.instant(created),
        moment: created.to_string(),
        title: Some((
            format!("/{}/{}", object.plural, record.id),
            name_of(at, object, record),
        )),
        details: told.collect::<Vec<_>>().join(" · "),
        prose: written.map(markdown::to_html),
        changes: Vec::new(),
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
    let wanted = Wanted::read(&at.parameters);
    let record = at.store.get(&at.object.name, at.id, &[]).await?;
    let timeline = Timeline::of(&at, &wanted).await?;
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
