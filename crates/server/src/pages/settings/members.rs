//! `/settings/members`: who is in the workspace, what each may do, and who is shut out.
//!
//! Whether a change is allowed is decided in the database; a refusal stands beside the control it concerns.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Form,
    extract::{Query, State, rejection::FormRejection},
    http::StatusCode,
};
use fieldstone_model::{Capability, RecordId, Role};
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use serde::Deserialize;

use super::Settings;
use crate::{
    identity::IdentityError,
    pages::{Entrance, path_id::PathId},
    store::Member,
};

pub(crate) const PATH: &str = "/settings/members";
/// Members on one page.
const AT_ONCE: usize = 50;
/// Most characters that are searched for.
const SEARCH_MAX: usize = 100;

/// One row of the list.
struct Row<'a> {
    member: &'a Member,
    role: String,
    seen: String,
    is_me: bool,
}

#[derive(Template)]
#[template(path = "settings/members.html")]
struct List<'a> {
    locale: &'a Locale,
    search: &'a str,
    rows: Vec<Row<'a>>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/member.html")]
struct Page<'a> {
    locale: &'a Locale,
    row: Row<'a>,
    /// Roles to choose from, and whether each is theirs; empty when the role isn't the viewer's to change.
    roles: Vec<(&'static str, String, bool)>,
    role_error: Option<&'static str>,
    access_error: Option<&'static str>,
}

/// `GET /settings/members?q=…&after=…`.
pub(crate) async fn list(
    settings: Settings,
    Query(parameters): Query<BTreeMap<String, String>>,
) -> PageResult {
    let text = |name: &str| parameters.get(name).map(String::as_str).unwrap_or_default();
    let search: String = text("q").trim().chars().take(SEARCH_MAX).collect();
    let after: Option<RecordId> = text("after").parse().ok();
    let limit = i64::try_from(AT_ONCE + 1).unwrap_or(i64::MAX);
    let mut members = settings.store.members(&search, after, limit).await?;
    let has_more = members.len() > AT_ONCE;
    members.truncate(AT_ONCE);
    let last = members.last().filter(|_| has_more);
    let next = last.map(|last| {
        let pairs = [("q", search.as_str()), ("after", last.id.as_str())];
        let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
        format!("{PATH}?{query}")
    });
    let rows = members
        .iter()
        .map(|member| row(&settings, member))
        .collect();
    settings.page(&List {
        locale: settings.locale(),
        search: &search,
        rows,
        next,
    })
}

/// `GET /settings/members/{id}`.
pub(crate) async fn show(settings: Settings, PathId(id): PathId) -> PageResult {
    page(&settings, id, StatusCode::OK, (None, None)).await
}

/// What was chosen.
#[derive(Debug, Deserialize)]
pub(crate) struct Chosen {
    #[serde(default)]
    role: String,
    #[serde(default)]
    active: String,
}

/// `POST /settings/members/{id}/role`.
pub(crate) async fn set_role(
    State(entrance): State<Entrance>,
    settings: Settings,
    PathId(id): PathId,
    chosen: Result<Form<Chosen>, FormRejection>,
) -> PageResult {
    let Form(chosen) = chosen.map_err(|_| PageError::Invalid)?;
    let role: Role = chosen.role.parse().map_err(|_| PageError::Invalid)?;
    match settings.store.change_member(id, Some(role), None).await {
        Ok(()) => {
            forget_me(&entrance, &settings, id);
            Ok(Settings::done_at(&address(&settings, id), "role"))
        }
        Err(error) => {
            let key = refusal(error, "member-last-owner-role")?;
            page(
                &settings,
                id,
                StatusCode::UNPROCESSABLE_ENTITY,
                (Some(key), None),
            )
            .await
        }
    }
}

