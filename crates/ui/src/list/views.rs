//! Views: a list's filters, words, order and columns under a name; kept, pinned, removed.

use axum::response::{IntoResponse as _, Redirect};
use fieldstone_model::{Capability, RecordId};
use fieldstone_store::Store;

use crate::{
    error::PageError,
    request::{AtObject, PageResult, Pairs, Submitted},
    shelf::View,
};

/// Most characters of a name, and of what is kept.
const NAME_MAX: usize = 80;
const QUERY_MAX: usize = 4000;

/// A view as the list shows it.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the view"
)]
pub(crate) struct ViewEntry {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) href: String,
    pub(crate) shared: bool,
    pub(crate) pinned: bool,
    pub(crate) removable: bool,
    pub(crate) current: bool,
}

/// The views of this list; none where nothing can be kept.
pub(super) async fn of<S: Store + Clone + 'static>(
    at: &AtObject<S>,
) -> Result<Option<Vec<ViewEntry>>, PageError> {
    let Some(shelf) = &at.shelf else {
        return Ok(None);
    };
    let views = shelf.0.views(&at.object.name).await?;
    let current = at.parameters.get("view");
    let entry = |view: View| {
        let query = Pairs::parse(&view.query)
            .unwrap_or_default()
            .without("view")
            .with("view", view.id.to_string());
        ViewEntry {
            href: format!("/{}{}", at.object.plural, query.to_query()),
            current: current == Some(view.id.as_str()),
            id: view.id.to_string(),
            name: view.name,
            shared: view.shared,
            pinned: view.pinned,
            removable: view.removable,
        }
    };
    Ok(Some(views.into_iter().map(entry).collect()))
}

/// `POST /{objects}/views` with a name and the list's parameters: keeps the view.
pub(crate) async fn keep<S: Store + Clone + 'static>(
    at: AtObject<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    let shelf = at.shelf.clone().ok_or(PageError::NotFound)?;
    let name: String = pairs
        .filled("name")
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(NAME_MAX)
        .collect();
    let query = Pairs::parse(
        pairs
            .get("query")
            .unwrap_or_default()
            .trim_start_matches('?'),
    )
    .ok_or(PageError::Invalid)?;
    let seen = super::widths::view(&query);
    let query = [
        "cursor",
        "notice",
        "about",
        "count",
        "view",
        super::widths::WERE,
    ]
    .iter()
    .fold(query, |pairs, name| pairs.without(name));
    let shared = pairs.get("shared").is_some();
    let text = query.to_query();
    let text = text.trim_start_matches('?');
    if name.is_empty() || text.len() > QUERY_MAX {
        return Err(PageError::Invalid);
    }
    if shared && !at.can(Capability::RecordsWrite) {
        return Err(PageError::Forbidden);
    }
    let widths = shelf.0.widths(&at.object.name, seen).await?;
    let id = shelf.0.keep(&at.object.name, &name, text, shared).await?;
    shelf
        .0
        .keep_widths(&at.object.name, Some(id), &widths)
        .await?;
    let target = query.with("view", id.to_string());
    Ok(Redirect::to(&format!("/{}{}", at.object.plural, target.to_query())).into_response())
}

/// `POST /{objects}/views/change` with `id` and `pin`, `unpin` or `remove`.
pub(crate) async fn change<S: Store + Clone + 'static>(
    at: AtObject<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    let shelf = at.shelf.clone().ok_or(PageError::NotFound)?;
    let id: RecordId = pairs
        .get("id")
        .and_then(|id| id.parse().ok())
        .ok_or(PageError::Invalid)?;
    let found = match pairs.get("do") {
        Some("pin") => shelf.0.pin(id, true).await?,
        Some("unpin") => shelf.0.pin(id, false).await?,
        Some("remove") => shelf.0.remove(id).await?,
        _ => return Err(PageError::Invalid),
    };
    if !found {
        return Err(PageError::NotFound);
    }
    let back = pairs.get("back").and_then(crate::form::local_path);
    Ok(Redirect::to(&back.unwrap_or_else(|| format!("/{}", at.object.plural))).into_response())
}
