//! Reports: figures over any object's records, in up to two groupings, as a table with bars; each row leads to its records.
//!
//! A report is its address, so it is kept as a view is. Averages are sums over counts, so that nobody averages averages.

mod table;

use std::sync::Arc;

use askama::Template;
use axum::response::{IntoResponse as _, Redirect};
use fieldstone_model::{
    Field, FieldType, Object,
    query::{Environment, Path, parse_filter},
};
use fieldstone_store::{Aggregate, Bucket, Function, Store};

use crate::{
    error::PageError,
    layout,
    list::{Change, Condition, Surroundings, condition},
    locale::Locale,
    report::table::Table,
    request::{PageResult, Pairs, Session, Submitted},
    shelf::View,
};

/// What a report's filter stands in.
const FILTER: Surroundings = Surroundings {
    address: "/reports",
    method: "get",
    heading: "report-filter",
    without: "report-of-all",
    help: "automation-if-help",
    personal: true,
    along: None,
};
/// Most rows of a grouping.
const ROWS: u32 = 500;
/// The name that views of reports are kept under.
pub(crate) const KEPT_AS: &str = "report";
/// Rows of a report on a dashboard.
const TILE_ROWS: usize = 12;

type Choice = (String, String, bool);

#[derive(Template)]
#[template(path = "report/report.html")]
struct Page<'a, S: Store> {
    session: &'a Session<S>,
    title: String,
    objects: Vec<Choice>,
    firsts: Vec<Choice>,
    seconds: Vec<Choice>,
    buckets: Vec<Choice>,
    measures: Vec<Choice>,
    condition: Condition,
    table: Option<Table>,
    views: Option<Vec<View>>,
    query: String,
}

/// What a report's address asks for.
struct Wanted<'a> {
    object: &'a Arc<Object>,
    first: Option<&'a Field>,
    second: Option<&'a Field>,
    bucket: Bucket,
    measure: Measure<'a>,
    /// The filter as text.
    filter: String,
}

/// The figure.
#[derive(Clone, Copy, PartialEq)]
enum Measure<'a> {
    Count,
    Of(&'static str, &'a Field),
}

/// Figures of fields, by name.
const FIGURES: [&str; 4] = ["sum", "avg", "min", "max"];

/// Fields that records can be grouped by.
fn groupable(object: &Object) -> impl Iterator<Item = &Field> {
    object.fields.iter().filter(|field| {
        field.is_filterable()
            && Locale::is_shown(field)
            && !matches!(
                field.kind,
                FieldType::MultiChoice { .. } | FieldType::AnyRelation { .. } | FieldType::Id
            )
    })
}

/// Fields that figures can be of.
fn measurable(object: &Object) -> impl Iterator<Item = &Field> {
    object.fields.iter().filter(|field| {
        field.is_filterable() && Locale::is_shown(field) && field.kind.scale().is_some()
    })
}

impl<'a> Wanted<'a> {
    fn read<S: Store>(session: &'a Session<S>, given: &Pairs) -> Option<Self> {
        let registry = session.registry();
        let object = registry
            .object(given.filled("object").unwrap_or("deal"))
            .filter(|object| layout::has_pages(object))?;
        let group = |name: &str| {
            let wanted = given.filled(name)?;
            groupable(object).find(|field| field.name == wanted)
        };
        let first = group("by").or_else(|| {
            let usual = ["stage_id", "status", "kind", "owner_id"];
            let unsaid = given.get("by").is_none();
            usual
                .iter()
                .filter(|_| unsaid)
                .find_map(|name| groupable(object).find(|field| field.name == *name))
        });
        let measure = given.filled("measure").and_then(|text| {
            let (function, field) = text.split_once(':')?;
            let function = FIGURES.into_iter().find(|known| *known == function)?;
            Some(Measure::Of(
                function,
                measurable(object).find(|known| known.name == field)?,
            ))
        });
        Some(Self {
            object,
            first,
            second: group("then")
                .filter(|second| first.is_none_or(|first| first.name != second.name)),
            bucket: if given.get("bucket") == Some("year") {
                Bucket::Year
            } else {
                Bucket::Month
            },
            measure: measure.unwrap_or(Measure::Count),
            filter: given.filled("filter").unwrap_or_default().to_owned(),
        })
    }

