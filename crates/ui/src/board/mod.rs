//! The board: deals as cards under their stages, moved by hand or by keys; a deal that is lost is asked why.

mod moving;

use std::collections::HashMap;

use askama::Template;
use axum::response::{IntoResponse as _, Redirect};
use fieldstone_model::{Comparison, Filter, Query, Record, RecordId, Stage, StageKind, Value};
use fieldstone_store::{Aggregate, AggregateRow, Function, Store};
use futures_util::{future::try_join_all, try_join};
use jiff::SignedDuration;

pub(crate) use moving::submit;

use crate::{
    error::PageError,
    home::{Whose, number, whole},
    list::table::name_of,
    notice::Notice,
    request::{AtObject, PageResult, Pairs},
    shown::{Showing, Shown, names_in},
};

/// Cards under a stage.
const CARDS: u32 = 50;
/// How long a closed deal stays on the board.
const CLOSED: SignedDuration = SignedDuration::from_hours(30 * 24);
/// After so many days without a change a deal begins to rot, and then to smell.
const ROTTING_DAYS: i64 = 14;
const ROTTEN_DAYS: i64 = 30;
/// What a card shows.
const COLUMNS: [&str; 8] = [
    "name",
    "amount",
    "account_id",
    "close_date",
    "owner_id",
    "status",
    "updated_at",
    "stage_id",
];

#[derive(Template)]
#[template(path = "board/board.html")]
struct Board<'a, S: Store> {
    at: &'a AtObject<S>,
    title: String,
    notice: Option<Notice>,
    whose: Whose,
    /// Pipelines to choose from, when there are several: id, name, whether chosen.
    pipelines: Vec<(String, String, bool)>,
    pipeline: RecordId,
    lanes: Vec<Lane>,
    here: String,
}

/// A stage with its cards.
struct Lane {
    id: RecordId,
    name: String,
    kind: &'static str,
    count: String,
    total: String,
    weighted: Option<String>,
    cards: Vec<Card>,
    all: Option<String>,
}

struct Card {
    href: String,
    name: String,
    version: i64,
    amount: String,
    account: String,
    owner: String,
    close: Shown,
    /// Whether nothing has changed for long, and how that is said.
    rot: Option<(&'static str, String)>,
    moved: bool,
}

/// `GET /deals/board?pipeline=…&whose=…`.
pub(crate) async fn show<S: Store + Clone + 'static>(at: AtObject<S>) -> PageResult {
    if at.object.name != "deal" {
        return Err(PageError::NotFound);
    }
    let whose = Whose::of(&at, Whose::All);
    let stages = stages_shown(&at);
    let Some(pipeline) = stages.first().map(|stage| stage.pipeline_id) else {
        // Without stages there is nothing to put cards under.
        return Ok(Redirect::to("/deals").into_response());
    };
    let mut ids: Vec<RecordId> = at
        .registry()
        .stages()
        .iter()
        .map(|stage| stage.pipeline_id)
        .collect();
    ids.dedup();
    let queries: Vec<Query> = stages
        .iter()
        .map(|stage| query(&at, whose, stage))
        .collect();
    let asked = totals_asked(&at, whose, &stages);
    let (notice, pages, totals, names) = try_join!(
        Notice::of_request(&at),
        try_join_all(queries.iter().map(|query| at.store.list(query))),
        try_join_all(asked.iter().map(|asked| at.store.aggregate(asked))),
        at.store.names(&ids),
    )?;
    let records: Vec<&Record> = pages.iter().flat_map(|page| &page.records).collect();
    let referred = names_in(&at.store, &records).await?;
    let showing = Showing {
        locale: &at.viewer.locale,
        registry: at.registry(),
        names: &referred,
        today: at.viewer.today(),
    };
    let sums = sums(totals.iter().flatten());
    let lanes = stages.iter().zip(&pages).map(|(stage, page)| {
        let (count, total, weighted) = sums.get(&stage.id).copied().unwrap_or_default();
        let locale = &at.viewer.locale;
        Lane {
            id: stage.id,
            name: stage.name.clone(),
            kind: stage.kind.name(),
            count: locale.count(count.unsigned_abs()),
            total: locale.money(whole(total)),
            weighted: (stage.kind == StageKind::Open)
                .then(|| locale.money(whole(i64::try_from(weighted).unwrap_or(i64::MAX)))),
            cards: page
                .records
                .iter()
                .map(|record| card(&at, &showing, record))
                .collect(),
            all: page.next.is_some().then(|| {
                format!(
                    "/deals{}",
                    whose
                        .pairs()
                        .with("filter", format!("stage_id = \"{}\"", stage.id))
                        .to_query()
                )
            }),
        }
    });
    let title = at.viewer.locale.objects(&at.object);
    let here = ["notice", "about", "moved"]
        .iter()
        .fold(at.parameters.clone(), |pairs, name| pairs.without(name));
    let page = Board {
        title: title.clone(),
        notice,
        whose,
        pipelines: if ids.len() > 1 {
            ids.iter()
                .map(|id| {
                    (
                        id.to_string(),
                        names.get(id).cloned().unwrap_or_default(),
                        *id == pipeline,
                    )
                })
                .collect()
        } else {
            Vec::new()
        },
        pipeline,
        lanes: lanes.collect(),
        here: format!("/deals/board{}", here.to_query()),
        at: &at,
    };
    Ok(at.page(title, &page))
}

