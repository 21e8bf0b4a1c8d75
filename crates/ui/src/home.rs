//! The home page: what waits for this person today.

use askama::Template;
use fieldstone_model::{Comparison, Filter, Object, Query, Record, Value};
use fieldstone_store::{Aggregate, Function, Store};
use jiff::{ToSpan as _, civil::Date};

use crate::{
    error::PageError,
    layout,
    list::table::{name_of, paths},
    notice::Notice,
    request::{PageResult, Pairs, Session},
    shown::{Showing, names_in},
};

/// Rows in each list.
const ROWS: u32 = 8;
/// Objects whose changes are worth a look.
const RECENT: [&str; 5] = ["deal", "account", "contact", "lead", "case"];
/// How far ahead "soon" reaches.
const SOON_DAYS: i64 = 30;

#[derive(Template)]
#[template(path = "home/home.html")]
struct Home<'a, S: Store> {
    session: &'a Session<S>,
    greeting: String,
    notice: Option<Notice>,
    figures: Vec<(String, String)>,
    lists: Vec<Agenda>,
}

/// A short list: heading, where all of it is, rows, what to say when there are none.
struct Agenda {
    heading: String,
    all: Option<String>,
    rows: Vec<Row>,
    none: String,
}

struct Row {
    href: String,
    name: String,
    aside: crate::shown::Shown,
    detail: String,
}

/// `GET /`.
pub(crate) async fn show<S: Store + Clone + 'static>(session: Session<S>) -> PageResult {
    let locale = &session.viewer.locale;
    let today = session.viewer.today();
    let home = Home {
        greeting: locale.t1(
            "home-greeting",
            "name",
            session
                .viewer
                .name
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned(),
        ),
        notice: Notice::of_request(&session).await?,
        figures: figures(&session, today).await?,
        lists: vec![
            tasks(&session).await?,
            closing(&session, today).await?,
            recent(&session).await?,
        ],
        session: &session,
    };
    Ok(session.page(locale.t("home"), &home))
}

fn mine<S: Store>(session: &Session<S>) -> Filter {
    Filter::equal("owner_id", Value::Id(session.viewer.user_id))
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

async fn figures<S: Store + Clone + 'static>(
    session: &Session<S>,
    today: Date,
) -> Result<Vec<(String, String)>, PageError> {
    let locale = &session.viewer.locale;
    let open = Aggregate::new("deal")
        .filter(mine(session))
        .filter(Filter::equal("status", text("open")))
        .count()
        .measure(Function::Sum, "amount");
    let since = today
        .first_of_month()
        .to_zoned(locale.time_zone().clone())
        .map(|start| Value::DateTime(start.timestamp()));
    let mut won = Aggregate::new("deal")
        .filter(mine(session))
        .filter(Filter::equal("status", text("won")))
        .count()
        .measure(Function::Sum, "amount");
    if let Ok(since) = since {
        won = won.filter(Filter::compare(
            "closed_at",
            Comparison::GreaterOrEqual,
            since,
        ));
    }
    let late = Aggregate::new("task")
        .filter(mine(session))
        .filter(Filter::compare(
            "status",
            Comparison::NotEqual,
            text("done"),
        ))
        .filter(Filter::compare(
            "due_date",
            Comparison::Less,
            Value::Date(today),
        ))
        .count();
    let number = |row: Option<&fieldstone_store::AggregateRow>, at: usize| {
        row.and_then(|row| row.figures.get(at))
            .and_then(Value::as_int)
            .unwrap_or(0)
    };
    let (open, won, late) = (
        session.store.aggregate(&open).await?,
        session.store.aggregate(&won).await?,
        session.store.aggregate(&late).await?,
    );
    // A figure to glance at needs no cents.
    let whole = |hundredths: i64| hundredths.saturating_add(hundredths.signum() * 50) / 100 * 100;
    let count = |count: i64| locale.count(count.unsigned_abs());
    Ok(vec![
        (
            locale.t("home-open-amount").into_owned(),
            locale.money(whole(number(open.first(), 1))),
        ),
        (
            locale.t("home-open-count").into_owned(),
            count(number(open.first(), 0)),
        ),
        (
            locale.t("home-won-month").into_owned(),
            locale.money(whole(number(won.first(), 1))),
        ),
        (
            locale.t("home-late-tasks").into_owned(),
            count(number(late.first(), 0)),
        ),
    ])
}

async fn tasks<S: Store + Clone + 'static>(session: &Session<S>) -> Result<Agenda, PageError> {
    let query = Query::new("task")
        .filter(mine(session))
        .filter(Filter::compare(
            "status",
            Comparison::NotEqual,
            text("done"),
        ))
        .order("due_date", false);
    let all = Pairs::default()
        .with("filter", "owner_id = :me")
        .with("filter", "status != \"done\"");
    agenda(
        session,
        ("home-tasks", "home-tasks-none"),
        query,
        ("due_date", "about_id"),
        &all,
    )
    .await
}

