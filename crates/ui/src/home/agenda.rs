//! The short lists of the home page: tasks that are due, deals that went quiet, what others have changed.

use std::collections::HashSet;

use fieldstone_model::{Comparison, Filter, Object, Query, Record, RecordId, Value, query::Path};
use fieldstone_store::{Aggregate, Function, Store};
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};

use super::{Whose, text};
use crate::{
    error::PageError,
    list::table::{name_of, paths},
    request::Session,
    shown::{Showing, Shown, names_in},
};

/// Rows in each list.
const ROWS: u32 = 8;
/// Objects whose changes are worth a look.
const RECENT: [&str; 5] = ["deal", "account", "contact", "lead", "case"];
/// Objects that say that somebody has done something about a deal.
const ACTIVITIES: [&str; 4] = ["task", "event", "call", "note"];
/// After this long without anything, a deal is quiet.
const QUIET: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Deals that are looked at for quiet ones.
const LOOKED_AT: u32 = 40;
/// Changes of each object among which those of others are looked for.
const CHANGES: u32 = 100;

/// A short list: heading, where all of it is, rows, what to say when there are none.
pub(super) struct Agenda {
    pub(super) heading: String,
    pub(super) all: Option<String>,
    pub(super) rows: Vec<Row>,
    pub(super) none: String,
}

pub(super) struct Row {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) aside: Shown,
    pub(super) detail: String,
}

/// The person's open tasks, the longest overdue first.
pub(super) async fn tasks<S: Store + Clone + 'static>(
    session: &Session<S>,
) -> Result<Agenda, PageError> {
    let query = Query::new("task")
        .filter(Whose::Mine.filter(session))
        .filter(Filter::compare(
            "status",
            Comparison::NotEqual,
            text("done"),
        ))
        .order("due_date", false);
    let object = session
        .registry()
        .object("task")
        .ok_or(PageError::NotFound)?;
    let columns = ["due_date".to_owned(), "about_id".to_owned()];
    let found = session
        .store
        .list(&query.columns(paths(object, &columns)).limit(ROWS))
        .await?;
    let all = Whose::Mine.pairs().with("filter", "status != \"done\"");
    let rows = rows(session, object, &found.records, ("due_date", "about_id")).await?;
    Ok(agenda(
        session,
        "home-tasks",
        "home-tasks-none",
        found
            .next
            .is_some()
            .then(|| format!("/tasks{}", all.to_query())),
        rows,
    ))
}

/// Open deals about which nothing was heard for a fortnight, the latest fallen silent first.
pub(super) async fn quiet<S: Store + Clone + 'static>(
    session: &Session<S>,
    whose: Whose,
) -> Result<Agenda, PageError> {
    let object = session
        .registry()
        .object("deal")
        .ok_or(PageError::NotFound)?;
    let before = session.viewer.now - QUIET;
    let columns = ["updated_at".to_owned(), "account_id".to_owned()];
    let query = Query::new("deal")
        .filter(whose.filter(session))
        .filter(Filter::equal("status", text("open")))
        .filter(Filter::compare(
            "updated_at",
            Comparison::Less,
            Value::DateTime(before),
        ))
        .order("updated_at", true)
        .columns(paths(object, &columns))
        .limit(LOOKED_AT);
    let mut found = session.store.list(&query).await?.records;
    let heard = heard_of(session, &found, before).await?;
    found.retain(|record| !heard.contains(&record.id));
    found.truncate(ROWS as usize);
    let rows = rows(session, object, &found, ("updated_at", "account_id")).await?;
    let all = whose
        .pairs()
        .with("filter", "status = \"open\"")
        .with("filter", "updated_at < :today-14")
        .with("sort", "-updated_at");
    let href = (!rows.is_empty()).then(|| format!("/deals{}", all.to_query()));
    Ok(agenda(session, "home-quiet", "home-quiet-none", href, rows))
}

