//! One field of a record, changed where it stands. The form is the whole record's with one field: what others changed meanwhile is merged or shown.

use askama::Template;
use fieldstone_store::Store;

use crate::{
    error::PageError,
    form::{control::FormField, typed::Typed},
    list::fragment,
    request::{AtRecord, PageResult},
    shown::names_in,
};

#[derive(Template)]
#[template(path = "record/inline.html")]
struct Inline<'a, S: Store> {
    at: &'a AtRecord<S>,
    field: FormField,
    version: i64,
}

/// `GET /{objects}/{id}/field?name=…`: the form with one field.
pub(crate) async fn show<S: Store + Clone + 'static>(at: AtRecord<S>) -> PageResult {
    if !at.may_write(&at.object) {
        return Err(PageError::Forbidden);
    }
    let name = at.parameters.get("name").unwrap_or_default();
    let placed = at
        .layout
        .sections
        .iter()
        .any(|section| section.fields.iter().any(|field| field == name));
    let field = at
        .object
        .field(name)
        .filter(|field| placed && field.is_writable())
        .ok_or(PageError::NotFound)?;
    let record = at.store.get(&at.object.name, at.id, &[]).await?;
    if record.deleted {
        return Err(PageError::Conflict);
    }
    let names = names_in(&at.store, &[&record]).await?;
    let value = record.get(&field.name);
    let typed = Typed::of_value(&at.viewer.locale, field, value, &names);
    let mut made = FormField::of(&at, &at.object, field, typed, None).await?;
    made.was = Some(value.to_plain(&field.kind));
    made.optional = None;
    made.control.autofocus = true;
    Ok(fragment(&Inline {
        at: &at,
        field: made,
        version: record.version,
    }))
}

impl<S: Store> Inline<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.at.viewer.locale.t(key)
    }
}
