//! `/notifications`: what somebody is told, newest first. What is shown counts as read.
//!
//! Names of records and people are read as the reader: of what they don't see any more, the page says no more than that.

use askama::Template;
use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use fieldstone_model::RecordId;
use fieldstone_store::Store as _;
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use jiff::Timestamp;

use super::{inside::Inside, settings::automation};
use crate::store::{NotificationKind, Told};

#[derive(Template)]
#[template(path = "notifications/list.html")]
struct List<'a> {
    locale: &'a Locale,
    rows: Vec<Row>,
}

struct Row {
    text: String,
    href: Option<String>,
    icon: &'static str,
    unread: bool,
    at: (String, String),
}

#[derive(Template)]
#[template(path = "notifications/count.html")]
struct Count<'a> {
    locale: &'a Locale,
    count: i64,
}

/// `GET /notifications`.
pub(crate) async fn show(inside: Inside) -> PageResult {
    let told = inside.store.read_notifications().await?;
    let mut ids: Vec<RecordId> = told
        .iter()
        .flat_map(|told| [told.record, told.by])
        .flatten()
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let names = if ids.is_empty() {
        std::collections::HashMap::new()
    } else {
        inside.store.names(&ids).await?
    };
    let locale = &inside.viewer.locale;
    let row = |told: &Told| {
        let known = |id: Option<RecordId>| id.and_then(|id| names.get(&id)).cloned();
        let person = known(told.by);
        let person = person.unwrap_or_else(|| locale.t("person-unknown").into_owned());
        let is_import = told.kind == NotificationKind::Import;
        let name = if is_import {
            Some(told.marker.clone())
        } else {
            known(told.record)
        };
        let object = told.record.and_then(|id| inside.registry().object_of(id));
        let href = match (told.record, object) {
            (Some(id), _) if is_import => Some(format!("/imports/{id}")),
            (Some(id), Some(object)) if name.is_some() => Some(format!("/{}/{id}", object.plural)),
            _ => None,
        };
        let is_rule = told.record.is_some_and(|id| id.prefix() == "0AR");
        let href = match told.record {
            Some(id) if is_rule => Some(format!("{}/{id}", automation::PATH)),
            _ => href,
        };
        let key = match told.record {
            Some(_) if is_rule => "notification-rule-stopped".to_owned(),
            None => format!("notification-{}-many", told.kind.name()),
            Some(_) => format!("notification-{}", told.kind.name()),
        };
        let name = name.unwrap_or_else(|| locale.t("record-unknown").into_owned());
        let text = match (told.kind, told.marker.parse::<Timestamp>()) {
            (NotificationKind::Reminder, Ok(due)) => locale.instant(due),
            _ => told.marker.clone(),
        };
        let facts = [
            ("person", person),
            ("name", name),
            ("count", told.times.to_string()),
            ("text", text),
        ];
        Row {
            text: locale.t_with(&key, &facts),
            href,
            icon: icon(told.kind),
            unread: told.unread,
            at: (told.at.to_string(), locale.instant(told.at)),
        }
    };
    let list = List {
        locale,
        rows: told.iter().map(row).collect(),
    };
    Ok(inside.page(locale.t("notifications"), &list))
}

/// `GET /notifications/count`: the entry of the navigation.
pub(crate) async fn count(inside: Inside) -> Result<Response, PageError> {
    let count = Count {
        locale: &inside.viewer.locale,
        count: inside.store.unread_notifications().await?,
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, count.render()?).into_response())
}

fn icon(kind: NotificationKind) -> &'static str {
    match kind {
        NotificationKind::Mention => "note",
        NotificationKind::Assigned => "person",
        NotificationKind::Due => "task",
        NotificationKind::Import => "upload",
        NotificationKind::Automation => "convert",
        NotificationKind::Follow | NotificationKind::Reminder => "bell",
    }
}