/// Those of the deals that an activity since `before` is about.
async fn heard_of<S: Store + Clone + 'static>(
    session: &Session<S>,
    deals: &[Record],
    before: Timestamp,
) -> Result<HashSet<RecordId>, PageError> {
    if deals.is_empty() {
        return Ok(HashSet::new());
    }
    let about = Filter::In {
        path: Path::from_text("about_id"),
        values: deals.iter().map(|deal| Value::Id(deal.id)).collect(),
    };
    let asked = ACTIVITIES.map(|object| {
        Aggregate::new(object)
            .filter(about.clone())
            .filter(Filter::compare(
                "updated_at",
                Comparison::GreaterOrEqual,
                Value::DateTime(before),
            ))
            .group("about_id", None)
            .measure(Function::Count, "id")
    });
    let found = try_join_all(asked.iter().map(|asked| session.store.aggregate(asked))).await?;
    Ok(found
        .iter()
        .flatten()
        .filter_map(|row| row.keys.first().and_then(Value::as_id))
        .collect())
}

/// What others have changed last: among the last changes of all, since somebody's own may be a million.
pub(super) async fn others<S: Store + Clone + 'static>(
    session: &Session<S>,
) -> Result<Agenda, PageError> {
    let locale = &session.viewer.locale;
    let objects: Vec<&Object> = RECENT
        .iter()
        .filter_map(|name| session.registry().object(name))
        .map(AsRef::as_ref)
        .collect();
    let queries: Vec<Query> = objects
        .iter()
        .map(|object| {
            Query::new(object.name.clone())
                .column(&object.name_field)
                .column("updated_at")
                .column("updated_by_id")
                .order("updated_at", true)
                .limit(CHANGES)
        })
        .collect();
    let pages = try_join_all(queries.iter().map(|query| session.store.list(query))).await?;
    let mut found: Vec<(&Object, Record)> = objects
        .into_iter()
        .zip(pages)
        .flat_map(|(object, page)| page.records.into_iter().map(move |record| (object, record)))
        .filter(|(_, record)| record.get("updated_by_id").as_id() != Some(session.viewer.user_id))
        .collect();
    let instant = |record: &Record| match record.get("updated_at") {
        Value::DateTime(at) => Some(*at),
        _ => None,
    };
    found.sort_by_key(|(_, record)| std::cmp::Reverse(instant(record)));
    found.truncate(ROWS as usize);
    let names = names_in(
        &session.store,
        &found.iter().map(|(_, record)| record).collect::<Vec<_>>(),
    )
    .await?;
    let showing = Showing {
        locale,
        registry: session.registry(),
        names: &names,
        today: session.viewer.today(),
    };
    let rows = found.iter().map(|(object, record)| {
        let who = record
            .get("updated_by_id")
            .as_id()
            .and_then(|id| names.get(&id))
            .cloned();
        Row {
            href: format!("/{}/{}", object.plural, record.id),
            name: name_of(session, object, record),
            aside: object
                .field("updated_at")
                .map(|field| showing.value(object, field, record.get("updated_at")))
                .unwrap_or_default(),
            detail: format!(
                "{} · {}",
                locale.object(object),
                who.unwrap_or_else(|| locale.t("person-unknown").into_owned())
            ),
        }
    });
    Ok(agenda(
        session,
        "home-others",
        "home-others-none",
        None,
        rows.collect(),
    ))
}

fn agenda<S: Store>(
    session: &Session<S>,
    heading: &str,
    none: &str,
    all: Option<String>,
    rows: Vec<Row>,
) -> Agenda {
    let locale = &session.viewer.locale;
    Agenda {
        heading: locale.t(heading).into_owned(),
        all,
        rows,
        none: locale.t(none).into_owned(),
    }
}

/// Records as rows: one field at the end, one below the name.
async fn rows<S: Store + Clone + 'static>(
    session: &Session<S>,
    object: &Object,
    records: &[Record],
    (aside, detail): (&str, &str),
) -> Result<Vec<Row>, PageError> {
    let names = names_in(&session.store, &records.iter().collect::<Vec<_>>()).await?;
    let showing = Showing {
        locale: &session.viewer.locale,
        registry: session.registry(),
        names: &names,
        today: session.viewer.today(),
    };
    let value = |record: &Record, name: &str| {
        object
            .field(name)
            .map(|field| showing.field_of(object, field, record))
            .unwrap_or_default()
    };
    Ok(records
        .iter()
        .map(|record| Row {
            href: format!("/{}/{}", object.plural, record.id),
            name: name_of(session, object, record),
            aside: value(record, aside),
            detail: value(record, detail).text,
        })
        .collect())
}