/// `POST /settings/members/{id}/access` with `active=yes` or `no`.
pub(crate) async fn set_access(
    State(entrance): State<Entrance>,
    settings: Settings,
    PathId(id): PathId,
    chosen: Result<Form<Chosen>, FormRejection>,
) -> PageResult {
    let Form(chosen) = chosen.map_err(|_| PageError::Invalid)?;
    let active = match chosen.active.as_str() {
        "yes" => true,
        "no" => false,
        _ => return Err(PageError::Invalid),
    };
    match settings.store.change_member(id, None, Some(active)).await {
        Ok(()) => {
            forget_me(&entrance, &settings, id);
            let done = if active { "reactivated" } else { "deactivated" };
            Ok(Settings::done_at(&address(&settings, id), done))
        }
        Err(error) => {
            let key = refusal(error, "member-last-owner-access")?;
            page(
                &settings,
                id,
                StatusCode::UNPROCESSABLE_ENTITY,
                (None, Some(key)),
            )
            .await
        }
    }
}

/// `POST /settings/members/{id}/two-step-reset`: somebody has lost what their second factor was.
pub(crate) async fn reset_two_step(settings: Settings, PathId(id): PathId) -> PageResult {
    if id == settings.viewer.user_id {
        return Err(PageError::Forbidden);
    }
    match settings.store.reset_totp(id).await {
        Ok(true) => Ok(Settings::done_at(&format!("{PATH}/{id}"), "two-step-reset")),
        Ok(false) => Err(PageError::NotFound),
        Err(IdentityError::AboveOwnRole) => Err(PageError::Forbidden),
        Err(error) => Err(error.into()),
    }
}

/// Whoever changes themselves is looked up anew.
fn forget_me(entrance: &Entrance, settings: &Settings, id: RecordId) {
    if id == settings.viewer.user_id {
        entrance.authenticator.forget(&settings.identity);
    }
}

/// Where to go after a change of this member.
fn address(settings: &Settings, id: RecordId) -> String {
    // Whoever has just changed themselves may not look at members any more.
    if id == settings.viewer.user_id {
        super::membership::PATH.to_owned()
    } else {
        format!("{PATH}/{id}")
    }
}

/// The text for a refusal that is to stand beside its control.
fn refusal(error: IdentityError, last_owner: &'static str) -> Result<&'static str, PageError> {
    match error {
        IdentityError::LastOwner => Ok(last_owner),
        IdentityError::AboveOwnRole => Ok("member-above-own"),
        error => Err(error.into()),
    }
}

async fn page(
    settings: &Settings,
    id: RecordId,
    status: StatusCode,
    (role_error, access_error): (Option<&'static str>, Option<&'static str>),
) -> PageResult {
    let member = settings.store.member(id).await?;
    let locale = settings.locale();
    let own = settings.viewer.role;
    let roles = if member.role > own {
        Vec::new()
    } else {
        grantable(own)
            .map(|role| {
                let label = locale.t(&format!("role-{role}")).into_owned();
                (role.name(), label, role == member.role)
            })
            .collect()
    };
    settings.page_with(
        status,
        &Page {
            locale,
            row: row(settings, &member),
            roles,
            role_error,
            access_error,
        },
    )
}

/// The roles that somebody of this role may give, the highest first.
pub(super) fn grantable(own: Role) -> impl Iterator<Item = Role> {
    let manages = own.can(Capability::UsersManage);
    Role::ALL
        .into_iter()
        .rev()
        .filter(move |role| manages && *role <= own)
}

fn row<'a>(settings: &Settings, member: &'a Member) -> Row<'a> {
    let locale = settings.locale();
    Row {
        role: locale.t(&format!("role-{}", member.role)).into_owned(),
        seen: member
            .last_seen_at
            .map(|at| locale.instant(at))
            .unwrap_or_default(),
        is_me: member.id == settings.viewer.user_id,
        member,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_offered_a_role_above_their_own() {
        let offered = |own| grantable(own).collect::<Vec<_>>();
        assert_eq!(
            offered(Role::Owner),
            [Role::Owner, Role::Admin, Role::Member, Role::Viewer]
        );
        assert_eq!(
            offered(Role::Admin),
            [Role::Admin, Role::Member, Role::Viewer]
        );
        assert_eq!(offered(Role::Member), []);
        assert_eq!(offered(Role::Viewer), []);
    }
}
