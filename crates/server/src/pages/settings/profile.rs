//! `/settings/profile`: one's own name, language and time zone.

use askama::Template;
use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    http::StatusCode,
};
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use serde::Deserialize;

use super::Settings;
use crate::{pages::Entrance, store::NewProfile};

const PATH: &str = "/settings/profile";
/// Most characters of a name.
const NAME_MAX: usize = 255;

/// What was typed.
#[derive(Debug, Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    name: String,
    #[serde(default)]
    locale: String,
    #[serde(default)]
    time_zone: String,
}

/// A choice of a list, and whether it is the chosen one.
type Choice = (String, String, bool);

#[derive(Template)]
#[template(path = "settings/profile.html")]
struct Page<'a> {
    locale: &'a Locale,
    name: &'a str,
    email: &'a str,
    name_error: Option<&'static str>,
    error: Option<&'static str>,
    locales: Vec<Choice>,
    /// Time zones by continent.
    time_zones: Vec<(String, Vec<Choice>)>,
}

/// `GET /settings/profile`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let profile = settings.store.own_profile().await?;
    let typed = Typed {
        name: profile.name,
        locale: profile.locale,
        time_zone: profile.time_zone,
    };
    settings.page(&content(&settings, &typed, &profile.email, (None, None)))
}

/// `POST /settings/profile`.
pub(crate) async fn submit(
    State(entrance): State<Entrance>,
    settings: Settings,
    typed: Result<Form<Typed>, FormRejection>,
) -> PageResult {
    let Form(mut typed) = typed.map_err(|_| PageError::Invalid)?;
    typed.name = typed.name.trim().to_owned();
    let name_error = check_name(&typed.name).err();
    let is_known = Locale::TAGS.contains(&typed.locale.as_str())
        && jiff::tz::TimeZone::get(&typed.time_zone).is_ok();
    let error = (!is_known).then_some("error-invalid");
    if name_error.is_some() || error.is_some() {
        let email = settings.store.own_profile().await?.email;
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let content = content(&settings, &typed, &email, (name_error, error));
        return settings.page_with(status, &content);
    }
    settings
        .store
        .update_own_profile(&NewProfile {
            name: &typed.name,
            locale: &typed.locale,
            time_zone: &typed.time_zone,
        })
        .await?;
    entrance.profiles.forget(settings.store.actor());
    Ok(Settings::done_at(PATH, "profile"))
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        Err("profile-name-missing")
    } else if name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        Err("profile-name-unusable")
    } else {
        Ok(())
    }
}

fn content<'a>(
    settings: &'a Settings,
    typed: &'a Typed,
    email: &'a str,
    (name_error, error): (Option<&'static str>, Option<&'static str>),
) -> Page<'a> {
    let locale = settings.locale();
    let locales = Locale::TAGS
        .iter()
        .map(|tag| {
            let label = locale.t(&format!("locale-{}", tag.to_ascii_lowercase()));
            ((*tag).to_owned(), label.into_owned(), *tag == typed.locale)
        })
        .collect();
    Page {
        locale,
        name: &typed.name,
        email,
        name_error,
        error,
        locales,
        time_zones: time_zones(&typed.time_zone),
    }
}

/// Every time zone that stands for a place, and UTC; by continent, as the database of time zones names them.
fn time_zones(chosen: &str) -> Vec<(String, Vec<Choice>)> {
    /// Parts of the database that are places. The others are old names, and fixed offsets that know no summer time.
    const CONTINENTS: [&str; 10] = [
        "Africa",
        "America",
        "Antarctica",
        "Arctic",
        "Asia",
        "Atlantic",
        "Australia",
        "Europe",
        "Indian",
        "Pacific",
    ];
    let choice = |name: &str, label: &str| {
        let label = label.replace('_', " ").replace('/', ", ");
        (name.to_owned(), label, name == chosen)
    };
    let mut names: Vec<String> = jiff::tz::db()
        .available()
        .map(|name| name.as_str().to_owned())
        .collect();
    names.sort_unstable();
    let mut groups = vec![("UTC".to_owned(), vec![choice("UTC", "UTC")])];
    // One that is set otherwise, e.g. by an operator, stays until it is changed.
    let is_listed = chosen == "UTC"
        || chosen
            .split_once('/')
            .is_some_and(|(continent, _)| CONTINENTS.contains(&continent));
    if !is_listed {
        groups.push((chosen.to_owned(), vec![choice(chosen, chosen)]));
    }
    for continent in CONTINENTS {
        let places = names
            .iter()
            .filter_map(|name| {
                let place = name.strip_prefix(continent)?.strip_prefix('/')?;
                Some(choice(name, place))
            })
            .collect();
        groups.push((continent.to_owned(), places));
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_zone_listed_exists_and_exactly_one_is_chosen() {
        for chosen in ["Europe/Berlin", "UTC", "CET", "America/Argentina/Ushuaia"] {
            let groups = time_zones(chosen);
            let all: Vec<&Choice> = groups.iter().flat_map(|(_, zones)| zones).collect();
            assert!(all.len() > 300);
            for (name, ..) in &all {
                assert!(jiff::tz::TimeZone::get(name).is_ok(), "{name}");
            }
            let found: Vec<&str> = all
                .iter()
                .filter(|(_, _, is_chosen)| *is_chosen)
                .map(|(name, ..)| name.as_str())
                .collect();
            assert_eq!(found, [chosen]);
        }
    }

    #[test]
    fn names_are_checked() {
        assert!(check_name("Ann").is_ok());
        assert!(check_name("").is_err());
        assert!(check_name("a\u{7}b").is_err());
        assert!(check_name(&"x".repeat(256)).is_err());
    }
}
