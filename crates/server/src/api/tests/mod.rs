//! Tests of the API over the memory store: the router as it is served, without network, sign-in and database.

mod bodies;
mod conditions;
mod documents;
mod fuzz;
mod matrix;
mod people;
mod records;
mod repeats;
mod shapes;

use std::sync::Arc;

use axum::{Router, body::Body, response::Response};
use fieldstone_model::{Field, Object, RecordId, Role, query::Environment};
use fieldstone_store::{
    MemoryStore, Store as _, StoreError,
    conformance::{Team, schema::memory_team},
};
use fieldstone_ui::{Viewer, locale::Locale};
use http::{HeaderMap, Method, Request, StatusCode};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value as Json, json};
use tower::ServiceExt as _;

use zeroize::Zeroizing;

use super::{
    AccountStore, AuditStore, GrantStore, PeopleStore, ProgramStore, RecordSetStore, SchemaStore,
    TokenStore, router,
};
use crate::{
    identity::{
        IdentityError,
        audit::{AuditEvent, Filter, Verdict},
        oauth::{Application, GrantSummary, NewApplication, NewGrant, TokenSet},
        service_account::{ServiceAccount, TokenPolicy},
        token::ApiTokenSummary,
    },
    schema::{NewField, NewObject, SchemaError},
    store::{Invitation, Member, OwnEmail},
    sync::{Figure, NewSet, PublishedSet, RecordSet, SetError},
    teams::{TeamChange, TeamError, TeamStore, Teams, Visibility},
};

/// The memory store's registry stands still: it checks the right and answers what it would have made.
impl SchemaStore for MemoryStore {
    async fn create_object(&self, new: &NewObject) -> Result<Arc<Object>, SchemaError> {
        let object = Object::custom(
            new.name.clone(),
            new.plural.clone(),
            *b"a99",
            new.label.clone(),
            new.plural_label.clone(),
        );
        Ok(Arc::new(object))
    }

    async fn remove_object(&self, object: &str) -> Result<(), SchemaError> {
        let found = self
            .registry()
            .object(object)
            .filter(|object| object.custom);
        found.map(drop).ok_or(SchemaError::Missing)
    }

    async fn create_field(&self, _object: &str, new: &NewField) -> Result<Field, SchemaError> {
        let mut field = Field::new(2000, "", new.kind.clone());
        field.name = new.name.clone().into();
        field.label = Some(new.label.clone());
        field.custom = true;
        Ok(field)
    }

    async fn relabel_field(
        &self,
        object: &str,
        field: &str,
        label: &str,
        help: Option<&str>,
    ) -> Result<Field, SchemaError> {
        let object = self.registry().object(object).ok_or(SchemaError::Missing)?;
        let mut field = object.field(field).cloned().ok_or(SchemaError::Missing)?;
        field.label = Some(label.to_owned());
        field.help = help.map(str::to_owned);
        Ok(field)
    }

    async fn restrict_field(
        &self,
        object: &str,
        field: &str,
        (read_role, write_role): (Role, Role),
    ) -> Result<Field, SchemaError> {
        let object = self.registry().object(object).ok_or(SchemaError::Missing)?;
        let field = object.field(field).ok_or(SchemaError::Missing)?;
        Ok(Field {
            read_role,
            write_role,
            ..field.clone()
        })
    }

    async fn remove_field(&self, object: &str, field: &str) -> Result<(), SchemaError> {
        let found = self
            .registry()
            .object(object)
            .and_then(|object| object.field(field));
        found
            .filter(|field| field.custom)
            .map(drop)
            .ok_or(SchemaError::Missing)
    }
}

/// The memory store has no devices.
impl crate::sync::SyncStore for MemoryStore {}

impl crate::attachments::AttachmentStore for MemoryStore {}
/// The memory store has no sessions, and a policy that stays as it is.
impl AccountStore for MemoryStore {
    async fn sessions(&self, _: Option<RecordId>) -> Result<Vec<Json>, StoreError> {
        Ok(Vec::new())
    }

    async fn end_session(&self, _: RecordId) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn end_other_sessions(&self, _: RecordId) -> Result<i64, StoreError> {
        Ok(0)
    }

    async fn policy(&self) -> Result<(i32, i32, bool), StoreError> {
        Ok((30, 720, false))
    }

    async fn set_policy(&self, _: (i32, i32, bool)) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn reset_totp(&self, _: RecordId) -> Result<bool, IdentityError> {
        Ok(false)
    }
}

/// The memory store has no record sets, and none can be made.
impl RecordSetStore for MemoryStore {
    async fn record_sets(&self) -> Result<Vec<PublishedSet>, StoreError> {
        Ok(Vec::new())
    }

    async fn record_set(&self, _: RecordId) -> Result<Option<PublishedSet>, StoreError> {
        Ok(None)
    }

    async fn publish_set(
        &self,
        _: Option<(RecordId, i64)>,
        _: &NewSet,
        _: &(dyn Fn(&Object) -> String + Sync),
    ) -> Result<RecordId, SetError> {
        Err(SetError::Missing)
    }

