//! The home page: how the pipeline stands, what waits for this person today, what others did, and what went quiet.
//!
//! Everything on it is asked for at the same time; figures come from aggregates, never from reading records one by one.

mod agenda;
mod chart;

use askama::Template;
use fieldstone_model::{Comparison, Filter, Value};
use fieldstone_store::{Aggregate, AggregateRow, Function, Store};
use futures_util::try_join;
use jiff::civil::Date;

use crate::{
    error::PageError,
    home::{
        agenda::Agenda,
        chart::{Months, Stages},
    },
    layout,
    notice::Notice,
    request::{PageResult, Pairs, Session},
};

#[derive(Template)]
#[template(path = "home/home.html")]
struct Home<'a, S: Store> {
    session: &'a Session<S>,
    greeting: String,
    notice: Option<Notice>,
    whose: Whose,
    figures: Vec<Figure>,
    stages: Stages,
    closing: Months,
    closed: Months,
    lists: Vec<Agenda>,
}

/// A number to glance at, and what is behind it.
struct Figure {
    label: String,
    text: String,
    href: String,
    late: bool,
}

/// Whose deals the figures are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Mine,
    All,
}

/// `GET /?whose=all`.
pub(crate) async fn show<S: Store + Clone + 'static>(session: Session<S>) -> PageResult {
    let locale = &session.viewer.locale;
    let today = session.viewer.today();
    let whose = Whose::of(&session, Whose::Mine);
    let (notice, counted, stages, closing, closed, tasks, others, quiet) = try_join!(
        async { Notice::of_request(&session).await.map_err(PageError::from) },
        counted(&session, whose, today),
        chart::stages(&session, whose),
        chart::closing(&session, whose, today),
        chart::closed(&session, whose, today),
        agenda::tasks(&session),
        agenda::others(&session),
        agenda::quiet(&session, whose),
    )?;
    let first_name = session
        .viewer
        .name
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    let home = Home {
        greeting: locale.t1("home-greeting", "name", first_name),
        notice,
        whose,
        figures: figures(&session, whose, &stages, counted),
        stages,
        closing,
        closed,
        lists: vec![tasks, quiet, others],
        session: &session,
    };
    Ok(session.page(locale.t("home"), &home))
}

impl Whose {
    /// What the address asks for.
    pub(crate) fn of<S: Store>(session: &Session<S>, otherwise: Self) -> Self {
        match session.parameters.get("whose") {
            Some("all") => Self::All,
            Some("mine") => Self::Mine,
            _ => otherwise,
        }
    }

    /// The records that count.
    pub(crate) fn filter<S: Store>(self, session: &Session<S>) -> Filter {
        match self {
            Self::Mine => Filter::equal("owner_id", Value::Id(session.viewer.user_id)),
            Self::All => Filter::All,
        }
    }

    /// The same in a list's address.
    pub(crate) fn pairs(self) -> Pairs {
        match self {
            Self::Mine => Pairs::default().with("filter", "owner_id = :me"),
            Self::All => Pairs::default(),
        }
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// A figure of a row; nothing counts as zero.
pub(crate) fn number(row: Option<&AggregateRow>, at: usize) -> i64 {
    row.and_then(|row| row.figures.get(at))
        .and_then(Value::as_int)
        .unwrap_or(0)
}

/// A figure to glance at needs no cents.
pub(crate) fn whole(hundredths: i64) -> i64 {
    hundredths.saturating_add(hundredths.signum() * 50) / 100 * 100
}

/// What isn't in a chart.
#[derive(Debug, Clone, Copy)]
struct Counted {
    /// What the deals won this month come to.
    won: i64,
    late_tasks: i64,
}

async fn counted<S: Store + Clone + 'static>(
    session: &Session<S>,
    whose: Whose,
    today: Date,
) -> Result<Counted, PageError> {
    let mut won = Aggregate::new("deal")
        .filter(whose.filter(session))
        .filter(Filter::equal("status", text("won")))
        .measure(Function::Sum, "amount");
    let first = today.first_of_month();
    if let Ok(since) = first.to_zoned(session.viewer.locale.time_zone().clone()) {
        let since = Value::DateTime(since.timestamp());
        won = won.filter(Filter::compare(
            "closed_at",
            Comparison::GreaterOrEqual,
            since,
        ));
    }
    let late = Aggregate::new("task")
        .filter(Whose::Mine.filter(session))
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
    let (won, late) = try_join!(
        session.store.aggregate(&won),
        session.store.aggregate(&late),
    )?;
    Ok(Counted {
        won: number(won.first(), 0),
        late_tasks: number(late.first(), 0),
    })
}

fn figures<S: Store>(
    session: &Session<S>,
    whose: Whose,
    open: &Stages,
    counted: Counted,
) -> Vec<Figure> {
    let locale = &session.viewer.locale;
    let count = |count: i64| locale.count(count.unsigned_abs());
    let figure = |key: &str, text: String, path: &str, pairs: Pairs| Figure {
        label: locale.t(key).into_owned(),
        text,
        href: format!("{path}{}", pairs.to_query()),
        late: false,
    };
    let late = counted.late_tasks;
    let open_deals = whose.pairs().with("filter", "status = \"open\"");
    vec![
        figure(
            "home-open-amount",
            locale.money(whole(open.amount)),
            "/deals",
            open_deals.clone().with("sort", "-amount"),
        ),
        figure("home-open-count", count(open.count), "/deals", open_deals),
        figure(
            "home-won-month",
            locale.money(whole(counted.won)),
            "/deals",
            whose
                .pairs()
                .with("filter", "status = \"won\"")
                .with("filter", "closed_at >= :month"),
        ),
        Figure {
            late: late > 0,
            ..figure(
                "home-late-tasks",
                count(late),
                "/tasks",
                Whose::Mine
                    .pairs()
                    .with("filter", "status != \"done\"")
                    .with("filter", "due_date < :today"),
            )
        },
    ]
}

impl<S: Store> Home<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.session.viewer.locale.t(key)
    }

    fn is_mine(&self) -> bool {
        self.whose == Whose::Mine
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