    fn bucket_of(&self, field: &Field) -> Option<Bucket> {
        matches!(field.kind, FieldType::Date | FieldType::DateTime).then_some(self.bucket)
    }

    /// The question to the store; what is wrong with the filter otherwise.
    fn asked<S: Store>(&self, session: &Session<S>) -> Result<Aggregate, String> {
        let environment = Environment {
            me: session.viewer.user_id,
            today: session.viewer.today(),
        };
        let filter = parse_filter(session.registry(), self.object, environment, &self.filter)
            .map_err(|error| error.to_string())?;
        filter
            .check(session.registry(), self.object)
            .map_err(|error| error.to_string())?;
        let mut asked = Aggregate::new(self.object.name.to_string()).filter(filter);
        asked.limit = ROWS;
        for field in [self.first, self.second].into_iter().flatten() {
            asked = asked.group(&field.name, self.bucket_of(field));
        }
        asked = asked.count();
        if let Measure::Of(function, field) = self.measure {
            let function = match function {
                "min" => Function::Min,
                "max" => Function::Max,
                _ => Function::Sum,
            };
            asked = asked.measure(function, &field.name);
            asked.measures.push(fieldstone_store::Measure {
                function: Function::Count,
                path: Some(Path::from_text(&field.name)),
            });
        }
        Ok(asked)
    }
}

/// A report as it stands on a dashboard.
pub(crate) struct Tile {
    pub(crate) first: String,
    pub(crate) measure: String,
    pub(crate) rows: Vec<table::Row>,
    pub(crate) total: Option<String>,
    /// Whether its groups follow each other in time.
    pub(crate) is_over_time: bool,
    /// Whether there is more of it than fits.
    pub(crate) is_cut: bool,
}

/// The figures of the report that `pairs` describe; what is wrong with its filter otherwise.
pub(crate) async fn tile<S: Store + Clone + 'static>(
    session: &Session<S>,
    pairs: &Pairs,
) -> Result<Result<Tile, String>, PageError> {
    let gone = || {
        session
            .viewer
            .locale
            .t("dashboard-object-gone")
            .into_owned()
    };
    let Some(wanted) = Wanted::read(session, pairs) else {
        return Ok(Err(gone()));
    };
    let asked = match wanted.asked(session) {
        Ok(asked) => asked,
        Err(error) => return Ok(Err(error)),
    };
    let rows = session.store.aggregate(&asked).await?;
    let table = Table::of(session, &wanted, &rows).await?;
    let is_over_time = wanted
        .first
        .is_some_and(|field| wanted.bucket_of(field).is_some());
    let is_cut = table.is_cut || table.rows.len() > TILE_ROWS;
    let mut rows = table.rows;
    // Of what follows in time the latest, of the rest the first.
    let beyond = rows.len().saturating_sub(TILE_ROWS);
    if is_over_time {
        rows.drain(..beyond);
    } else {
        rows.truncate(TILE_ROWS);
    }
    Ok(Ok(Tile {
        first: table.first,
        measure: table.measure,
        rows,
        total: table.total,
        is_over_time,
        is_cut,
    }))
}

