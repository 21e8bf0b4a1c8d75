//! Record sets as JSON: which records devices carry, with what that brings before it is published.

use fieldstone_model::{FieldError, Object, Problem, RecordId, query::Environment};
use fieldstone_store::StoreError;
use http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::{
    ApiStore, RECORD_BYTES_MAX, ROOT, body,
    call::Call,
    error::{ApiError, ApiResult},
    etag::Condition,
    team::{only, required, text},
    written,
};
use crate::{
    store::PgStore,
    sync::{Audience, Figure, NewSet, PublishedSet, RecordSet, SetError, sets::check},
};

/// Keeps the record sets of a workspace.
pub trait RecordSetStore: Send + Sync {
    /// The workspace's own.
    fn record_sets(&self) -> impl Future<Output = Result<Vec<PublishedSet>, StoreError>> + Send;

    /// One of them.
    fn record_set(
        &self,
        id: RecordId,
    ) -> impl Future<Output = Result<Option<PublishedSet>, StoreError>> + Send;

    /// Publishes a new one, or the next version of the one with this id and version. `name_of` says what the standard ones are called, in
    /// case they become the workspace's own.
    fn publish_set(
        &self,
        known: Option<(RecordId, i64)>,
        new: &NewSet,
        name_of: &(dyn Fn(&Object) -> String + Sync),
    ) -> impl Future<Output = Result<RecordId, SetError>> + Send;

    /// Removes one; false when there is none.
    fn remove_set(&self, id: RecordId) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// What a record set would bring to a device of the caller.
    fn figures(
        &self,
        set: &RecordSet,
        environment: Environment,
    ) -> impl Future<Output = Result<Vec<Figure>, StoreError>> + Send;
}

impl RecordSetStore for PgStore {
    async fn record_sets(&self) -> Result<Vec<PublishedSet>, StoreError> {
        Self::record_sets(self).await
    }

    async fn record_set(&self, id: RecordId) -> Result<Option<PublishedSet>, StoreError> {
        Self::record_set(self, id).await
    }

    async fn publish_set(
        &self,
        known: Option<(RecordId, i64)>,
        new: &NewSet,
        name_of: &(dyn Fn(&Object) -> String + Sync),
    ) -> Result<RecordId, SetError> {
        Self::publish_set(self, known, new, name_of).await
    }

    async fn remove_set(&self, id: RecordId) -> Result<bool, StoreError> {
        Self::remove_set(self, id).await
    }

    async fn figures(
        &self,
        set: &RecordSet,
        environment: Environment,
    ) -> Result<Vec<Figure>, StoreError> {
        Self::figures(self, std::slice::from_ref(set), environment).await
    }
}

impl From<SetError> for ApiError {
    fn from(error: SetError) -> Self {
        match error {
            SetError::Invalid(problem) => {
                let (field, advice) = (problem.field(), problem.to_string());
                let code = "record_set";
                Self::invalid("", &[]).with(super::error::Place::member("", field), code, advice)
            }
            SetError::Stale => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "stale",
                "Somebody else has published this record set meanwhile. Read it again, and change that.",
            ),
            SetError::Missing => missing(),
            SetError::Store(error) => error.into(),
        }
    }
}

fn missing() -> ApiError {
    ApiError::not_found("There is no such record set.")
}

fn shown(published: &PublishedSet) -> Json {
    let (role, person) = match published.new.audience {
        Audience::Everybody => (None, None),
        Audience::Role(role) => (Some(role.name()), None),
        Audience::Person(person) => (None, Some(person)),
    };
    let set = &published.new.set;
    json!({
        "id": published.id,
        "version": published.version,
        "name": published.new.name,
        "role": role,
        "person_id": person,
        "interval_s": published.new.interval_s,
        "root": set.root,
        "filter": set.filter,
        "tree": set.tree,
        "updated_at": published.updated_at.to_string(),
    })
}

/// `GET /record-sets`: the workspace's own; none as long as the standard ones hold.
pub(super) async fn list<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let sets = call.store()?.record_sets().await?;
    let sets: Vec<Json> = sets.iter().map(shown).collect();
    written::value(StatusCode::OK, &json!({ "record_sets": sets }))
}

/// `GET /record-sets/{id}`, with its version as `ETag`.
pub(super) async fn show<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = id(&mut call).await?;
    let found = call.store()?.record_set(id).await?.ok_or_else(missing)?;
    tagged(StatusCode::OK, &found)
}

