//! Settings: what people set for themselves and for their workspace, one module per page.
//!
//! A page is a row of [`SECTIONS`] and a route. The row says who may open it, and [`Settings`], the extractor of every page here,
//! refuses everybody else: a page without a row can't be opened by anyone.

mod profile;

use std::ops::Deref;

use askama::Template;
use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts},
    http::{StatusCode, request::Parts},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use fieldstone_model::Capability;
use fieldstone_ui::{PageError, locale::Locale};

use super::{
    Entrance, FORM_MAX,
    inside::{Inside, Refusal},
};

/// One page of the navigation of Settings. Pages below its address belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Its address.
    pub path: &'static str,
    /// Key of its title.
    pub text: &'static str,
    /// What whoever opens it has to be able to do; nothing for what people set for themselves.
    pub needs: Option<Capability>,
}

/// Every page of Settings, in the order of the navigation: first one's own, then the workspace's.
pub const SECTIONS: &[Section] = &[Section {
    path: "/settings/profile",
    text: "settings-profile",
    needs: None,
}];

/// The pages under `/settings`.
pub(super) fn routes(entrance: Entrance) -> Router {
    Router::new()
        .route(
            "/settings",
            get(|| async { Redirect::to("/settings/profile") }),
        )
        .route(
            "/settings/profile",
            get(profile::show).post(profile::submit),
        )
        .layer(DefaultBodyLimit::max(FORM_MAX))
        .with_state(entrance)
}

impl Section {
    /// The section that an address belongs to.
    fn of(path: &str) -> Option<&'static Self> {
        SECTIONS.iter().find(|section| {
            path.strip_prefix(section.path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// A request for a page of Settings, by somebody who may open it.
#[derive(Clone)]
pub(super) struct Settings {
    inside: Inside,
    section: &'static Section,
}

impl Deref for Settings {
    type Target = Inside;

    fn deref(&self) -> &Inside {
        &self.inside
    }
}

impl<T: Send + Sync> FromRequestParts<T> for Settings {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &T) -> Result<Self, Refusal> {
        let inside = Inside::from_request_parts(parts, state).await?;
        let section = Section::of(&inside.path).ok_or(PageError::NotFound)?;
        if let Some(capability) = section.needs {
            inside.require(capability)?;
        }
        Ok(Self { inside, section })
    }
}

#[derive(Template)]
#[template(path = "settings/shell.html")]
struct Shell<'a> {
    locale: &'a Locale,
    section: &'a Section,
    /// Heading and entries of each part of the navigation.
    parts: [(&'static str, Vec<&'static Section>); 2],
    done: Option<String>,
    content: &'a str,
}

impl Settings {
    pub(super) fn locale(&self) -> &Locale {
        &self.inside.viewer.locale
    }

    /// Sends whoever has not proved themselves lately to `/confirm`, and back to this page afterwards.
    #[allow(
        dead_code,
        reason = "the first page that weighs much comes with the next step"
    )]
    pub(super) fn require_recent_proof(&self) -> Result<(), Refusal> {
        self.inside.require_recent_proof(self.section.path)
    }

    /// Answers with `content` beside the navigation of Settings.
    #[allow(
        dead_code,
        reason = "the first page that weighs much comes with the next step"
    )]
    pub(super) fn page(&self, content: &impl Template) -> Result<Response, Refusal> {
        self.page_with(StatusCode::OK, content)
    }

    /// The same with a status of its own.
    pub(super) fn page_with(
        &self,
        status: StatusCode,
        content: &impl Template,
    ) -> Result<Response, Refusal> {
        let locale = self.locale();
        let content = content.render().map_err(PageError::from)?;
        let listed = |own: bool| {
            SECTIONS
                .iter()
                .filter(move |section| section.needs.is_none() == own)
                .filter(|section| section.needs.is_none_or(|needs| self.viewer.can(needs)))
                .collect()
        };
        let shell = Shell {
            locale,
            section: self.section,
            parts: [
                ("settings-own", listed(true)),
                ("settings-workspace", listed(false)),
            ],
            done: self.done(),
            content: &content,
        };
        Ok(self
            .inside
            .page_with(status, locale.t(self.section.text), &shell))
    }

    /// Sends on to a page of Settings that announces the text `settings-done-{notice}`.
    pub(super) fn done_at(path: &str, notice: &str) -> Response {
        Redirect::to(&format!("{path}?notice={notice}")).into_response()
    }

    /// The announcement that the address asks for; none that isn't in the texts.
    fn done(&self) -> Option<String> {
        let notice = self
            .query
            .split('&')
            .find_map(|pair| pair.strip_prefix("notice="))?;
        let text = self.locale().find(&format!("settings-done-{notice}"))?;
        Some(text.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn an_address_belongs_to_one_section_at_most() {
        assert_eq!(
            Section::of("/settings/profile").map(|section| section.path),
            Some("/settings/profile")
        );
        assert!(Section::of("/settings/profile/photo").is_some());
        assert!(Section::of("/settings/profiles").is_none());
        assert!(Section::of("/settings").is_none());
        for (at, section) in SECTIONS.iter().enumerate() {
            let found = SECTIONS.iter().position(|other| {
                Section::of(section.path).is_some_and(|found| found.path == other.path)
            });
            assert_eq!(found, Some(at), "{} is hidden by another", section.path);
        }
    }

    #[test]
    fn every_section_has_a_title() {
        for tag in ["en", "de"] {
            let locale = Locale::new(tag, TimeZone::UTC, "EUR");
            for section in SECTIONS {
                assert!(locale.find(section.text).is_some(), "{}", section.text);
            }
        }
    }
}
