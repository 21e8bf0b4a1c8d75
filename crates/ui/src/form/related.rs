//! A field of a form, somewhere else than among a record's own, that leads to another record.

use askama::Template;
use fieldstone_model::{Field, Object, RecordId, Value};
use fieldstone_store::Store;

use super::{control::Control, typed::Typed};
use crate::{
    error::PageError,
    request::{Pairs, Session},
    shown::Names,
};

/// `field` under another name.
fn called(field: &Field, name: &str) -> Field {
    let mut called = field.clone();
    called.name = name.to_owned().into();
    called.required = false;
    called
}

/// The control that finds a record for `field` of `object`, called `name`: with what a form says, or else with what is kept.
pub async fn related_control<S: Store>(
    session: &Session<S>,
    object: &Object,
    field: &Field,
    name: &str,
    kept: Option<RecordId>,
    form: Option<&[(String, String)]>,
    error: bool,
) -> Result<String, PageError> {
    let typed = match (form, kept) {
        (Some(form), _) => Typed::of_pairs(&called(field, name), &pairs(form)),
        (None, Some(id)) => {
            let names: Names = session.store.names(&[id]).await?;
            Typed::of_value(&session.viewer.locale, field, &Value::Id(id), &names)
        }
        (None, None) => Typed::default(),
    };
    let mut plain = field.clone();
    plain.required = false;
    let mut control = Control::of(session, object, &plain, name, typed).await?;
    name.clone_into(&mut control.id);
    control.invalid = error;
    control.described_by = Some(if error {
        format!("{name}-help {name}-error")
    } else {
        format!("{name}-help")
    });
    Ok(control.render()?)
}

/// The record that a form names there, or what is wrong with it.
pub async fn related_typed<S: Store>(
    session: &Session<S>,
    field: &Field,
    name: &str,
    form: &[(String, String)],
) -> Result<Result<Option<RecordId>, String>, PageError> {
    let called = called(field, name);
    let typed = Typed::of_pairs(&called, &pairs(form));
    let value = typed.read(session, &called).await?;
    Ok(value.map(|value| value.as_id()))
}

fn pairs(form: &[(String, String)]) -> Pairs {
    let pairs = form.iter();
    pairs.fold(Pairs::default(), |pairs, (name, value)| {
        pairs.with(name, value)
    })
}
