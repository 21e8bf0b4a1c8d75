//! Settings: what people set for themselves and for their workspace, one module per page.
//!
//! A page is a row of [`SECTIONS`], which makes the navigation, and rows of the table of pages, which say who may open it. A test holds
//! the two together.

pub(crate) mod applications;
pub(crate) mod audit;
pub(crate) mod automation;
pub(crate) mod backups;
pub(crate) mod calendar;
pub(crate) mod connected;
pub(crate) mod device_policy;
pub(crate) mod devices;
pub(crate) mod ending;
pub(crate) mod invitations;
pub(crate) mod members;
pub(crate) mod membership;
pub(crate) mod notifications;
pub(crate) mod objects;
pub(crate) mod password;
pub(crate) mod personal_data;
pub(crate) mod profile;
mod programs;
pub(crate) mod record_sets;
pub(crate) mod roles;
pub(crate) mod sealed;
pub(crate) mod service_accounts;
pub(crate) mod sessions;
pub(crate) mod sign_in;
pub(crate) mod support;
pub(crate) mod teams;
pub(crate) mod token_policy;
pub(crate) mod tokens;
pub(crate) mod two_step;
pub(crate) mod usage;
pub(crate) mod webhooks;

use std::ops::Deref;

use askama::Template;
use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::{IntoResponse as _, Redirect, Response},
};
use fieldstone_model::Capability::{
    self, RecordsRead, SchemaManage, UsersManage, WorkspaceManage, WorkspaceOwn,
};
use fieldstone_ui::{PageError, PageResult, locale::Locale};

pub(crate) use programs::{Fields, Submitted};

use super::inside::Inside;

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
#[rustfmt::skip]
pub const SECTIONS: &[Section] = &[
    own("/settings/profile",                   "settings-profile"),
    own(calendar::PATH,                        "settings-calendar"),
    own(notifications::PATH,                   "settings-notifications"),
    own("/settings/password",                  "settings-password"),
    own("/settings/two-step",                  "settings-two-step"),
    own("/settings/sessions",                  "settings-sessions"),
    own(membership::PATH,                      "settings-membership"),
    own("/settings/tokens",                    "settings-tokens"),
    own("/settings/connected",                 "settings-connected"),
    own("/settings/devices",                   "settings-devices"),
    shared(members::PATH,                      "settings-members",          UsersManage),
    shared("/settings/invitations",            "settings-invitations",      UsersManage),
    shared("/settings/teams",                  "settings-teams",            UsersManage),
    shared("/settings/roles",                  "settings-roles",            RecordsRead),
    shared(objects::PATH,                      "settings-objects",          SchemaManage),
    shared(automation::PATH,                   "settings-automation",       WorkspaceManage),
    shared(webhooks::PATH,                     "settings-webhooks",         WorkspaceManage),
    shared("/settings/sign-in",                "settings-sign-in",          WorkspaceManage),
    shared("/settings/applications",           "settings-applications",     WorkspaceManage),
    shared("/settings/service-accounts",       "settings-service-accounts", WorkspaceManage),
    shared("/settings/token-policy",           "settings-token-policy",     WorkspaceManage),
    shared("/settings/record-sets",            "settings-record-sets",      SchemaManage),
    shared("/settings/device-policy",          "settings-device-policy",    WorkspaceManage),
    shared("/settings/sealed",                 "settings-sealed",           UsersManage),
    shared("/settings/audit",                  "settings-audit",            UsersManage),
    shared(personal_data::PATH,                "settings-personal-data",    UsersManage),
    shared("/settings/usage",                  "settings-usage",            WorkspaceManage),
    shared("/settings/backups",                "settings-backups",          WorkspaceManage),
    shared(support::PATH,                      "settings-support",          WorkspaceOwn),
    shared(ending::PATH,                       "settings-ending",           WorkspaceOwn),
];

const fn own(path: &'static str, text: &'static str) -> Section {
    Section {
        path,
        text,
        needs: None,
    }
}

const fn shared(path: &'static str, text: &'static str, needs: Capability) -> Section {
    Section {
        path,
        text,
        needs: Some(needs),
    }
}

/// `GET /settings`: the first page.
pub(crate) async fn show() -> Redirect {
    Redirect::to("/settings/profile")
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

/// A request for a page of Settings.
#[derive(Clone)]
pub(crate) struct Settings {
    inside: Inside,
    section: &'static Section,
    notice: Option<String>,
    query: Vec<(String, String)>,
}

impl Deref for Settings {
    type Target = Inside;

    fn deref(&self) -> &Inside {
        &self.inside
    }
}

impl<T: Send + Sync> FromRequestParts<T> for Settings {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &T) -> Result<Self, PageError> {
        let inside = Inside::from_request_parts(parts, state).await?;
        let section = Section::of(&inside.path).ok_or(PageError::NotFound)?;
        let query: Vec<(String, String)> = parts
            .uri
            .query()
            .and_then(|query| serde_urlencoded::from_str(query).ok())
            .unwrap_or_default();
        let find = |wanted: &str| query.iter().find(|(name, _)| name == wanted);
        Ok(Self {
            inside,
            section,
            notice: find("notice").map(|(_, notice)| notice.clone()),
            query,
        })
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
    /// How the person reads.
    pub(crate) fn locale(&self) -> &Locale {
        &self.inside.viewer.locale
    }

    /// A parameter of the address.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }

    /// Answers with `content` beside the navigation of Settings.
    pub(crate) fn page(&self, content: &impl Template) -> PageResult {
        self.page_with(StatusCode::OK, content)
    }

    /// The same with a status of its own.
    pub(crate) fn page_with(&self, status: StatusCode, content: &impl Template) -> PageResult {
        let locale = self.locale();
        let content = content.render()?;
        let listed = |own: bool| {
            SECTIONS
                .iter()
                .filter(move |section| section.needs.is_none() == own)
                .filter(|section| section.needs.is_none_or(|needs| self.can(needs)))
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
    pub(crate) fn done_at(path: &str, notice: &str) -> Response {
        Redirect::to(&format!("{path}?notice={notice}")).into_response()
    }

    /// The announcement that the address asks for; none that isn't in the texts.
    fn done(&self) -> Option<String> {
        let notice = self.notice.as_ref()?;
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
    fn the_table_of_pages_asks_for_what_a_section_says() {
        let rows = crate::platform::pages();
        for section in SECTIONS {
            let row = rows
                .iter()
                .find(|row| row.path == section.path && row.method == http::Method::GET)
                .unwrap_or_else(|| panic!("{} has no row", section.path));
            assert!(row.needs.needs_session() || row.needs.capability().is_some());
            assert_eq!(row.needs.capability(), section.needs, "{}", section.path);
        }
        for row in rows.iter().filter(|row| row.path.starts_with("/settings/")) {
            let section = Section::of(row.path);
            let section = section.unwrap_or_else(|| panic!("{} is in no section", row.path));
            if section.needs.is_some() {
                assert_eq!(row.needs.capability(), section.needs, "{}", row.path);
            }
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
