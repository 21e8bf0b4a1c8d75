//! `/settings/objects/{object}/order`: in which order the fields stand on forms and records, by mouse, by keys, or by buttons.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};
use fieldstone_model::{Object, object::Placed};
use fieldstone_ui::{PageError, PageResult, locale::Locale, sections};

use super::{Names, PATH, failed, find};
use crate::{
    pages::settings::{
        Settings,
        programs::{Fields, Submitted},
    },
    schema,
};

#[derive(Template)]
#[template(path = "settings/field_order.html")]
struct Page<'a> {
    locale: &'a Locale,
    object: &'a Object,
    label: String,
    sections: Vec<Section>,
    /// The field that was just moved.
    moved: String,
}

struct Section {
    key: String,
    heading: String,
    /// Name and label.
    fields: Vec<(String, String)>,
}

/// `GET /settings/objects/{object}/order`.
pub(crate) async fn show(settings: Settings, names: Names) -> PageResult {
    let object = find(&settings, &names.object)?;
    let locale = settings.locale();
    let sections = sections(object, settings.registry())
        .into_iter()
        .map(|placed| Section {
            heading: locale.t(&placed.section).into_owned(),
            fields: placed
                .fields
                .into_iter()
                .filter_map(|name| {
                    let field = object.field(&name)?;
                    Some((name, locale.field(object, field)))
                })
                .collect(),
            key: placed.section,
        });
    settings.page(&Page {
        locale,
        object,
        label: locale.objects(object),
        sections: sections.collect(),
        moved: settings.query("moved").unwrap_or_default(),
    })
}

/// `POST /settings/objects/{object}/order` with a `place` (`section.field`) for each field in order; `up` or `down` moves one of them by
/// one, `reset` puts all back.
pub(crate) async fn arrange(
    settings: Settings,
    names: Names,
    submitted: Submitted,
) -> Result<Response, PageError> {
    let object = find(&settings, &names.object)?;
    let fields = Fields::read(submitted)?;
    let mut places: Vec<Placed> = Vec::new();
    if fields.get("reset").is_empty() {
        let sections = sections(object, settings.registry());
        // Sections that have become empty stay, so that something can go back into them.
        places.extend(sections.into_iter().map(|placed| Placed {
            section: placed.section,
            fields: Vec::new(),
        }));
        for place in fields.all("place") {
            let (section, field) = place.split_once('.').ok_or(PageError::Invalid)?;
            // Somebody may have removed a field since the page was made.
            if object.field(field).is_none() {
                continue;
            }
            let into = places.iter_mut().find(|it| it.section == section);
            into.ok_or(PageError::Invalid)?
                .fields
                .push(field.to_owned());
        }
    }
    let (up, down) = (fields.get("up"), fields.get("down"));
    step(&mut places, up, true);
    step(&mut places, down, false);
    schema::arrange_fields(&settings.store, &object.name, &places)
        .await
        .map_err(failed)?;
    let moved = [up, down, fields.get("moved")]
        .into_iter()
        .find(|name| !name.is_empty())
        .filter(|name| object.field(name).is_some())
        .unwrap_or_default();
    let path = format!("{PATH}/{}/order?moved={moved}&notice=order", object.name);
    Ok(Redirect::to(&path).into_response())
}

/// Moves a field by one; beyond the end of its section into the next one.
fn step(places: &mut [Placed], name: &str, up: bool) {
    let found = places.iter().enumerate().find_map(|(section, placed)| {
        let at = placed.fields.iter().position(|field| field == name)?;
        Some((section, at))
    });
    let Some((section, at)) = found else { return };
    let length = places.get(section).map_or(0, |placed| placed.fields.len());
    let (to, place) = match (up, at) {
        (true, 0) => match section.checked_sub(1) {
            None => return,
            Some(before) => (before, usize::MAX),
        },
        (true, at) => (section, at - 1),
        (false, at) if at + 1 >= length => (section + 1, 0),
        (false, at) => (section, at + 1),
    };
    if to >= places.len() {
        return;
    }
    let Some(field) = places
        .get_mut(section)
        .map(|placed| placed.fields.remove(at))
    else {
        return;
    };
    if let Some(placed) = places.get_mut(to) {
        placed.fields.insert(place.min(placed.fields.len()), field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections_of(of: &[&[&str]]) -> Vec<Placed> {
        of.iter()
            .enumerate()
            .map(|(at, fields)| Placed {
                section: at.to_string(),
                fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            })
            .collect()
    }

    #[test]
    fn a_field_goes_step_by_step_through_all_sections() {
        let mut all = sections_of(&[&["a", "b"], &[], &["c"]]);
        for wanted in [
            &[&["b", "a"][..], &[], &["c"]],
            &[&["b"][..], &["a"], &["c"]],
            &[&["b"][..], &[], &["a", "c"]],
            &[&["b"][..], &[], &["c", "a"]],
            &[&["b"][..], &[], &["c", "a"]],
        ] {
            step(&mut all, "a", false);
            assert_eq!(all, sections_of(wanted));
        }
        for _ in 0..9 {
            step(&mut all, "a", true);
        }
        assert_eq!(all, sections_of(&[&["a", "b"], &[], &["c"]]));
        step(&mut all, "nothing", true);
        assert_eq!(all, sections_of(&[&["a", "b"], &[], &["c"]]));
    }
}
