//! The first start of an installation: a workspace to begin with, and the link at which its owner chooses a password.

use fieldstone_model::clock::Clock;
use fieldstone_model::{IdSource, RecordId, Role};
use jiff::SignedDuration;
use tokio_postgres::{Client, Config};

use super::failure::Failure;
use super::operator::setup_address;
use crate::database::connect;
use crate::identity::workspace::{NewUser, NewWorkspace, create, list, make_setup_link};

/// Who the first owner is until they say so themselves.
const OWNER_EMAIL: &str = "owner@localhost";

/// How long the link is good; as long as nobody has used one, each start makes another.
const LINK_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// The one person who could have set a password and hasn't.
const UNCLAIMED: &str = "SELECT tenant_id, user_id FROM app.user_secret WHERE (SELECT count(*) FROM app.user_secret) = 1 AND password_phc IS NULL";

/// Where the first owner chooses a password; nothing once somebody has.
pub(super) async fn invitation(owner: &Config, url: &str, clock: &dyn Clock) -> Result<Option<String>, Failure> {
    let (ids, now) = (IdSource::default(), clock.now());
    let mut owner = connect(owner).await?;
    let first = if list(&owner).await?.is_empty() {
        let person = NewUser { email: OWNER_EMAIL, name: "Owner", role: Role::Owner, password_phc: None, locale: "en", time_zone: "UTC" };
        let new = NewWorkspace { name: "My workspace", slug: "main", owner: person };
        Some(create(&mut owner, &ids, &new, now).await?)
    } else {
        unclaimed(&owner).await?
    };
    let Some(person) = first else { return Ok(None) };
    let secret = make_setup_link(&mut owner, &ids, person, LINK_LIFE, now).await?;
    Ok(Some(setup_address(url, &secret)))
}

async fn unclaimed(owner: &Client) -> Result<Option<(RecordId, RecordId)>, Failure> {
    let row = owner.query_opt(UNCLAIMED, &[]).await.map_err(crate::database::DatabaseError::from)?;
    let id = |row: &tokio_postgres::Row, at| row.try_get::<_, &str>(at).ok().and_then(|text| text.parse().ok());
    Ok(row.and_then(|row| Some((id(&row, 0)?, id(&row, 1)?))))
}