    async fn remove_set(&self, _: RecordId) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn figures(&self, _: &RecordSet, _: Environment) -> Result<Vec<Figure>, StoreError> {
        Ok(Vec::new())
    }
}

/// The memory store has no programs, and a policy that stays as it is.
impl ProgramStore for MemoryStore {
    async fn service_accounts(&self) -> Result<Vec<ServiceAccount>, StoreError> {
        Ok(Vec::new())
    }

    async fn service_account(&self, _: RecordId) -> Result<Option<ServiceAccount>, StoreError> {
        Ok(None)
    }

    async fn add_service_account(&self, _: &str, _: Role) -> Result<RecordId, StoreError> {
        Ok("0050000000000Aa".parse().unwrap())
    }

    async fn update_service_account(
        &self,
        _: RecordId,
        _: &str,
        _: Role,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn switch_service_account(&self, _: RecordId, _: bool) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn service_tokens(&self, _: RecordId) -> Result<Vec<ApiTokenSummary>, StoreError> {
        Ok(Vec::new())
    }

    async fn add_service_token(
        &self,
        _: RecordId,
        name: &str,
        scopes: &[&str],
        expires_at: Timestamp,
    ) -> Result<(RecordId, Zeroizing<String>), StoreError> {
        self.add_token(name, scopes, expires_at).await
    }

    async fn applications(&self) -> Result<Vec<Application>, StoreError> {
        Ok(Vec::new())
    }

    async fn application(&self, _: RecordId) -> Result<Option<Application>, StoreError> {
        Ok(None)
    }

    async fn add_application(
        &self,
        _: &NewApplication,
    ) -> Result<(RecordId, Option<Zeroizing<String>>), StoreError> {
        Ok(("0OC0000000000Aa".parse().unwrap(), None))
    }

    async fn update_application(
        &self,
        _: RecordId,
        _: &NewApplication,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn switch_application(&self, _: RecordId, _: bool) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn remove_application(&self, _: RecordId) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn renew_secret(&self, _: RecordId) -> Result<Option<Zeroizing<String>>, StoreError> {
        Ok(None)
    }

    async fn token_policy(&self) -> Result<TokenPolicy, StoreError> {
        Ok(TokenPolicy {
            days_max: 366,
            access_minutes: 30,
        })
    }

    async fn set_token_policy(&self, _: TokenPolicy) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The memory store keeps no tokens.
/// Teams are the database's: here there are none, and none can be made.
impl TeamStore for MemoryStore {
    async fn teams(&self) -> Result<Teams, StoreError> {
        Ok(Teams {
            teams: Vec::new(),
            people: Vec::new(),
            default: Visibility::All,
        })
    }

    async fn change_teams(&self, _: &TeamChange) -> Result<RecordId, TeamError> {
        Err(TeamError::Missing)
    }
}

impl TokenStore for MemoryStore {
    async fn add_token(
        &self,
        _: &str,
        _: &[&str],
        _: Timestamp,
    ) -> Result<(RecordId, Zeroizing<String>), StoreError> {
        let id = "0AT0000000000Aa".parse().unwrap();
        Ok((id, Zeroizing::new("fst_secret".to_owned())))
    }

    async fn token_days_max(&self) -> Result<i64, StoreError> {
        Ok(366)
    }

    async fn own_tokens(&self) -> Result<Vec<ApiTokenSummary>, StoreError> {
        Ok(Vec::new())
    }

    async fn end_token(&self, _: RecordId) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// The memory store keeps nobody: it answers what an empty workspace would.
impl PeopleStore for MemoryStore {
    async fn members(
        &self,
        _: &str,
        _: Option<RecordId>,
        _: i64,
    ) -> Result<Vec<Member>, IdentityError> {
        Ok(Vec::new())
    }

    async fn member(&self, _: RecordId) -> Result<Member, IdentityError> {
        Err(IdentityError::Missing("member"))
    }

    async fn change_member(
        &self,
        _: RecordId,
        _: Option<Role>,
        _: Option<bool>,
    ) -> Result<(), IdentityError> {
        Err(IdentityError::LastOwner)
    }

    async fn invitations(&self) -> Result<Vec<Invitation>, IdentityError> {
        Ok(Vec::new())
    }

    async fn invite(
        &self,
        emails: &[String],
        role: Role,
        _: &str,
    ) -> Result<Vec<RecordId>, IdentityError> {
        if role > self.user().role {
            return Err(IdentityError::AboveOwnRole);
        }
        Ok(vec!["0IV0000000000Aa".parse().unwrap(); emails.len()])
    }

    async fn resend_invitation(&self, _: RecordId) -> Result<(), IdentityError> {
        Err(IdentityError::TooOften)
    }

    async fn withdraw_invitation(&self, _: RecordId) -> Result<(), IdentityError> {
        Err(IdentityError::Missing("open invitation"))
    }

    async fn own_email(&self) -> Result<OwnEmail, IdentityError> {
        let email = "ann@north.example".to_owned();
        Ok(OwnEmail {
            email,
            change: None,
        })
    }

    async fn ask_email_change(&self, email: &str) -> Result<(), IdentityError> {
        Err(IdentityError::AlreadyMember(email.to_owned()))
    }

    async fn stop_email_change(&self) -> Result<bool, IdentityError> {
        Ok(false)
    }

    async fn leave(&self) -> Result<(), IdentityError> {
        Ok(())
    }
}

/// The memory store signs no application in.
impl GrantStore for MemoryStore {
    async fn add_device_grant(
        &self,
        _: &NewGrant,
        _: RecordId,
        _: Timestamp,
    ) -> Result<Option<(RecordId, TokenSet)>, StoreError> {
        Ok(None)
    }

    async fn own_grants(&self) -> Result<Vec<GrantSummary>, StoreError> {
        Ok(Vec::new())
    }

    async fn end_grant(&self, _: RecordId) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// The memory store's log has one event.
impl AuditStore for MemoryStore {
    async fn audit_events(
        &self,
        _: &Filter,
        before: Option<i64>,
        _: i64,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let event = AuditEvent {
            seq: 1,
            at: "2026-03-01T12:00:00Z".parse().unwrap(),
            actor: self.user().id.to_string(),
            action: "session.start".to_owned(),
            target: self.user().id.to_string(),
            detail: json!({ "address": "192.0.2.1" }),
            hash: "00".repeat(32),
        };
        Ok(before
            .is_none_or(|before| before > 1)
            .then_some(event)
            .into_iter()
            .collect())
    }

    async fn verify_audit(&self) -> Result<Verdict, StoreError> {
        Ok(Verdict {
            whole: true,
            events: 1,
            first_break: None,
        })
    }
}

/// A workspace with a router over it.
struct World {
    team: Team<MemoryStore>,
    router: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// Checks that it is a refusal in the agreed form, and gives its errors as `place code`.
    #[track_caller]
    fn refused(&self, status: u16) -> Vec<String> {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(
            problem["type"]
                .as_str()
                .unwrap()
                .starts_with("urn:fieldstone:problem:")
        );
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let place = |error: &Json| {
            let place = ["pointer", "parameter", "header"]
                .into_iter()
                .find_map(|kind| error[kind].as_str());
            format!("{} {}", place.unwrap(), error["code"].as_str().unwrap())
        };
        let mut places: Vec<_> = errors.iter().map(place).collect();
        places.sort();
        places
    }
}

fn viewer(store: &MemoryStore) -> Viewer {
    Viewer {
        user_id: store.user().id,
        name: "Somebody".to_owned(),
        role: store.user().role,
        workspace: "North".to_owned(),
        locale: Locale::new("en", TimeZone::UTC, "EUR"),
        now: "2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap(),
        can_sign_out: true,
        is_proven: true,
    }
}

impl World {
    fn new() -> Self {
        Self {
            team: memory_team(),
            router: router::<MemoryStore>(),
        }
    }

    /// Sends a request as the user of `store`, or as nobody.
    async fn send(&self, store: Option<&MemoryStore>, mut request: Request<Body>) -> Answer {
        if let Some(store) = store {
            request.extensions_mut().insert(store.clone());
            request.extensions_mut().insert(viewer(store));
        }
        let response: Response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// Sends a request as the member.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Json>,
    ) -> Answer {
        self.send(
            Some(&self.team.member),
            request(method, path, headers, body),
        )
        .await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], None).await
    }

    async fn post(&self, path: &str, body: Json) -> Answer {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    async fn patch(&self, path: &str, body: Json) -> Answer {
        self.ask(Method::PATCH, path, &[], Some(body)).await
    }

    /// Makes a record; gives its id.
    #[track_caller]
    fn make(&self, object: &str, body: Json) -> impl Future<Output = RecordId> {
        let path = format!("/api/v1/records/{object}");
        async move {
            let answer = self.post(&path, body).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
            answer.json()["id"].as_str().unwrap().parse().unwrap()
        }
    }
}

/// JSON as people read it in a snapshot.
fn pretty(json: &Json) -> String {
    serde_json::to_string_pretty(json).unwrap()
}

fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Json>,
) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    match body {
        Some(body) => builder
            .header("content-type", "application/json")
            .body(Body::from(body.to_string())),
        None => builder.body(Body::empty()),
    }
    .unwrap()
}

#[tokio::test]
async fn nobody_gets_in_without_a_store() {
    let world = World::new();
    let answer = world
        .send(
            None,
            request(Method::GET, "/api/v1/records/deal", &[], None),
        )
        .await;
    answer.refused(401);
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    let body = json!({ "email": "a@example.com", "password": "x" });
    world
        .send(
            None,
            request(Method::POST, "/api/v1/session", &[], Some(body)),
        )
        .await
        .refused(404);
}
