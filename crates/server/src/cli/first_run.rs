//! The first run of `fieldstone up`: a workspace and its owner, so that somebody can sign in.

use fieldstone_model::Role;

use super::failure::Failure;
use super::operator::Operator;
use super::workspace::LINK_LIFETIME;
use crate::identity::workspace::{self, NewUser, NewWorkspace};
use crate::schema::create_default_pipeline;

/// The first owner's address, until they change it.
const OWNER_EMAIL: &str = "owner@localhost";

/// Makes the first workspace unless there is one; answers the path of its owner's one-time set-up link.
pub(super) async fn first_workspace(operator: &Operator) -> Result<Option<String>, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::new(format!("The first workspace can't be made: {error}."));
    let mut client = operator.owner().await?;
    if !workspace::list(&client).await.map_err(|error| failed(&error))?.is_empty() {
        return Ok(None);
    }
    let owner = NewUser { email: OWNER_EMAIL, name: "Owner", role: Role::Owner, password_phc: None, locale: "en", time_zone: "UTC" };
    let new = NewWorkspace { name: "My workspace", slug: "main", owner };
    let now = operator.clock.now();
    let (tenant, user) = workspace::create(&mut client, &operator.ids, &new, now).await.map_err(|error| failed(&error))?;
    let store = operator.store(tenant, None).await?;
    create_default_pipeline(&store).await.map_err(|error| failed(&error))?;
    let secret =
        workspace::make_setup_link(&mut client, &operator.ids, (tenant, user), LINK_LIFETIME, now).await.map_err(|error| failed(&error))?;
    Ok(Some(format!("/set-up?link={}", secret.as_str())))
}
