//! What a relation's field suggests while a person types.

use askama::Template;
use fieldstone_model::{Comparison, Filter, Object, ObjectClass, Query, Value};
use fieldstone_store::Store;

use super::typed::targets;
use crate::{
    error::PageError,
    list::{fragment, table::name_of},
    request::{AtField, AtObject, PageResult, Session},
    shown::{Showing, names_in},
};

/// Suggestions for one relation, all objects together.
const SUGGESTIONS: u32 = 12;
/// What tells records of the same name apart: the first of these that has a value.
const DETAILS: [&str; 4] = ["company", "account_id", "city", "email"];

#[derive(Template)]
#[template(path = "form/options.html")]
struct Options {
    list: String,
    suggestions: Vec<Suggestion>,
    none: String,
}

struct Suggestion {
    id: String,
    label: String,
    /// What tells it from others of the same name.
    detail: String,
}

/// `GET /{objects}/options/{field}?q=…`: records that the field can lead to, as options of a listbox.
pub(crate) async fn suggest<S: Store + Clone + 'static>(at: AtField<S>) -> PageResult {
    if !at.field.kind.is_relation() {
        return Err(PageError::NotFound);
    }
    let objects: Vec<&Object> = targets(&at, &at.field).collect();
    suggestions(&at, &objects).await
}

/// `GET /{objects}/alike?q=…`: records of this object, as options of a listbox.
pub(crate) async fn alike<S: Store + Clone + 'static>(at: AtObject<S>) -> PageResult {
    suggestions(&at, &[at.object.as_ref()]).await
}

async fn suggestions<S: Store + Clone + 'static>(
    at: &Session<S>,
    objects: &[&Object],
) -> PageResult {
    let words = at.parameters.get("q").unwrap_or_default().trim();
    let locale = &at.viewer.locale;
    let each = (SUGGESTIONS / u32::try_from(objects.len()).unwrap_or(1).max(1)).max(3);
    let mut suggestions = Vec::new();
    for object in objects {
        let details: Vec<_> = DETAILS
            .iter()
            .filter_map(|name| object.field(name))
            .collect();
        let mut query = Query::new(object.name.clone())
            .column(&object.name_field)
            .limit(if objects.len() > 1 { each } else { SUGGESTIONS });
        query = query.columns(details.iter().map(|field| field.name.as_ref()));
        if !words.is_empty() {
            // People have no words to be searched by, and are few.
            if object.class == ObjectClass::Directory {
                query = query.filter(Filter::compare(
                    &object.name_field,
                    Comparison::Contains,
                    Value::Text(words.to_owned()),
                ));
            } else if object.searchable_fields().next().is_some() {
                query.search = Some(words.to_owned());
            } else {
                query = query.filter(Filter::compare(
                    &object.name_field,
                    Comparison::StartsWith,
                    Value::Text(words.to_owned()),
                ));
            }
        }
        if object.name == "user" {
            query = query
                .filter(Filter::equal("active", Value::Bool(true)))
                .order("name", false);
        }
        let records = at.store.list(&query).await?.records;
        let names = names_in(&at.store, &records.iter().collect::<Vec<_>>()).await?;
        let showing = Showing {
            locale,
            registry: at.registry(),
            names: &names,
            today: at.viewer.today(),
        };
        for record in &records {
            let told = details
                .iter()
                .map(|field| showing.value(object, field, record.get(&field.name)).text);
            let detail = told
                .into_iter()
                .find(|text| !text.is_empty())
                .unwrap_or_default();
            let kind = if objects.len() > 1 {
                locale.object(object)
            } else {
                String::new()
            };
            suggestions.push(Suggestion {
                id: record.id.to_string(),
                label: name_of(at, object, record),
                detail: [kind, detail]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join(" · "),
            });
        }
    }
    let list = at.parameters.get("list").unwrap_or("options");
    let list = list
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    Ok(fragment(&Options {
        list,
        suggestions,
        none: locale.t("options-none").into_owned(),
    }))
}