/// `POST /record-sets`: 201. The first one makes the standard ones the workspace's own as well.
pub(super) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let new = read(&body::object(&call.json(RECORD_BYTES_MAX)?)?)?;
    let store = call.store()?;
    let locale = &call.viewer()?.locale;
    let name_of = |object: &Object| locale.objects(object);
    let id = store.publish_set(None, &new, &name_of).await?;
    let made = store.record_set(id).await?.ok_or_else(missing)?;
    let mut response = written::created(&format!("{ROOT}/record-sets/{id}"), &shown(&made))?;
    written::tag(response.headers_mut(), made.version);
    Ok(response)
}

/// `PUT /record-sets/{id}`: the next version. `If-Match` guards it.
pub(super) async fn update<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = id(&mut call).await?;
    let new = read(&body::object(&call.json(RECORD_BYTES_MAX)?)?)?;
    let store = call.store()?;
    let found = store.record_set(id).await?.ok_or_else(missing)?;
    let condition = Condition::read(call.header("if-match")?, false);
    if condition != Condition::None && !condition.names(found.version) {
        return Err(SetError::Stale.into());
    }
    let locale = &call.viewer()?.locale;
    let name_of = |object: &Object| locale.objects(object);
    let known = Some((id, found.version));
    store.publish_set(known, &new, &name_of).await?;
    let written = store.record_set(id).await?.ok_or_else(missing)?;
    tagged(StatusCode::OK, &written)
}

/// `DELETE /record-sets/{id}`: 204. With the last one the standard ones hold again.
pub(super) async fn delete<S: ApiStore>(mut call: Call<S>) -> ApiResult {
    let id = id(&mut call).await?;
    if call.store()?.remove_set(id).await? {
        Ok(written::nothing(StatusCode::NO_CONTENT))
    } else {
        Err(missing())
    }
}

/// `POST /record-sets/preview`: how many records, and about how many bytes, one would bring to a device of the caller.
pub(super) async fn preview<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let mut members = body::object(&call.json(RECORD_BYTES_MAX)?)?;
    members
        .entry("name")
        .or_insert_with(|| Json::from("Preview"));
    let new = read(&members)?;
    let store = call.store()?;
    check(store.registry(), &new, call.viewer()?.user_id).map_err(SetError::Invalid)?;
    let figures = store.figures(&new.set, call.environment()?).await?;
    written::value(StatusCode::OK, &json!({ "figures": figures }))
}

async fn id<S: ApiStore>(call: &mut Call<S>) -> Result<RecordId, ApiError> {
    let id = call.path("id").await?;
    call.parameters(&[])?;
    id.parse().map_err(|_| missing())
}

fn tagged(status: StatusCode, published: &PublishedSet) -> ApiResult {
    let mut response = written::value(status, &shown(published))?;
    written::tag(response.headers_mut(), published.version);
    Ok(response)
}

fn read(members: &Map<String, Json>) -> Result<NewSet, ApiError> {
    const KNOWN: [&str; 7] = [
        "name",
        "role",
        "person_id",
        "interval_s",
        "root",
        "filter",
        "tree",
    ];
    only(members, &KNOWN)?;
    let wrong = |name: &str, problem| ApiError::invalid("", &[FieldError::new(name, problem)]);
    let optional = |name: &str| match members.get(name) {
        Some(Json::Null) => Ok(None),
        _ => text(members, name),
    };
    let audience = match (optional("role")?, optional("person_id")?) {
        (None, None) => Audience::Everybody,
        (Some(role), None) => Audience::Role(
            role.parse()
                .map_err(|_| wrong("role", Problem::UnknownChoice))?,
        ),
        (None, Some(person)) => Audience::Person(
            person
                .parse()
                .map_err(|_| wrong("person_id", Problem::NotAReference))?,
        ),
        (Some(_), Some(_)) => {
            let advice = "Name a role or a person, not both.";
            let code = "one_audience";
            return Err(wrong("person_id", Problem::Rule { code, advice }));
        }
    };
    let interval_s = match members.get("interval_s") {
        None | Some(Json::Null) => None,
        Some(json) => {
            let seconds = json
                .as_i64()
                .and_then(|seconds| i32::try_from(seconds).ok());
            let expected = "a number of seconds";
            Some(seconds.ok_or_else(|| wrong("interval_s", Problem::WrongType { expected }))?)
        }
    };
    let tree = match members.get("tree") {
        None => Vec::new(),
        Some(tree) => serde_json::from_value(tree.clone()).map_err(|_| {
            let expected = "a list of {\"via\", \"tree\"}";
            wrong("tree", Problem::WrongType { expected })
        })?,
    };
    Ok(NewSet {
        name: text(members, "name")?.ok_or_else(|| required("name"))?,
        audience,
        interval_s,
        set: RecordSet {
            root: text(members, "root")?.ok_or_else(|| required("root"))?,
            filter: text(members, "filter")?.unwrap_or_default(),
            tree,
        },
    })
}
