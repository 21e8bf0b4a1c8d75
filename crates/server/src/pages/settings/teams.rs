//! `/settings/teams`: the tree of teams, who is in them, and whose records each person sees.

use std::ops::Deref;

use askama::Template;
use axum::{
    Form,
    extract::{FromRequestParts, RawPathParams, rejection::FormRejection},
    http::{StatusCode, request::Parts},
};
use fieldstone_model::{Capability, RecordId};
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use serde::Deserialize;

use super::Settings;
use crate::teams::{
    NAME_MAX, Person, Team, TeamChange, TeamError, TeamStore as _, Teams, Visibility,
};

const PATH: &str = "/settings/teams";

/// What was typed about a team.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct TypedTeam {
    #[serde(default)]
    name: String,
    /// Id of the team above; empty for none.
    #[serde(default)]
    parent: String,
}

/// Whom somebody chose.
#[derive(Debug, Deserialize)]
pub(crate) struct TypedPerson {
    #[serde(default)]
    user: String,
}

/// What somebody chose for a person, or for new people when no person is named.
#[derive(Debug, Deserialize)]
pub(crate) struct TypedVisibility {
    #[serde(default)]
    user: String,
    #[serde(default)]
    visibility: String,
}

/// A request about a team, and perhaps about a person in it.
pub(crate) struct AtTeam {
    settings: Settings,
    team: RecordId,
    user: Option<RecordId>,
}

impl Deref for AtTeam {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl<T: Send + Sync> FromRequestParts<T> for AtTeam {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &T) -> Result<Self, PageError> {
        let settings = Settings::from_request_parts(parts, state).await?;
        let parameters = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| PageError::NotFound)?;
        let id = |name: &str| {
            let found = parameters.iter().find(|(key, _)| *key == name);
            found
                .map(|(_, text)| text.parse::<RecordId>())
                .transpose()
                .map_err(|_| PageError::NotFound)
        };
        Ok(Self {
            settings,
            team: id("id")?.ok_or(PageError::NotFound)?,
            user: id("user")?,
        })
    }
}

/// A team as the page shows it.
struct Row<'a> {
    team: &'a Team,
    /// Steps to the right; the deepest share one.
    indent: usize,
    members: Vec<&'a Person>,
    /// Who could come in.
    others: Vec<&'a Person>,
    /// Teams it could be below of, and whether it is.
    places: Vec<(&'a Team, bool)>,
}

#[derive(Template)]
#[template(path = "settings/teams.html")]
struct Page<'a> {
    locale: &'a Locale,
    rows: Vec<Row<'a>>,
    /// The people, and whether they see all by their role.
    people: Vec<(&'a Person, bool)>,
    name_max: usize,
    default: Visibility,
    typed: &'a TypedTeam,
    error: Option<&'static str>,
}

impl Page<'_> {
    fn visibilities(&self) -> [(Visibility, String); 3] {
        Visibility::ALL.map(|visibility| {
            let text = self.locale.t(&format!("visibility-{visibility}"));
            (visibility, text.into_owned())
        })
    }

    fn role(&self, person: &Person) -> String {
        self.locale.t(&format!("role-{}", person.role)).into_owned()
    }

    fn counted(&self, count: usize) -> String {
        self.locale
            .t1("team-people", "count", count.to_string().as_str())
    }
}

/// `GET /settings/teams`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    respond(&settings, StatusCode::OK, &TypedTeam::default(), None).await
}

/// `POST /settings/teams`: a new team.
pub(crate) async fn create(
    settings: Settings,
    typed: Result<Form<TypedTeam>, FormRejection>,
) -> PageResult {
    let Form(typed) = typed.map_err(|_| PageError::Invalid)?;
    let change = TeamChange::Create {
        name: typed.name.clone(),
        parent_id: parent(&typed)?,
    };
    apply(&settings, &change, &typed, "team-made").await
}

/// `POST /settings/teams/{id}`: another name or place.
pub(crate) async fn update(
    at: AtTeam,
    typed: Result<Form<TypedTeam>, FormRejection>,
) -> PageResult {
    let Form(typed) = typed.map_err(|_| PageError::Invalid)?;
    let change = TeamChange::Update {
        id: at.team,
        name: typed.name.clone(),
        parent_id: parent(&typed)?,
    };
    apply(&at, &change, &TypedTeam::default(), "team-saved").await
}

