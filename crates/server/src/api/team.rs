//! Teams: a tree of people, for whoever sees by teams.

use fieldstone_model::{FieldError, Problem, RecordId};
use http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::{
    ApiStore, RECORD_BYTES_MAX, ROOT, body,
    call::Call,
    error::{ApiError, ApiResult},
    written,
};
use crate::teams::{NAME_MAX, Team, TeamChange, TeamError};

impl From<TeamError> for ApiError {
    fn from(error: TeamError) -> Self {
        let advice = |field: &str, problem| Self::invalid("", &[FieldError::new(field, problem)]);
        match error {
            TeamError::BadName => advice(
                "name",
                Problem::TooLong {
                    max: u32::try_from(NAME_MAX).unwrap_or(u32::MAX),
                },
            ),
            TeamError::NameTaken => advice("name", Problem::Duplicate),
            TeamError::Cycle => advice(
                "parent_id",
                Problem::Rule {
                    code: "team_cycle",
                    advice: "Choose a team that isn't this one or below it; 20 levels are enough.",
                },
            ),
            TeamError::Unknown => advice("visibility", Problem::UnknownChoice),
            TeamError::Missing => Self::not_found("There is no such team or person."),
            TeamError::Full => Self::new(
                StatusCode::CONFLICT,
                "too-many-teams",
                "There are too many teams already. Remove some first.",
            ),
            TeamError::Store(error) => error.into(),
        }
    }
}

fn shown(team: &Team) -> Json {
    json!({ "id": team.id, "name": team.name, "parent_id": team.parent_id, "members": team.members })
}

/// `GET /teams`: all of them, with the ids of who is in them.
pub(super) async fn list<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let teams = call.store()?.teams().await?;
    let teams: Vec<Json> = teams.teams.iter().map(shown).collect();
    written::value(StatusCode::OK, &json!({ "teams": teams }))
}

/// `POST /teams` with `{"name","parent_id"?}`: 201.
pub(super) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let members = body::object(&bytes)?;
    only(&members, &["name", "parent_id"])?;
    let name = text(&members, "name")?.ok_or_else(|| required("name"))?;
    let parent_id = parent(&members, None)?;
    let change = TeamChange::Create {
        name: name.clone(),
        parent_id,
    };
    let id = call.store()?.change_teams(&change).await?;
    let team = json!({ "id": id, "name": name.trim(), "parent_id": parent_id, "members": [] });
    written::created(&format!("{ROOT}/teams/{id}"), &team)
}

/// `PATCH /teams/{id}` with `{"name"?,"parent_id"?}`: the team.
pub(super) async fn update<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = id(&mut call, "id").await?;
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let members = body::object(&bytes)?;
    only(&members, &["name", "parent_id"])?;
    let store = call.store()?;
    let teams = store.teams().await?;
    let team = teams.teams.into_iter().find(|team| team.id == id);
    let mut team = team.ok_or(TeamError::Missing)?;
    if let Some(name) = text(&members, "name")? {
        name.trim().clone_into(&mut team.name);
    }
    team.parent_id = parent(&members, team.parent_id)?;
    let change = TeamChange::Update {
        id,
        name: team.name.clone(),
        parent_id: team.parent_id,
    };
    store.change_teams(&change).await?;
    written::value(StatusCode::OK, &shown(&team))
}

/// `DELETE /teams/{id}`: 204; the teams below it move up.
pub(super) async fn delete<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = id(&mut call, "id").await?;
    changed(&call, &TeamChange::Delete(id)).await
}

/// `PUT /teams/{id}/members/{user}`: 204; the person is in the team.
pub(super) async fn join<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let change = TeamChange::Join(id(&mut call, "id").await?, id(&mut call, "user").await?);
    changed(&call, &change).await
}

/// `DELETE /teams/{id}/members/{user}`: 204; the person isn't in the team any more.
pub(super) async fn leave<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let change = TeamChange::Leave(id(&mut call, "id").await?, id(&mut call, "user").await?);
    changed(&call, &change).await
}

async fn changed<S: ApiStore>(call: &Call<S>, change: &TeamChange) -> ApiResult {
    call.parameters(&[])?;
    call.store()?.change_teams(change).await?;
    Ok(written::nothing(StatusCode::NO_CONTENT))
}

/// An id of the path; what can't be one is nobody's.
pub(super) async fn id<S: ApiStore>(call: &mut Call<S>, name: &str) -> Result<RecordId, ApiError> {
    let id = call.path(name).await?.parse();
    id.map_err(|_| TeamError::Missing.into())
}

/// Refuses members that nothing is known of.
pub(super) fn only(members: &Map<String, Json>, known: &[&str]) -> Result<(), ApiError> {
    let unknown: Vec<FieldError> = members
        .keys()
        .filter(|name| !known.contains(&name.as_str()))
        .map(|name| FieldError::new(name.clone(), Problem::UnknownField))
        .collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid("", &unknown))
    }
}

/// A member that is a text, if it is there.
pub(super) fn text(members: &Map<String, Json>, name: &str) -> Result<Option<String>, ApiError> {
    match members.get(name) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(ApiError::invalid(
            "",
            &[FieldError::new(
                name,
                Problem::WrongType { expected: "a text" },
            )],
        )),
    }
}

pub(super) fn required(name: &str) -> ApiError {
    ApiError::invalid("", &[FieldError::new(name, Problem::Required)])
}

/// The team above: `now` unless something is said, none, or another.
fn parent(
    members: &Map<String, Json>,
    now: Option<RecordId>,
) -> Result<Option<RecordId>, ApiError> {
    if members.get("parent_id").is_some_and(Json::is_null) {
        return Ok(None);
    }
    let Some(text) = text(members, "parent_id")? else {
        return Ok(now);
    };
    text.parse().map(Some).map_err(|_| {
        let errors = [FieldError::new("parent_id", Problem::NotAReference)];
        ApiError::invalid("", &errors)
    })
}
