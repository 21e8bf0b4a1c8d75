//! Puts the demo companies into an installation. Starting again after an interruption goes on where it stopped.

use std::{collections::BTreeSet, path::Path};

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use fieldstone_model::{Change, IdSource, RecordId, Role};
use fieldstone_store::{Store as _, StoreError};
use jiff::{Timestamp, tz::TimeZone};
use secrecy::SecretString;
use serde::Serialize;
use tokio_postgres::Client;

use super::{Business, CHUNK, COMPANIES, Company, Person, changes, service};
use crate::{
    database::{Actor, statistics},
    identity::{
        IdentityError, PasswordHasher,
        workspace::{self, NewUser, NewWorkspace},
    },
    schema::{SchemaError, create_default_pipeline, create_field, create_object},
    store::{PgStore, Stores},
};

/// Random bytes of a password: 24 characters.
const PASSWORD_BYTES: usize = 18;

/// Somebody who can sign in to a demo workspace. Printed and written down on purpose: it is a demo.
#[derive(Debug, Clone, Serialize)]
pub struct DemoUser {
    /// The workspace's address.
    pub workspace: String,
    /// Their e-mail address.
    pub email: String,
    /// Their password, made for this installation alone.
    pub password: String,
    /// What they may do.
    pub role: Role,
}

/// What `demo.json` says.
#[derive(Debug, Serialize)]
struct DemoFile<'a> {
    url: &'a str,
    ca: &'a Path,
    users: &'a [DemoUser],
}

/// The text of `demo.json`.
pub fn file(url: &str, ca: &Path, users: &[DemoUser]) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&DemoFile { url, ca, users })
}

/// Why the demo isn't there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A workspace or a person could not be made.
    #[error("the demo's people can't be added: {0}")]
    Identity(#[from] IdentityError),
    /// The custom object could not be made.
    #[error("the demo's objects can't be made: {0}")]
    Schema(#[from] SchemaError),
    /// Records could not be made.
    #[error("the demo's records can't be made: {0}")]
    Store(#[from] StoreError),
}

/// Makes the demo workspaces with their people and records; answers who can sign in.
///
/// A workspace that is there already is completed, and its people get new passwords.
pub async fn install(
    owner: &mut Client,
    stores: &Stores,
    passwords: &PasswordHasher,
    ids: &IdSource,
    now: Timestamp,
) -> Result<Vec<DemoUser>, DemoError> {
    let mut users = Vec::new();
    for company in &COMPANIES {
        let tenant = workspace_of(owner, ids, company, now).await?;
        let mut people = Vec::with_capacity(company.people.len());
        for person in company.people {
            let id = add(owner, ids, tenant, company, person, now).await?;
            if person.signs_in {
                users.push(give_password(owner, passwords, (tenant, id), company, person).await?);
            }
            people.push(id);
        }
        fill(owner, stores, company, tenant, &people).await?;
    }
    // Otherwise the first searches are planned for empty tables.
    owner
        .execute("ANALYZE", &[])
        .await
        .map_err(IdentityError::from)?;
    Ok(users)
}

async fn workspace_of(
    owner: &mut Client,
    ids: &IdSource,
    company: &Company,
    now: Timestamp,
) -> Result<RecordId, IdentityError> {
    match workspace::find(owner, company.slug).await {
        Ok(known) => return Ok(known.id),
        Err(IdentityError::Missing(_)) => {}
        Err(error) => return Err(error),
    }
    let first = company
        .people
        .first()
        .ok_or(IdentityError::Missing("owner"))?;
    let email = first.email(company);
    let new = NewWorkspace {
        name: company.name,
        slug: company.slug,
        owner: new_user(&email, first),
    };
    let (tenant, _) = workspace::create(owner, ids, &new, now).await?;
    Ok(tenant)
}

fn new_user<'a>(email: &'a str, person: &Person) -> NewUser<'a> {
    NewUser {
        email,
        name: person.name,
        role: person.role,
        password_phc: None,
        locale: "en",
        time_zone: "UTC",
    }
}

async fn add(
    owner: &mut Client,
    ids: &IdSource,
    tenant: RecordId,
    company: &Company,
    person: &Person,
    now: Timestamp,
) -> Result<RecordId, IdentityError> {
    let email = person.email(company);
    match workspace::member(owner, tenant, Some(&email)).await {
        Ok(known) => Ok(known.id),
        Err(IdentityError::Missing(_)) => {
            workspace::add_user(owner, ids, tenant, &new_user(&email, person), now).await
        }
        Err(error) => Err(error),
    }
}

async fn give_password(
    owner: &Client,
    passwords: &PasswordHasher,
    (tenant, user): (RecordId, RecordId),
    company: &Company,
    person: &Person,
) -> Result<DemoUser, IdentityError> {
    let mut random = [0; PASSWORD_BYTES];
    rand::fill(&mut random).map_err(|_| IdentityError::Crypto)?;
    let password = URL_SAFE_NO_PAD.encode(random);
    let phc = passwords
        .hash(&SecretString::from(password.clone()))
        .await?;
    workspace::set_password(owner, tenant, user, &phc).await?;
    Ok(DemoUser {
        workspace: company.slug.to_owned(),
        email: person.email(company),
        password,
        role: person.role,
    })
}

/// Makes the records that are missing.
async fn fill(
    owner: &Client,
    stores: &Stores,
    company: &Company,
    tenant: RecordId,
    people: &[RecordId],
) -> Result<(), DemoError> {
    let store = open(owner, stores, tenant).await?;
    create_default_pipeline(&store).await?;
    if company.business == Business::Service {
        make_objects(&store).await?;
    }
    let store = open(owner, stores, tenant).await?;
    let registry = store.fresh_registry().await?;
    // The workspace's own first day, so that what an interrupted run made is recognised.
    let made = workspace::find(owner, company.slug).await?.created_at;
    let today = made.to_zoned(TimeZone::UTC).date();
    for chunk in changes(company, today, &registry, people).chunks(CHUNK) {
        let Some(first) = chunk.first() else { continue };
        match store.get(first.object(), first.id(), &[]).await {
            Ok(_) => {}
            Err(StoreError::NotFound(_)) => {
                let tables: BTreeSet<&str> = chunk.iter().map(Change::object).collect();
                let tables: Vec<&str> = tables.into_iter().chain(["search_token"]).collect();
                store.apply(chunk).await?;
                if let Err(error) = statistics::refresh(owner, &tables).await {
                    tracing::debug!(%error, "tables could not be analysed");
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The store of the workspace's owner, with its objects as they are now.
async fn open(owner: &Client, stores: &Stores, tenant: RecordId) -> Result<PgStore, DemoError> {
    let person = workspace::member(owner, tenant, None).await?;
    let actor = Actor {
        tenant,
        user: person.id,
        role: person.role,
        member_version: person.member_version,
        credential: None,
    };
    Ok(stores.open(actor).await?.quietly())
}

async fn make_objects(store: &PgStore) -> Result<(), DemoError> {
    let lift = service::lift();
    let known = store.fresh_registry().await?.object(&lift.name).cloned();
    if known.is_none() {
        create_object(store, &lift).await?;
    }
    for field in service::lift_fields() {
        let there = known
            .as_ref()
            .is_some_and(|object| object.field(&field.name).is_some());
        if !there {
            create_field(store, &lift.name, &field).await?;
        }
    }
    Ok(())
}
