//! Lists: the records of one object, filtered, searched, sorted and paged by keys, all of it in the address.

mod bulk;
mod columns;
mod condition;
mod export;
mod filter;
pub(crate) mod table;
mod views;
mod wanted;
mod widths;
mod words;

pub(crate) use bulk::{field as bulk_field, reverse as bulk_reverse, submit as bulk_submit};
pub use condition::{Change, Condition, Surroundings, condition, in_words};
pub use export::{Listed, listed};
pub(crate) use views::{change as change_view, keep as keep_view};
pub(crate) use widths::submit as submit_widths;

use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};
use fieldstone_store::{Coverage, Store, StoreError};

use crate::{
    error::PageError,
    frame::html_response,
    list::{
        filter::{Chip, Sheet},
        table::Table,
        wanted::Wanted,
    },
    notice::Notice,
    request::{AtObject, PageResult},
};

#[derive(Template)]
#[template(path = "list/list.html")]
struct List<'a, S: Store> {
    at: &'a AtObject<S>,
    title: String,
    notice: Option<Notice>,
    deleted: bool,
    wanted: &'a Wanted,
    chips: Vec<Chip>,
    sheet: Box<Sheet>,
    table: Table,
    sorts: Vec<Sort>,
    previous: Option<String>,
    next: Option<String>,
    count: Option<String>,
    purpose: Option<String>,
    views: Option<Vec<views::ViewEntry>>,
    /// Columns to choose from: name, label, whether shown.
    choosable: Vec<(String, String, bool)>,
}

/// One way to sort, for screens too narrow for a table's head.
struct Sort {
    value: String,
    label: String,
    chosen: bool,
}

/// `GET /{objects}`: living records.
pub(crate) async fn show<S: Store + Clone + 'static>(at: AtObject<S>) -> PageResult {
    page(at, false).await
}

/// `GET /{objects}/deleted`: records that can be restored.
pub(crate) async fn deleted<S: Store + Clone + 'static>(at: AtObject<S>) -> PageResult {
    page(at, true).await
}

async fn page<S: Store + Clone + 'static>(at: AtObject<S>, deleted: bool) -> PageResult {
    let sheet = match filter::adding(&at).await? {
        filter::Adding::Added(parameters) => {
            return Ok(
                Redirect::to(&format!("{}{}", at.path, parameters.to_query())).into_response(),
            );
        }
        filter::Adding::Sheet(sheet) => sheet,
    };
    let wanted = Wanted::read(&at, deleted);
    let found = if wanted.is_broken() {
        Ok(fieldstone_store::Page::default())
    } else {
        at.store.list(&wanted.query).await
    };
    let found = match found {
        // A cursor of another order, or an address that was cut: start again.
        Err(StoreError::Query(_)) if wanted.query.cursor.is_some() => {
            return Ok(
                Redirect::to(&format!("{}{}", at.path, wanted.parameters.to_query()))
                    .into_response(),
            );
        }
        found => found?,
    };
    let chips = filter::chips(&at, &wanted).await?;
    let table = Table::of_list(
        &at,
        &at.object,
        &wanted.columns,
        &found.records,
        Some(&wanted),
    )
    .await?;
    let widths = widths::of(&at).await?;
    let table = match &widths {
        Some(widths) => table.with_widths(&at, &wanted.columns, widths),
        None => table,
    };
    let tickable = !deleted && (at.may_write(&at.object) || at.may_delete(&at.object));
    let table = if tickable {
        table.with_ticks("bulk", at.viewer.locale.t("bulk-tick").into_owned())
    } else {
        table
    };
    let turned = |cursor: Option<&fieldstone_model::query::Cursor>| {
        cursor.map(|cursor| {
            format!(
                "{}{}",
                at.path,
                wanted
                    .parameters
                    .clone()
                    .with("cursor", fieldstone_store::encode_cursor(cursor))
                    .to_query()
            )
        })
    };
    let locale = &at.viewer.locale;
    let title = if deleted {
        locale.t1(
            "list-deleted-title",
            "objects",
            locale.objects_in_text(&at.object),
        )
    } else {
        locale.objects(&at.object)
    };
    let list = List {
        title: title.clone(),
        notice: match widths::notice(&at) {
            Some(notice) => Some(notice),
            None => Notice::of_request(&at).await?,
        },
        deleted,
        chips,
        sheet,
        table,
        sorts: sorts(&at, &wanted),
        previous: turned(found.previous.as_ref()),
        next: turned(found.next.as_ref()),
        count: if at.parameters.get("count").is_some() {
            Some(counted(&at, &wanted).await?)
        } else {
            None
        },
        purpose: locale.purpose(&at.object),
        views: if deleted { None } else { views::of(&at).await? },
        choosable: columns::choosable(&at, &wanted.columns),
        wanted: &wanted,
        at: &at,
    };
    Ok(at.page(title, &list))
}

/// `GET /{objects}/count`: how many records match, as a piece of the list's foot.
pub(crate) async fn count<S: Store + Clone + 'static>(at: AtObject<S>) -> PageResult {
    let wanted = Wanted::read(&at, at.parameters.get("deleted").is_some());
    if wanted.is_broken() {
        return Err(PageError::Invalid);
    }
    let text = counted(&at, &wanted).await?;
    Ok(fragment(&Count { text }))
}

