//! A change that can't be, made without a form whose fields could say so: what is wrong with which field, and the way back.

use askama::Template;
use axum::response::Response;
use fieldstone_model::FieldError;
use fieldstone_store::Store;
use http::StatusCode;

use crate::{locale::Locale, request::AtRecord};

#[derive(Template)]
#[template(path = "parts/refused.html")]
struct Page<'a> {
    locale: &'a Locale,
    title: &'a str,
    problems: Vec<String>,
    back: &'a str,
}

/// Says what is wrong with a change of a record.
pub(crate) fn page<S: Store + Clone + 'static>(
    at: &AtRecord<S>,
    errors: &[FieldError],
    back: &str,
) -> Response {
    let locale = &at.viewer.locale;
    let told = |error: &FieldError| {
        let label = at.object.field(&error.field).map_or_else(
            || error.field.clone(),
            |field| locale.field(&at.object, field),
        );
        format!("{label}: {}", locale.problem(&error.problem))
    };
    let title = locale.t("error-invalid-title");
    let page = Page {
        locale,
        title: &title,
        problems: errors.iter().map(told).collect(),
        back,
    };
    at.page_with(StatusCode::UNPROCESSABLE_ENTITY, title.clone(), &page)
}
