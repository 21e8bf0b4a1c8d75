//! Search over all objects.

use std::collections::HashSet;

use fieldstone_model::{Object, ObjectClass, Query, query::Path, value::push_json_text};
use fieldstone_store::{Page, StoreError};
use futures_util::future::try_join_all;
use http::StatusCode;

use super::{
    ApiStore,
    call::Call,
    error::{ApiError, ApiResult},
    written,
};

/// Records of each object when nothing is said, and at most.
const LIMITS: (u64, u64) = (5, 50);
/// Objects searched at the same time, each on a connection of its own.
const AT_ONCE: usize = 4;

/// `GET /search?q=&objects=&limit=`: records of every object, or of those named, that have all the words.
pub(super) async fn search<S: ApiStore>(call: Call<S>) -> ApiResult {
    let parameters = call.parameters(&["q", "objects", "limit"])?;
    let words = parameters.get("q").unwrap_or_default().trim();
    if words.is_empty() {
        return Err(ApiError::bad_parameter(
            "q",
            "required",
            "Send the words to look for.",
        ));
    }
    let limit = parameters
        .number("limit", (1, LIMITS.1))?
        .unwrap_or(LIMITS.0);
    let store = call.store()?;
    let objects: Vec<&Object> = match parameters.get("objects") {
        None => {
            let all = store.registry().objects().map(AsRef::as_ref);
            all.filter(|object| {
                object.class != ObjectClass::Managed && object.searchable_fields().next().is_some()
            })
            .collect()
        }
        Some(names) => names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| {
                let object = store.registry().object(name).map(AsRef::as_ref);
                object.ok_or_else(|| StoreError::UnknownObject(name.to_owned()))
            })
            .collect::<Result<_, _>>()?,
    };
    let mut seen = HashSet::new();
    let objects: Vec<&Object> = objects
        .into_iter()
        .filter(|object| seen.insert(&object.name))
        .collect();
    let query = |object: &Object| Query {
        columns: vec![Path::from_text(&object.name_field)],
        search: Some(words.to_owned()),
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        ..Query::new(object.name.clone())
    };
    let queries: Vec<Query> = objects.iter().map(|object| query(object)).collect();
    let mut pages: Vec<Page> = Vec::with_capacity(queries.len());
    for together in queries.chunks(AT_ONCE) {
        let mut asked = Vec::with_capacity(AT_ONCE);
        for query in together {
            asked.push(store.list(query));
        }
        pages.extend(try_join_all(asked).await?);
    }
    Ok(written::json(StatusCode::OK, text(&objects, &pages)))
}

fn text(objects: &[&Object], pages: &[Page]) -> String {
    let mut text = "{\"results\":[".to_owned();
    let mut first = true;
    for (object, page) in objects.iter().zip(pages) {
        for record in &page.records {
            text.push_str(if first {
                "{\"object\":"
            } else {
                ",{\"object\":"
            });
            first = false;
            push_json_text(&mut text, &object.name);
            text.push_str(",\"id\":");
            push_json_text(&mut text, record.id.as_str());
            text.push_str(",\"name\":");
            let name = record
                .values
                .first()
                .and_then(fieldstone_model::Value::as_text);
            push_json_text(&mut text, name.unwrap_or_default());
            text.push('}');
        }
    }
    text.push_str("]}");
    text
}
