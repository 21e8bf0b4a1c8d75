//! A short form beside what it belongs to: what a record can't do without, and what the list beside it shows.

use askama::Template;
use fieldstone_model::{Field, Values, objects};
use fieldstone_store::Store;

use super::{control::FormField, local_path, prefilled};
use crate::{
    error::PageError,
    list::fragment,
    request::{AtObject, PageResult},
};

/// Most fields.
const MOST: usize = 8;

#[derive(Template)]
#[template(path = "form/quick.html")]
struct Quick<'a, S: Store> {
    at: &'a AtObject<S>,
    title: String,
    fields: Vec<FormField>,
    hidden: Vec<(String, String)>,
    back: String,
}

/// `GET /{objects}/quick?account_id=…&back=…&with=…`: the form, without frame.
pub(crate) async fn show<S: Store + Clone + 'static>(at: AtObject<S>) -> PageResult {
    if !at.may_write(&at.object) {
        return Err(PageError::Forbidden);
    }
    let (mut typed, given) = prefilled(&at).await?;
    let defaults = objects::defaults(
        &at.object.name,
        &Values::new(),
        at.registry(),
        at.viewer.now,
        at.viewer.user_id,
    );
    let wanted = |field: &&Field| {
        let needed =
            field.required && defaults.get(&field.name).is_none() && field.name != "owner_id";
        let asked = at.parameters.all("with").any(|name| name == field.name);
        given.get(&field.name).is_none() && (needed || asked || field.name == at.object.name_field)
    };
    let mut fields = Vec::new();
    for field in super::fields(&at).filter(wanted).take(MOST) {
        let typed = typed.remove(field.name.as_ref()).unwrap_or_default();
        let mut made = FormField::of(&at, &at.object, field, typed, None).await?;
        // Several of these stand on one page, beside fields of the same names.
        made.control.id = format!("quick-{}-{}", at.object.name, made.control.id);
        made.control.described_by = None;
        made.help = None;
        made.wide = false;
        made.control.autofocus = fields.is_empty();
        fields.push(made);
    }
    let locale = &at.viewer.locale;
    let hidden = given.iter().filter_map(|(name, value)| {
        Some((
            name.to_owned(),
            value.to_plain(&at.object.field(name)?.kind),
        ))
    });
    Ok(fragment(&Quick {
        title: locale.t1(
            "form-new-title",
            "object",
            locale.object_in_text(&at.object),
        ),
        fields,
        hidden: hidden.collect(),
        back: at
            .parameters
            .get("back")
            .and_then(local_path)
            .unwrap_or_else(|| format!("/{}", at.object.plural)),
        at: &at,
    }))
}

impl<S: Store> Quick<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.at.viewer.locale.t(key)
    }
}
