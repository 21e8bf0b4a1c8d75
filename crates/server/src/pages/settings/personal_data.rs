//! `/settings/personal-data`: what is known of somebody outside, for whoever has to answer them.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use fieldstone_model::RecordId;
use fieldstone_store::Store as _;
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use super::{Fields, Settings, Submitted};
use crate::personal_data::{AT_ONCE, Found};

pub(crate) const PATH: &str = "/settings/personal-data";
/// Longest words to look for.
const WORDS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "settings/personal_data.html")]
struct Page<'a> {
    locale: &'a Locale,
    words: &'a str,
    /// Nothing was looked for yet, or what was found with the address and the object's label of each.
    found: Option<Vec<(Found, String, String)>>,
}

/// `GET /settings/personal-data?q=`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let words = settings.query("q").unwrap_or_default();
    let words = words.trim();
    let found = if words.is_empty() || words.len() > WORDS_MAX {
        None
    } else {
        let found = settings.store.find_personal(words).await?;
        let registry = settings.store.registry();
        let lines = found.into_iter().map(|found| {
            let object = registry.object(&found.object);
            let plural = object
                .map(|object| object.plural.clone())
                .unwrap_or_default();
            let label = object.map_or_else(
                || found.object.clone(),
                |object| settings.locale().object(object),
            );
            let address = format!("/{plural}/{}", found.id);
            (found, address, label)
        });
        Some(lines.collect())
    };
    settings.page(&Page {
        locale: settings.locale(),
        words,
        found,
    })
}

/// The records that are ticked.
fn ticked(submitted: Submitted) -> Result<Vec<RecordId>, PageError> {
    let fields = Fields::read(submitted)?;
    let ids = fields
        .all("id")
        .map(str::parse)
        .collect::<Result<Vec<RecordId>, _>>();
    let ids = ids.map_err(|_| PageError::Invalid)?;
    if ids.is_empty() || ids.len() > AT_ONCE {
        return Err(PageError::Invalid);
    }
    Ok(ids)
}

/// `POST /settings/personal-data/export`: the ticked records as JSON.
pub(crate) async fn export(settings: Settings, submitted: Submitted) -> PageResult {
    let data = settings.store.export_personal(&ticked(submitted)?).await?;
    let disposition = format!(
        "attachment; filename=\"personal-data-{}.json\"",
        settings.viewer.today()
    );
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, format!("{data:#}")).into_response())
}

/// `POST /settings/personal-data/erasure`: removes the ticked records for good.
pub(crate) async fn erase(settings: Settings, submitted: Submitted) -> Result<Response, PageError> {
    settings.store.erase_personal(&ticked(submitted)?).await?;
    Ok(Settings::done_at(PATH, "personal-data-erased"))
}