/// Count, total and weighted total by stage.
fn sums<'a>(totals: impl Iterator<Item = &'a AggregateRow>) -> HashMap<RecordId, (i64, i64, i128)> {
    let mut sums: HashMap<RecordId, (i64, i64, i128)> = HashMap::new();
    for row in totals {
        let Some(stage) = row.keys.first().and_then(Value::as_id) else {
            continue;
        };
        let chance = row.keys.get(1).and_then(Value::as_int).unwrap_or(0);
        let amount = number(Some(row), 1);
        let sum = sums.entry(stage).or_default();
        sum.0 += number(Some(row), 0);
        sum.1 = sum.1.saturating_add(amount);
        sum.2 += i128::from(amount) * i128::from(chance) / 10_000;
    }
    sums
}

/// The stages of the pipeline that is asked for, or of the first one.
fn stages_shown<S: Store>(at: &AtObject<S>) -> Vec<Stage> {
    let stages = at.registry().stages();
    let wanted: Option<RecordId> = at.parameters.get("pipeline").and_then(|id| id.parse().ok());
    let pipeline = wanted
        .filter(|wanted| stages.iter().any(|stage| stage.pipeline_id == *wanted))
        .or_else(|| at.registry().first_stage().map(|stage| stage.pipeline_id));
    stages
        .iter()
        .filter(|stage| Some(stage.pipeline_id) == pipeline)
        .cloned()
        .collect()
}

/// Closed deals leave the board after a while.
fn still_shown<S: Store>(at: &AtObject<S>, stage: &Stage) -> Filter {
    if stage.kind == StageKind::Open {
        return Filter::All;
    }
    let since = Value::DateTime(at.viewer.now - CLOSED);
    Filter::compare("closed_at", Comparison::GreaterOrEqual, since)
}

/// What is to close first, or was closed last.
fn query<S: Store>(at: &AtObject<S>, whose: Whose, stage: &Stage) -> Query {
    let by = if stage.kind == StageKind::Open {
        "close_date"
    } else {
        "closed_at"
    };
    Query::new("deal")
        .columns(COLUMNS)
        .filter(whose.filter(at))
        .filter(Filter::equal("stage_id", Value::Id(stage.id)))
        .filter(still_shown(at, stage))
        .order(by, stage.kind != StageKind::Open)
        .limit(CARDS)
}

/// Totals of the open stages at once, of each closed one alone. By probability too, since a deal may have another than its stage.
fn totals_asked<S: Store>(at: &AtObject<S>, whose: Whose, stages: &[Stage]) -> Vec<Aggregate> {
    let figures = |filter: Filter| {
        Aggregate::new("deal")
            .filter(whose.filter(at))
            .filter(filter)
            .group("stage_id", None)
            .group("probability", None)
            .count()
            .measure(Function::Sum, "amount")
    };
    let open = Filter::equal("status", Value::Text("open".to_owned()));
    let closed = stages.iter().filter(|stage| stage.kind != StageKind::Open);
    let closed = closed
        .map(|stage| Filter::equal("stage_id", Value::Id(stage.id)).and(still_shown(at, stage)));
    std::iter::once(open).chain(closed).map(figures).collect()
}

fn card<S: Store>(at: &AtObject<S>, showing: &Showing<'_>, record: &Record) -> Card {
    let locale = showing.locale;
    let shown = |name: &str| {
        at.object
            .field(name)
            .map(|field| showing.field_of(&at.object, field, record))
            .unwrap_or_default()
    };
    let days = match record.get("updated_at") {
        Value::DateTime(updated) => at.viewer.now.duration_since(*updated).as_hours() / 24,
        _ => 0,
    };
    let is_open = record.get("status").as_text() == Some("open");
    let rot = match days {
        _ if !is_open => None,
        ROTTEN_DAYS.. => Some("rotten"),
        ROTTING_DAYS.. => Some("rotting"),
        _ => None,
    };
    Card {
        href: format!("/deals/{}", record.id),
        name: name_of(at, &at.object, record),
        version: record.version,
        amount: shown("amount").text,
        account: shown("account_id").text,
        owner: shown("owner_id").text,
        close: shown("close_date"),
        rot: rot.map(|class| (class, locale.t1("board-quiet", "days", days))),
        moved: at.parameters.get("moved") == Some(record.id.as_str()),
    }
}

impl<S: Store> Board<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.at.viewer.locale.t(key)
    }

    fn may_write(&self) -> bool {
        self.at.may_write(&self.at.object)
    }

    fn may_edit_stages(&self) -> bool {
        self.at
            .registry()
            .object("stage")
            .is_some_and(|stage| self.at.may_write(stage))
    }

    /// The address of this board for one's own deals, or for all.
    fn of(&self, whose: &str) -> String {
        let pairs: Pairs = self
            .at
            .parameters
            .without("whose")
            .without("notice")
            .without("about")
            .without("moved");
        let pairs = if whose == "mine" {
            pairs.with("whose", "mine")
        } else {
            pairs
        };
        format!("/deals/board{}", pairs.to_query())
    }

    fn is_mine(&self) -> bool {
        self.whose == Whose::Mine
    }

    fn new_label(&self) -> String {
        let locale = &self.at.viewer.locale;
        locale.t1("list-new", "object", locale.object_in_text(&self.at.object))
    }
}