async fn closing<S: Store + Clone + 'static>(
    session: &Session<S>,
    today: Date,
) -> Result<Agenda, PageError> {
    let until = today.checked_add(SOON_DAYS.days()).unwrap_or(today);
    let query = Query::new("deal")
        .filter(mine(session))
        .filter(Filter::equal("status", text("open")))
        .filter(Filter::compare(
            "close_date",
            Comparison::GreaterOrEqual,
            Value::Date(today),
        ))
        .filter(Filter::compare(
            "close_date",
            Comparison::LessOrEqual,
            Value::Date(until),
        ))
        .order("close_date", false);
    let all = Pairs::default()
        .with("filter", "owner_id = :me")
        .with("filter", "status = \"open\"")
        .with("filter", "close_date >= :today")
        .with("filter", format!("close_date <= :today+{SOON_DAYS}"))
        .with("sort", "close_date");
    agenda(
        session,
        ("home-closing", "home-closing-none"),
        query,
        ("close_date", "amount"),
        &all,
    )
    .await
}

/// The first records of `query`: name, one field of detail, one at the end of the row.
async fn agenda<S: Store + Clone + 'static>(
    session: &Session<S>,
    texts: (&str, &str),
    query: Query,
    fields: (&str, &str),
    all: &Pairs,
) -> Result<Agenda, PageError> {
    let locale = &session.viewer.locale;
    let object = session
        .registry()
        .object(&query.object)
        .ok_or(PageError::NotFound)?;
    let columns = [fields.0.to_owned(), fields.1.to_owned()];
    let found = session
        .store
        .list(&query.columns(paths(object, &columns)).limit(ROWS))
        .await?;
    let names = names_in(&session.store, &found.records.iter().collect::<Vec<_>>()).await?;
    let showing = Showing {
        locale,
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
    let rows = found.records.iter().map(|record| Row {
        href: format!("/{}/{}", object.plural, record.id),
        name: name_of(session, object, record),
        aside: value(record, fields.0),
        detail: value(record, fields.1).text,
    });
    Ok(Agenda {
        heading: locale.t(texts.0).into_owned(),
        all: found
            .next
            .is_some()
            .then(|| format!("/{}{}", object.plural, all.to_query())),
        rows: rows.collect(),
        none: locale.t(texts.1).into_owned(),
    })
}

async fn recent<S: Store + Clone + 'static>(session: &Session<S>) -> Result<Agenda, PageError> {
    let locale = &session.viewer.locale;
    let mut found: Vec<(&Object, Record)> = Vec::new();
    for object in RECENT
        .iter()
        .filter_map(|name| session.registry().object(name))
    {
        let query = Query::new(object.name.clone())
            .column(&object.name_field)
            .column("updated_at")
            .order("updated_at", true)
            .limit(ROWS);
        found.extend(
            session
                .store
                .list(&query)
                .await?
                .records
                .into_iter()
                .map(|record| (object.as_ref(), record)),
        );
    }
    let instant = |record: &Record| match record.get("updated_at") {
        Value::DateTime(at) => Some(*at),
        _ => None,
    };
    found.sort_by_key(|(_, record)| std::cmp::Reverse(instant(record)));
    let names = crate::shown::Names::new();
    let showing = Showing {
        locale,
        registry: session.registry(),
        names: &names,
        today: session.viewer.today(),
    };
    let rows = found
        .iter()
        .take(ROWS as usize)
        .map(|(object, record)| Row {
            href: format!("/{}/{}", object.plural, record.id),
            name: name_of(session, object, record),
            aside: object
                .field("updated_at")
                .map(|field| showing.value(object, field, record.get("updated_at")))
                .unwrap_or_default(),
            detail: locale.object(object),
        });
    Ok(Agenda {
        heading: locale.t("home-recent").into_owned(),
        all: None,
        rows: rows.collect(),
        none: locale.t("home-recent-none").into_owned(),
    })
}

impl<S: Store> Home<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.session.viewer.locale.t(key)
    }

    /// What can be made from here, for those who may.
    fn makeable(&self) -> Vec<(String, String)> {
        let locale = &self.session.viewer.locale;
        let made = |name: &&str| {
            self.session
                .registry()
                .object(name)
                .filter(|object| self.session.may_write(object) && layout::has_pages(object))
        };
        ["deal", "task"]
            .iter()
            .filter_map(made)
            .map(|object| {
                (
                    format!("/{}/new", object.plural),
                    locale.t1("list-new", "object", locale.object_in_text(object)),
                )
            })
            .collect()
    }
}
