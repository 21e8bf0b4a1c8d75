//! How wide a list's columns are: as their reader has drawn them, kept for each list and each of its views, and put back in one step.

use axum::response::{IntoResponse as _, Redirect};
use fieldstone_model::{Field, FieldType, RecordId};
use fieldstone_store::{Store, StoreError};

use super::fragment;
use crate::{
    error::PageError,
    form::local_path,
    notice::Notice,
    request::{AtObject, PageResult, Pairs, Submitted},
};

/// The narrowest a column gets, in CSS pixels.
pub(crate) const NARROWEST: u32 = 64;
/// The widest.
pub(crate) const WIDEST: u32 = 960;
/// Most columns whose width is kept, and most characters of all of them.
const MOST: usize = 60;
const TEXT_MAX: usize = 6000;
/// The parameter of an address that says how wide columns were before.
pub(super) const WERE: &str = "widths-were";

/// Widths of columns in CSS pixels, by field. As text: `name:240 amount:120`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Widths(Vec<(String, u32)>);

impl Widths {
    /// Reads what it can; a width out of bounds is the nearest one, and of several for one column the last counts.
    fn read(text: &str, is_field: impl Fn(&str) -> bool) -> Self {
        let entry = |entry: &str| {
            let (name, width) = entry.split_once(':')?;
            let width: u32 = width.parse().ok()?;
            is_field(name).then(|| (name.to_owned(), width.clamp(NARROWEST, WIDEST)))
        };
        text.split_ascii_whitespace()
            .filter_map(entry)
            .fold(Self::default(), |widths, (name, width)| {
                widths.with(name, width)
            })
    }

    fn with(mut self, name: String, width: u32) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, width));
        if self.0.len() > MOST {
            self.0.remove(0);
        }
        self
    }

    fn text(&self) -> String {
        let entries = self.0.iter().map(|(name, width)| format!("{name}:{width}"));
        entries.collect::<Vec<_>>().join(" ")
    }

    /// The width of a column, if one was drawn.
    pub(super) fn of(&self, name: &str) -> Option<u32> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, width)| *width)
    }
}

/// The width that a column has beside drawn ones until it is drawn itself.
pub(super) fn usual(field: &Field, is_name: bool) -> u32 {
    match &field.kind {
        _ if is_name => 288,
        FieldType::Boolean | FieldType::Percent | FieldType::Integer | FieldType::Time => 112,
        FieldType::Date | FieldType::Money | FieldType::Decimal { .. } => 136,
        FieldType::LongText { .. } | FieldType::Url | FieldType::Email => 224,
        _ => 176,
    }
}

fn read<S: Store>(at: &AtObject<S>, text: &str) -> Widths {
    let text = text.get(..TEXT_MAX).unwrap_or(text);
    Widths::read(text, |name| at.object.field(name).is_some())
}

/// The view that an address or a form names.
pub(super) fn view(pairs: &Pairs) -> Option<RecordId> {
    pairs.get("view")?.parse().ok()
}

/// The widths of this list's columns; nothing where none can be kept.
pub(super) async fn of<S: Store>(at: &AtObject<S>) -> Result<Option<Widths>, StoreError> {
    let Some(shelf) = &at.shelf else {
        return Ok(None);
    };
    let text = shelf
        .0
        .widths(&at.object.name, view(&at.parameters))
        .await?;
    Ok(Some(read(at, &text)))
}

/// What says on the list's page that its columns are as usual again, when they just came to be.
pub(super) fn notice<S: Store>(at: &AtObject<S>) -> Option<Notice> {
    let were = at.parameters.get(WERE)?;
    let text = at.viewer.locale.t("notice-widths-usual").into_owned();
    let back = format!("{}{}", at.path, at.parameters.without(WERE).to_query());
    Some(undoable(
        at,
        text,
        &read(at, were),
        view(&at.parameters),
        back,
    ))
}

fn undoable<S: Store>(
    at: &AtObject<S>,
    text: String,
    were: &Widths,
    view: Option<RecordId>,
    back: String,
) -> Notice {
    let action = format!("/{}/widths", at.object.plural);
    let to = std::iter::once(("to".to_owned(), were.text()));
    let view = view.map(|view| ("view".to_owned(), view.to_string()));
    Notice::undoable(
        &at.viewer.locale,
        text,
        action,
        to.chain(view).collect(),
        back,
    )
}

/// `POST /{objects}/widths`: with `widths` those that were drawn, answered with the way to take that back; with `to` all of them, none for
/// the usual ones. With `view` they are that view's.
pub(crate) async fn submit<S: Store + Clone + 'static>(
    at: AtObject<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    let shelf = at.shelf.clone().ok_or(PageError::NotFound)?;
    let (object, view) = (at.object.name.as_ref(), view(&pairs));
    let before = read(&at, &shelf.0.widths(object, view).await?);
    let list = format!("/{}", at.object.plural);
    let back = pairs.get("back").and_then(local_path).unwrap_or(list);
    if let Some(drawn) = pairs.get("widths") {
        let drawn = read(&at, drawn).0.into_iter();
        let after = drawn.fold(before.clone(), |widths, (name, width)| {
            widths.with(name, width)
        });
        shelf.0.keep_widths(object, view, &after.text()).await?;
        let text = at.viewer.locale.t("notice-widths").into_owned();
        return Ok(fragment(&undoable(&at, text, &before, view, back)));
    }
    let to = read(&at, pairs.get("to").unwrap_or_default());
    shelf.0.keep_widths(object, view, &to.text()).await?;
    if pairs.get("undoable").is_none() || before == to {
        return Ok(Redirect::to(&back).into_response());
    }
    let (path, query) = back.split_once('?').unwrap_or((&back, ""));
    let query = Pairs::parse(query).unwrap_or_default();
    let query = query.without(WERE).with(WERE, before.text());
    Ok(Redirect::to(&format!("{path}{}", query.to_query())).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Widths {
        Widths::read(text, |name| name.len() < 8)
    }

    #[test]
    fn what_is_kept_comes_back_within_bounds() {
        let widths = read("name:240 amount:1 stage:99999 name:250 nonsense:100 x y:z :5");
        assert_eq!(widths.text(), "amount:64 stage:960 name:250 :64");
        assert_eq!(read(&widths.text()), widths);
        assert_eq!(widths.of("name"), Some(250));
        assert_eq!(widths.of("owner"), None);
        assert_eq!(read("").text(), "");
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let all: Vec<String> = (0..500).map(|at| format!("f{at}:100")).collect();
        let widths = read(&all.join(" "));
        assert_eq!(widths.0.len(), MOST);
        assert_eq!(widths.of("f499"), Some(100));
        assert!(widths.text().len() < TEXT_MAX);
    }
}
