//! The condition of a rule, put together part by part in its form.

use fieldstone_ui::{Change, Condition, PageError, PageResult, Surroundings, condition};

use super::super::Settings;
use super::super::programs::{Fields, Submitted};
use super::{Typed, find, form, known, object_of, text_of};

/// What a rule's condition stands in.
const CONDITION: Surroundings = Surroundings {
    address: "/settings/automation/condition",
    method: "post",
    heading: "automation-if",
    without: "condition-always",
    help: "automation-if-help",
    personal: false,
    along: None,
};

/// The condition, with what the form says besides.
pub(super) async fn condition_of(
    settings: &Settings,
    typed: &Typed,
    fields: &[(String, String)],
    change: Change,
) -> Result<Condition, PageError> {
    let object = object_of(settings, typed)?;
    let (me, today) = (settings.viewer.user_id, settings.viewer.today());
    let problem = typed
        .rule()
        .check_filter(settings.registry(), object, me, today);
    let error = problem.map(|problem| text_of(settings.locale(), problem).1);
    condition(
        settings,
        object,
        CONDITION,
        &typed.filter,
        fields,
        change,
        error,
    )
    .await
}

/// The condition of a form that is saved: what is picked in the builder becomes a part of it.
pub(super) async fn take_condition(
    settings: &Settings,
    typed: &mut Typed,
    fields: &Fields,
) -> Result<Condition, PageError> {
    let condition = condition_of(settings, typed, fields.pairs(), Change::Saved).await?;
    condition.text().clone_into(&mut typed.filter);
    Ok(condition)
}

/// `POST /settings/automation/condition`: the form as it is, with a change of its condition. Nothing is kept.
pub(crate) async fn build(settings: Settings, submitted: Submitted) -> PageResult {
    let fields = Fields::read(submitted)?;
    let mut typed = Typed::read(&fields);
    let known = match fields.get("rule") {
        "" => None,
        id => {
            let id = id.parse().map_err(|_| PageError::NotFound)?;
            let stored = find(&settings, id).await?;
            typed.object.clone_from(&stored.rule.object);
            Some(known(&settings, &stored).await?)
        }
    };
    let condition = condition_of(&settings, &typed, fields.pairs(), Change::Asked).await?;
    condition.text().clone_into(&mut typed.filter);
    let form = form(&settings, &typed, known, Vec::new(), Some(condition)).await?;
    settings.page(&form)
}
