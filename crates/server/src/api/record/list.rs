//! A page of records.

use fieldstone_model::{query::Cursor, value::push_json_text};
use fieldstone_store::{Page, encode_cursor};
use http::StatusCode;

use crate::api::{ApiStore, call::Call, error::ApiResult, written};

/// `GET /records/{object}`: one page, with cursors for the next and the previous one.
pub(in crate::api) async fn list<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let object = call.object().await?;
    let known = [
        "filter", "search", "deleted", "order", "columns", "limit", "cursor",
    ];
    let parameters = call.parameters(&known)?;
    let query = super::query(&call, &object, &parameters)?;
    let page = call
        .store()?
        .list(&query)
        .await
        .map_err(|error| super::refused_query(error, &query))?;
    Ok(written::json(StatusCode::OK, text(&page)))
}

fn text(page: &Page) -> String {
    let columns = page.records.first().map_or(0, |record| record.values.len());
    let mut text = String::with_capacity(128 + page.records.len() * (64 + 32 * columns));
    text.push_str("{\"records\":[");
    for (at, record) in page.records.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        record.write_json(&mut text);
    }
    text.push_str("],\"next\":");
    push_cursor(&mut text, page.next.as_ref());
    text.push_str(",\"previous\":");
    push_cursor(&mut text, page.previous.as_ref());
    text.push('}');
    text
}

fn push_cursor(text: &mut String, cursor: Option<&Cursor>) {
    match cursor {
        Some(cursor) => push_json_text(text, &encode_cursor(cursor)),
        None => text.push_str("null"),
    }
}