/// `POST /settings/teams/{id}/deletion`.
pub(crate) async fn delete(at: AtTeam) -> PageResult {
    let change = TeamChange::Delete(at.team);
    apply(&at, &change, &TypedTeam::default(), "team-removed").await
}

/// `POST /settings/teams/{id}/members`.
pub(crate) async fn join(
    at: AtTeam,
    typed: Result<Form<TypedPerson>, FormRejection>,
) -> PageResult {
    let Form(typed) = typed.map_err(|_| PageError::Invalid)?;
    let user = typed.user.parse().map_err(|_| PageError::NotFound)?;
    let change = TeamChange::Join(at.team, user);
    apply(&at, &change, &TypedTeam::default(), "team-joined").await
}

/// `POST /settings/teams/{id}/members/{user}/removal`.
pub(crate) async fn leave(at: AtTeam) -> PageResult {
    let user = at.user.ok_or(PageError::NotFound)?;
    let change = TeamChange::Leave(at.team, user);
    apply(&at, &change, &TypedTeam::default(), "team-left").await
}

/// `POST /settings/teams/visibility`: what a person sees, or new people.
pub(crate) async fn see(
    settings: Settings,
    typed: Result<Form<TypedVisibility>, FormRejection>,
) -> PageResult {
    let Form(typed) = typed.map_err(|_| PageError::Invalid)?;
    let visibility = typed.visibility.parse().map_err(|_| PageError::Invalid)?;
    let change = if typed.user.is_empty() {
        TeamChange::SeeByDefault(visibility)
    } else {
        let user = typed.user.parse().map_err(|_| PageError::NotFound)?;
        TeamChange::See(user, visibility)
    };
    apply(&settings, &change, &TypedTeam::default(), "visibility").await
}

fn parent(typed: &TypedTeam) -> Result<Option<RecordId>, PageError> {
    (!typed.parent.is_empty())
        .then(|| typed.parent.parse().map_err(|_| PageError::NotFound))
        .transpose()
}

async fn apply(
    settings: &Settings,
    change: &TeamChange,
    typed: &TypedTeam,
    notice: &str,
) -> PageResult {
    let key = match settings.store.change_teams(change).await {
        Ok(_) => return Ok(Settings::done_at(PATH, notice)),
        Err(TeamError::BadName) => "team-bad-name",
        Err(TeamError::NameTaken) => "team-name-taken",
        Err(TeamError::Cycle) => "team-cycle",
        Err(TeamError::Full) => "team-full",
        Err(TeamError::Missing | TeamError::Unknown) => return Err(PageError::NotFound),
        Err(TeamError::Store(error)) => return Err(error.into()),
    };
    respond(settings, StatusCode::UNPROCESSABLE_ENTITY, typed, Some(key)).await
}

async fn respond(
    settings: &Settings,
    status: StatusCode,
    typed: &TypedTeam,
    error: Option<&'static str>,
) -> PageResult {
    let teams = settings.store.teams().await?;
    let page = Page {
        locale: settings.locale(),
        rows: rows(&teams),
        people: teams
            .people
            .iter()
            .map(|person| (person, person.role.can(Capability::UsersManage)))
            .collect(),
        name_max: NAME_MAX,
        default: teams.default,
        typed,
        error,
    };
    settings.page_with(status, &page)
}

fn rows(teams: &Teams) -> Vec<Row<'_>> {
    let tree = teams.tree();
    tree.iter()
        .enumerate()
        .map(|(at, (depth, team))| {
            // Everything deeper that follows is below the team: it can't go there.
            let below = tree
                .iter()
                .skip(at + 1)
                .take_while(|(other, _)| other > depth)
                .count();
            let places = tree
                .iter()
                .enumerate()
                .filter(|(place, _)| *place < at || *place > at + below)
                .map(|(_, (_, place))| (*place, team.parent_id == Some(place.id)))
                .collect();
            let (members, others) = teams
                .people
                .iter()
                .partition(|person| team.members.contains(&person.id));
            Row {
                team,
                indent: (*depth).min(6),
                members,
                others,
                places,
            }
        })
        .collect()
}
