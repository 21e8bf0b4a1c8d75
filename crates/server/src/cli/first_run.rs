//! The first run of `fieldstone up`: a workspace and its owner, so that somebody can sign in.

use std::error::Error;

use fieldstone_model::{RecordId, Role};
use tokio_postgres::{Client, Row};

use super::failure::Failure;
use super::operator::Operator;
use super::workspace::LINK_LIFETIME;
use crate::database::DatabaseError;
use crate::identity::workspace::{self, NewUser, NewWorkspace};
use crate::schema::create_default_pipeline;

/// The first owner's address, until they change it.
const OWNER_EMAIL: &str = "owner@localhost";

/// The one person who could have chosen a password and hasn't.
const UNCLAIMED: &str = "SELECT tenant_id, user_id FROM app.user_secret \
    WHERE password_phc IS NULL AND (SELECT count(*) FROM app.user_secret s JOIN app.workspace w USING (tenant_id) WHERE w.slug <> 'fieldstone-verify') = 1";

/// The address at which the first owner chooses a password; made anew at each start until somebody has used one.
pub(super) async fn invitation(operator: &Operator) -> Result<Option<String>, Failure> {
    let mut client = operator.owner().await?;
    let person = if workspace::list(&client).await?.is_empty() {
        Some(first_workspace(operator, &mut client).await?)
    } else {
        unclaimed(&client).await?
    };
    let Some(person) = person else {
        return Ok(None);
    };
    let now = operator.clock.now();
    let secret =
        workspace::make_setup_link(&mut client, &operator.ids, person, LINK_LIFETIME, now).await?;
    Ok(Some(operator.link(&secret)))
}

/// Makes the first workspace; answers its id and its owner's.
async fn first_workspace(
    operator: &Operator,
    client: &mut Client,
) -> Result<(RecordId, RecordId), Failure> {
    let failed =
        |error: &dyn Error| Failure::new(format!("The first workspace can't be made: {error}."));
    let owner = NewUser {
        email: OWNER_EMAIL,
        name: "Owner",
        role: Role::Owner,
        password_phc: None,
        locale: "en",
        time_zone: "UTC",
    };
    let new = NewWorkspace {
        name: "My workspace",
        slug: "main",
        owner,
    };
    let (tenant, user) = workspace::create(client, &operator.ids, &new, operator.clock.now())
        .await
        .map_err(|error| failed(&error))?;
    let store = operator.store(tenant, None).await?;
    create_default_pipeline(&store)
        .await
        .map_err(|error| failed(&error))?;
    Ok((tenant, user))
}

async fn unclaimed(owner: &Client) -> Result<Option<(RecordId, RecordId)>, Failure> {
    let row = owner
        .query_opt(UNCLAIMED, &[])
        .await
        .map_err(DatabaseError::from)?;
    let id = |row: &Row, at| {
        row.try_get::<_, &str>(at)
            .ok()
            .and_then(|text| text.parse().ok())
    };
    Ok(row.and_then(|row| Some((id(&row, 0)?, id(&row, 1)?))))
}