#[derive(Template)]
#[template(
    source = "<span class=\"quiet\" role=\"status\">{{ text }}</span>",
    ext = "html"
)]
struct Count {
    text: String,
}

async fn counted<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    wanted: &Wanted,
) -> Result<String, PageError> {
    let locale = &at.viewer.locale;
    let count = if wanted.is_broken() {
        0
    } else {
        at.store.count(&wanted.query).await?
    };
    let key = match at.store.coverage() {
        Coverage::Whole => "list-count",
        Coverage::Scope => "list-count-here",
    };
    Ok(locale.t2(key, ("count", count), ("shown", locale.count(count))))
}

/// `GET /{objects}/tests?field=…`: the tests and the value that suit a field, for the filter's form.
pub(crate) async fn tests<S: Store + Clone + 'static>(at: AtObject<S>) -> PageResult {
    let name = at.parameters.get("field").unwrap_or_default();
    let field = filter::resolved(&at, name).ok_or(PageError::NotFound)?;
    Ok(fragment(
        &filter::Tests::of(
            &at,
            field,
            &crate::request::Pairs::default(),
            filter::Place::List,
        )
        .await?,
    ))
}

/// A piece of a page, without frame.
pub(crate) fn fragment(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => html_response(http::StatusCode::OK, html),
        Err(error) => PageError::from(error).into_response(),
    }
}

fn sorts<S: Store>(at: &AtObject<S>, wanted: &Wanted) -> Vec<Sort> {
    let locale = &at.viewer.locale;
    std::iter::once(at.object.name_field.as_ref())
        .chain(at.layout.columns.iter().map(String::as_str))
        .filter_map(|name| at.object.field(name))
        .filter_map(|field| Some((locale.field(&at.object, field), table::sort_path(field)?)))
        .flat_map(|(label, path)| {
            [
                (path.to_owned(), "list-sort-ascending"),
                (format!("-{path}"), "list-sort-descending"),
            ]
            .map(|(value, key)| Sort {
                label: locale.t1(key, "field", label.clone()),
                chosen: wanted.sort == value,
                value,
            })
        })
        .collect()
}

impl<S: Store> List<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.at.viewer.locale.t(key)
    }

    fn t1(&self, key: &str, object: String) -> String {
        self.at.viewer.locale.t1(key, "object", object)
    }

    fn objects(&self) -> String {
        self.at.viewer.locale.objects(&self.at.object)
    }

    fn object_in_text(&self) -> String {
        self.at.viewer.locale.object_in_text(&self.at.object)
    }

    fn objects_in_text(&self) -> String {
        self.at.viewer.locale.objects_in_text(&self.at.object)
    }

    fn icon(&self) -> &'static str {
        crate::layout::icon(&self.at.object)
    }

    fn may_write(&self) -> bool {
        self.at.may_write(&self.at.object)
    }

    fn may_make(&self) -> bool {
        self.may_write() && crate::layout::stands_alone(&self.at.object)
    }

    fn may_delete(&self) -> bool {
        self.at.may_delete(&self.at.object)
    }

    fn is_tickable(&self) -> bool {
        self.table.ticks.is_some()
    }

    fn may_export(&self) -> bool {
        self.at.viewer.can_sign_out && self.at.can(fieldstone_model::Capability::UsersManage)
    }

    fn has_board(&self) -> bool {
        self.at.object.name == "deal" && !self.deleted
    }

    fn may_share(&self) -> bool {
        self.at.can(fieldstone_model::Capability::RecordsWrite)
    }

    fn without_columns(&self) -> String {
        self.wanted.parameters.without("column").to_query()
    }

    fn has_tabs(&self) -> bool {
        self.views
            .as_ref()
            .is_some_and(|views| views.iter().any(|view| view.pinned || view.current))
    }

    fn is_plain(&self) -> bool {
        self.wanted.parameters == crate::request::Pairs::default()
    }

    /// This list's address.
    fn here(&self) -> String {
        format!("{}{}", self.at.path, self.query())
    }

    fn query(&self) -> String {
        self.wanted.parameters.to_query()
    }

    fn may_import(&self) -> bool {
        self.at.viewer.can_sign_out
            && self.at.can(fieldstone_model::Capability::RecordsImport)
            && self.at.object.class == fieldstone_model::ObjectClass::Record
            && crate::layout::stands_alone(&self.at.object)
    }

    fn keeps_widths(&self) -> bool {
        self.at.shelf.is_some()
    }

    fn is_searchable(&self) -> bool {
        self.at.object.searchable_fields().next().is_some()
    }

    fn count_query(&self) -> String {
        let parameters = self.wanted.parameters.without("sort");
        if self.deleted {
            parameters.with("deleted", "1")
        } else {
            parameters
        }
        .to_query()
    }

    fn counted_query(&self) -> String {
        self.wanted.parameters.clone().with("count", "1").to_query()
    }
}
