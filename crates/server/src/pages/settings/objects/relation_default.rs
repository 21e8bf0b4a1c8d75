//! What new records get in a field that leads to others: whoever makes them, or always the same record.

use fieldstone_model::{Field, Object};
use fieldstone_ui::{PageError, related_control, related_typed};

use super::{Fields, Settings, Typed};

/// What a relation's new records get, as the form shows it.
pub(super) struct Related {
    /// Whether whoever makes the record is meant; none where people can't be.
    pub(super) maker: Option<bool>,
    /// What finds a record.
    pub(super) control: String,
}

/// What the field's page shows: what is kept, or what was sent.
pub(super) async fn related(
    settings: &Settings,
    object: &Object,
    field: &Field,
    sent: Option<&Fields>,
    typed: &Typed,
) -> Result<Related, PageError> {
    let kept = field.default.as_deref();
    let is_maker = match sent {
        Some(fields) => fields.get("default_maker") == "yes",
        None => kept == Some(Field::MAKER),
    };
    let record = kept.and_then(|kept| kept.parse().ok());
    let control = related_control(
        settings,
        object,
        field,
        "default",
        record,
        sent.map(Fields::pairs),
        typed.error("default").is_some(),
    );
    Ok(Related {
        maker: (field.target() == Some("user")).then_some(is_maker),
        control: control.await?,
    })
}

/// What a form says of a relation's default, in plain form; or the field that is wrong, and why.
pub(super) async fn default_record(
    settings: &Settings,
    field: &Field,
    fields: &Fields,
) -> Result<Result<Option<String>, (String, String)>, PageError> {
    if fields.get("default_maker") == "yes" && field.target() == Some("user") {
        return Ok(Ok(Some(Field::MAKER.to_owned())));
    }
    let typed = related_typed(settings, field, "default", fields.pairs()).await?;
    Ok(typed
        .map(|id| id.map(|id| id.to_string()))
        .map_err(|problem| ("default".to_owned(), problem)))
}
