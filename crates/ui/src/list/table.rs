//! A table of records: in lists, beside records, on the home page.

use askama::Template;
use fieldstone_model::{Field, FieldType, Object, Record};
use fieldstone_store::Store;

use super::{
    wanted::Wanted,
    widths::{self, NARROWEST, WIDEST, Widths},
};
use crate::{
    error::PageError,
    request::{AtObject, Session},
    shown::{Names, Showing, Shown, names_in},
};

/// How wide the column for ticks is beside drawn ones.
const TICKS: u32 = 60;

/// Records as rows.
#[derive(Debug, Template)]
#[template(path = "list/table.html")]
pub(crate) struct Table {
    pub(crate) label: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
    /// The form that ticked rows belong to, and the label of a tick.
    pub(crate) ticks: Option<(&'static str, String)>,
    /// What all columns come to, once one was drawn wider or narrower.
    pub(crate) drawn: Option<u32>,
}

impl askama::filters::HtmlSafe for Table {}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) label: String,
    /// Whether its values line up at the end.
    pub(crate) end: bool,
    /// Where a click on the head leads, when it sorts.
    pub(crate) href: Option<String>,
    /// The value of `aria-sort`, when the table is sorted by it.
    pub(crate) sorted: Option<&'static str>,
    /// Its edge that is drawn, where columns can be.
    pub(crate) grip: Option<Grip>,
}

/// A column's edge.
#[derive(Debug)]
pub(crate) struct Grip {
    pub(crate) field: String,
    pub(crate) label: String,
    pub(crate) width: u32,
}

impl Grip {
    const NARROWEST: u32 = NARROWEST;
    const WIDEST: u32 = WIDEST;
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) cells: Vec<Shown>,
}

/// The columns a query needs for a table: name, what is shown, and what says whether a day is missed.
pub(crate) fn paths<'a>(object: &'a Object, columns: &'a [String]) -> Vec<&'a str> {
    let mut paths = vec![object.name_field.as_ref()];
    for name in columns.iter().map(String::as_str).chain(["status"]) {
        if !paths.contains(&name) && object.field(name).is_some() {
            paths.push(name);
        }
    }
    paths
}

/// The path that sorts by a field, if a list can do that quickly at any size.
pub(crate) fn sort_path(field: &Field) -> Option<&str> {
    match &*field.name {
        // Ids are in order of creation, and always indexed.
        "created_at" => Some("id"),
        name => (field.indexed && field.is_sortable() && !field.kind.is_relation()).then_some(name),
    }
}

impl Table {
    /// With a tick before each row that belongs to the form of this id.
    pub(crate) fn with_ticks(mut self, form: &'static str, label: String) -> Self {
        self.ticks = Some((form, label));
        self
    }

    /// With columns that can be drawn, as wide as they were drawn.
    pub(crate) fn with_widths<S: Store>(
        mut self,
        at: &AtObject<S>,
        columns: &[String],
        widths: &Widths,
    ) -> Self {
        let object = &at.object;
        let fields = columns.iter().filter_map(|name| object.field(name));
        let fields = object.name_field().into_iter().chain(fields);
        let (mut total, mut any) = (0, false);
        for (column, field) in self.columns.iter_mut().zip(fields) {
            let drawn = widths.of(&field.name);
            any |= drawn.is_some();
            let is_name = field.name == object.name_field;
            let width = drawn.unwrap_or_else(|| widths::usual(field, is_name));
            total += width;
            column.grip = Some(Grip {
                field: field.name.to_string(),
                label: at
                    .viewer
                    .locale
                    .t1("columns-width", "column", column.label.as_str()),
                width,
            });
        }
        self.drawn = any.then_some(total);
        self
    }

    /// How wide the table is with drawn columns, the one for ticks included.
    fn total(&self) -> Option<u32> {
        let ticks = if self.ticks.is_some() { TICKS } else { 0 };
        self.drawn.map(|drawn| drawn + ticks)
    }

    /// Whether columns can be drawn.
    fn is_drawable(&self) -> bool {
        self.columns.iter().any(|column| column.grip.is_some())
    }

    fn tick_heading(&self) -> &str {
        self.ticks.as_ref().map_or("", |(_, label)| label)
    }

    /// A table of `records` with the names of everything they refer to; with `wanted`, its head sorts.
    pub(crate) async fn of_list<S: Store>(
        session: &Session<S>,
        object: &Object,
        columns: &[String],
        records: &[Record],
        wanted: Option<&Wanted>,
    ) -> Result<Self, PageError> {
        let names = names_in(&session.store, &records.iter().collect::<Vec<_>>()).await?;
        Ok(Self::build(
            session, object, columns, records, &names, wanted,
        ))
    }

    fn build<S: Store>(
        session: &Session<S>,
        object: &Object,
        columns: &[String],
        records: &[Record],
        names: &Names,
        wanted: Option<&Wanted>,
    ) -> Self {
        let locale = &session.viewer.locale;
        let showing = Showing {
            locale,
            registry: session.registry(),
            names,
            today: session.viewer.today(),
        };
        let fields: Vec<&Field> = columns
            .iter()
            .filter_map(|name| object.field(name))
            .collect();
        let head =
            |field: &Field| column(locale.field(object, field), field, wanted, &session.path);
        let rows = records.iter().map(|record| Row {
            id: record.id.to_string(),
            href: format!("/{}/{}", object.plural, record.id),
            name: name_of(session, object, record),
            cells: fields
                .iter()
                .map(|field| showing.field_of(object, field, record))
                .collect(),
        });
        Self {
            label: locale.objects(object),
            columns: object
                .name_field()
                .into_iter()
                .chain(fields.iter().copied())
                .map(head)
                .collect(),
            rows: rows.collect(),
            ticks: None,
            drawn: None,
        }
    }
}

/// What a record is called; one without a name still needs something to click on.
pub(crate) fn name_of<S: Store>(session: &Session<S>, object: &Object, record: &Record) -> String {
    let name = record
        .get(&object.name_field)
        .as_text()
        .map(str::trim)
        .filter(|name| !name.is_empty());
    name.map_or_else(
        || session.viewer.locale.t("record-untitled").into_owned(),
        str::to_owned,
    )
}

fn column(label: String, field: &Field, wanted: Option<&Wanted>, path: &str) -> Column {
    let end = field.kind.scale().is_some();
    let (Some(wanted), Some(sort)) = (wanted, sort_path(field)) else {
        return Column {
            label,
            end,
            href: None,
            sorted: None,
            grip: None,
        };
    };
    let sorted = match wanted.query.order.first() {
        Some(order) if order.path.as_field() == Some(sort) => Some(if order.descending {
            "descending"
        } else {
            "ascending"
        }),
        None if sort == "id" => Some("descending"),
        _ => None,
    };
    // Numbers and days are first wanted from the largest down, names from A.
    let largest_first = end || matches!(field.kind, FieldType::Date | FieldType::DateTime);
    let descend = match sorted {
        Some(now) => now == "ascending",
        None => largest_first,
    };
    let value = format!("{}{sort}", if descend { "-" } else { "" });
    Column {
        label,
        end,
        href: Some(format!(
            "{path}{}",
            wanted
                .parameters
                .without("sort")
                .with("sort", value)
                .to_query()
        )),
        sorted,
        grip: None,
    }
}
