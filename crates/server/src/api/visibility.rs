//! Whose records people see.

use http::StatusCode;
use serde_json::{Value as Json, json};

use super::{
    ApiStore, RECORD_BYTES_MAX, body,
    call::Call,
    error::{ApiError, ApiResult},
    team::{id, only, required, text},
    written,
};
use crate::teams::{TeamChange, Visibility};

/// `GET /visibility`: what new people see, and what each person does. Admins and owners see all, whatever is said of them.
pub(super) async fn list<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let teams = call.store()?.teams().await?;
    let people: Vec<Json> = teams
        .people
        .iter()
        .map(|person| {
            json!({
                "id": person.id, "name": person.name, "role": person.role.name(), "visibility": person.visibility.name(),
            })
        })
        .collect();
    let answer = json!({ "default": teams.default.name(), "people": people });
    written::value(StatusCode::OK, &answer)
}

/// `PATCH /visibility` with `{"default"}`: 204.
pub(super) async fn set_default<S: ApiStore>(call: Call<S>) -> ApiResult {
    let visibility = read(&call, "default")?;
    call.store()?
        .change_teams(&TeamChange::SeeByDefault(visibility))
        .await?;
    Ok(written::nothing(StatusCode::NO_CONTENT))
}

/// `PATCH /visibility/{user}` with `{"visibility"}`: 204; it counts from the person's next request.
pub(super) async fn set<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let user = id(&mut call, "user").await?;
    let visibility = read(&call, "visibility")?;
    call.store()?
        .change_teams(&TeamChange::See(user, visibility))
        .await?;
    Ok(written::nothing(StatusCode::NO_CONTENT))
}

fn read<S: ApiStore>(call: &Call<S>, name: &str) -> Result<Visibility, ApiError> {
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let members = body::object(&bytes)?;
    only(&members, &[name])?;
    let text = text(&members, name)?.ok_or_else(|| required(name))?;
    Ok(text.parse::<Visibility>()?)
}