/// `GET /reports?object=…&by=…&then=…&bucket=…&measure=…&filter=…`.
pub(crate) async fn show<S: Store + Clone + 'static>(session: Session<S>) -> PageResult {
    let locale = &session.viewer.locale;
    let wanted = Wanted::read(&session, &session.parameters).ok_or(PageError::NotFound)?;
    let (mut table, mut filter_error) = (None, None);
    match wanted.asked(&session) {
        Ok(asked) => {
            let rows = session.store.aggregate(&asked).await?;
            table = Some(Table::of(&session, &wanted, &rows).await?);
        }
        Err(error) => filter_error = Some(error),
    }
    let form: Vec<(String, String)> = session
        .parameters
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let change = if session.parameters.get("if-do").is_some() {
        Change::Asked
    } else if session.parameters.get("show").is_some() {
        Change::Saved
    } else {
        Change::Nothing
    };
    let (object, text) = (wanted.object, &wanted.filter);
    let condition = condition(&session, object, FILTER, text, &form, change, filter_error).await?;
    let address = address(&session.parameters);
    if condition.text() != wanted.filter {
        let mut address = address.without("filter");
        if !condition.text().is_empty() {
            address = address.with("filter", condition.text());
        }
        return Ok(Redirect::to(&format!("/reports{}", address.to_query())).into_response());
    }
    let views = match &session.shelf {
        Some(shelf) => Some(shelf.0.views(KEPT_AS).await?),
        None => None,
    };
    let group = |chosen: Option<&Field>| {
        let none = (
            String::new(),
            locale.t("report-nothing").into_owned(),
            chosen.is_none(),
        );
        let fields = groupable(wanted.object).map(|field| {
            (
                field.name.to_string(),
                locale.field(wanted.object, field),
                chosen.is_some_and(|chosen| chosen.name == field.name),
            )
        });
        std::iter::once(none).chain(fields).collect::<Vec<_>>()
    };
    let title = locale.t("reports").into_owned();
    let page = Page {
        title: title.clone(),
        objects: session
            .registry()
            .objects()
            .filter(|object| layout::has_pages(object))
            .map(|object| {
                (
                    object.name.to_string(),
                    locale.objects(object),
                    object.name == wanted.object.name,
                )
            })
            .collect(),
        firsts: group(wanted.first),
        seconds: group(wanted.second),
        buckets: [
            ("month", "home-month", Bucket::Month),
            ("year", "report-year", Bucket::Year),
        ]
        .map(|(value, key, bucket)| {
            (
                value.to_owned(),
                locale.t(key).into_owned(),
                bucket == wanted.bucket,
            )
        })
        .to_vec(),
        measures: measures(locale, &wanted),
        condition,
        table,
        views,
        query: address.to_query(),
        session: &session,
    };
    Ok(session.page(title, &page))
}

/// What says which report it is; the rest of an address is for once.
fn address(given: &Pairs) -> Pairs {
    given
        .iter()
        .filter(|(name, _)| {
            !matches!(*name, "notice" | "about" | "show") && !name.starts_with("if-")
        })
        .fold(Pairs::default(), |pairs, (name, value)| {
            pairs.with(name, value)
        })
}

fn measures(locale: &Locale, wanted: &Wanted<'_>) -> Vec<Choice> {
    let mut measures = vec![(
        "count".to_owned(),
        locale.t("report-count").into_owned(),
        wanted.measure == Measure::Count,
    )];
    for field in measurable(wanted.object) {
        for function in FIGURES {
            let label = locale.t1(
                &format!("report-{function}"),
                "field",
                locale.field(wanted.object, field),
            );
            let chosen = matches!(wanted.measure, Measure::Of(known, of) if known == function && of.name == field.name);
            measures.push((format!("{function}:{}", field.name), label, chosen));
        }
    }
    measures
}

/// `POST /reports` with a name and the address: keeps the report; with `id` and `do=remove`, removes it.
pub(crate) async fn keep<S: Store + Clone + 'static>(
    session: Session<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    let shelf = session.shelf.clone().ok_or(PageError::NotFound)?;
    if pairs.get("do") == Some("remove") {
        let id = pairs
            .get("id")
            .and_then(|id| id.parse().ok())
            .ok_or(PageError::Invalid)?;
        shelf.0.remove(id).await?;
        return Ok(Redirect::to("/reports").into_response());
    }
    let name: String = pairs
        .filled("name")
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(80)
        .collect();
    let query = Pairs::parse(
        pairs
            .get("query")
            .unwrap_or_default()
            .trim_start_matches('?'),
    )
    .ok_or(PageError::Invalid)?
    .to_query();
    let shared = pairs.get("shared").is_some();
    if name.is_empty() || query.len() > 4000 {
        return Err(PageError::Invalid);
    }
    if shared && !session.can(fieldstone_model::Capability::RecordsWrite) {
        return Err(PageError::Forbidden);
    }
    shelf
        .0
        .keep(KEPT_AS, &name, query.trim_start_matches('?'), shared)
        .await?;
    Ok(Redirect::to(&format!("/reports{query}")).into_response())
}

impl<S: Store> Page<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.session.viewer.locale.t(key)
    }

    fn may_share(&self) -> bool {
        self.session.can(fieldstone_model::Capability::RecordsWrite)
    }
}
