//! What an operator does to workspaces and the people in them, with the schema owner's connection.
//!
//! Shows no records. Each command leaves an event in the audit log that the workspace sees.

use fieldstone_model::{IdSource, RecordId, Role, fold};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio_postgres::{Client, GenericClient};
use zeroize::Zeroizing;

use super::{
    INVITATION_PREFIX, IdentityError, SETUP_LINK_PREFIX, USER_PREFIX, WORKSPACE_PREFIX, audit,
    email_key, random,
};

/// A workspace to be made.
#[derive(Debug, Clone)]
pub struct NewWorkspace<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its address: lower-case letters, digits and hyphens, unique over all workspaces.
    pub slug: &'a str,
    /// Its first owner.
    pub owner: NewUser<'a>,
}

/// A person to be added.
#[derive(Debug, Clone)]
pub struct NewUser<'a> {
    /// Where mail reaches them; unique within the workspace.
    pub email: &'a str,
    /// What they are called.
    pub name: &'a str,
    /// What they may do. The first user of a workspace is its owner, whatever this says.
    pub role: Role,
    /// A password's PHC string; without one they need a set-up link.
    pub password_phc: Option<&'a str>,
    /// Language, e.g. `en`.
    pub locale: &'a str,
    /// IANA time zone, e.g. `Europe/Berlin`.
    pub time_zone: &'a str,
}

/// A workspace as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct WorkspaceSummary {
    /// Its id.
    pub id: RecordId,
    /// Its address.
    pub slug: String,
    /// What it is called.
    pub name: String,
    /// How many people can sign in.
    pub active_users: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Makes a workspace with its first owner; answers their ids.
pub async fn create(
    owner: &mut Client,
    ids: &IdSource,
    new: &NewWorkspace<'_>,
    now: Timestamp,
) -> Result<(RecordId, RecordId), IdentityError> {
    check_slug(new.slug)?;
    check_name(new.name)?;
    let tenant = random::id(ids, WORKSPACE_PREFIX, now)?;
    let transaction = owner.transaction().await?;
    transaction
        .execute(
            "INSERT INTO app.workspace (tenant_id, name, slug, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)",
            &[&tenant.as_str(), &new.name, &new.slug, &now],
        )
        .await?;
    audit::record(
        &transaction,
        tenant,
        audit::Action::WorkspaceCreate,
        tenant.as_str(),
        &json!({"slug": new.slug, "name": new.name}),
    )
    .await?;
    let user = add(
        &transaction,
        ids,
        tenant,
        &NewUser {
            role: Role::Owner,
            ..new.owner.clone()
        },
        now,
    )
    .await?;
    transaction.commit().await?;
    Ok((tenant, user))
}

/// Adds a person to a workspace; answers their id.
pub async fn add_user(
    owner: &mut Client,
    ids: &IdSource,
    tenant: RecordId,
    new: &NewUser<'_>,
    now: Timestamp,
) -> Result<RecordId, IdentityError> {
    let transaction = owner.transaction().await?;
    let user = add(&transaction, ids, tenant, new, now).await?;
    transaction.commit().await?;
    Ok(user)
}

async fn add<C: GenericClient>(
    client: &C,
    ids: &IdSource,
    tenant: RecordId,
    new: &NewUser<'_>,
    now: Timestamp,
) -> Result<RecordId, IdentityError> {
    check_name(new.name)?;
    let email = check_email(new.email)?;
    let user = random::id(ids, USER_PREFIX, now)?;
    client
        .execute(
            "INSERT INTO app.\"user\" (tenant_id, id, email, email_key, name, name_key, role, locale, time_zone, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
            &[
                &tenant.as_str(),
                &user.as_str(),
                &email,
                &email_key(email),
                &new.name,
                &fold::fold(new.name),
                &new.role.name(),
                &new.locale,
                &new.time_zone,
                &now,
            ],
        )
        .await?;
    if let Some(phc) = new.password_phc {
        // The person is new: there is no session to end and no version to move.
        client
            .execute("UPDATE app.user_secret SET password_phc = $3 WHERE tenant_id = $1 AND user_id = $2", &[&tenant.as_str(), &user.as_str(), &phc])
            .await?;
    }
    audit::record(
        client,
        tenant,
        audit::Action::UserAdd,
        user.as_str(),
        &json!({"email": email, "role": new.role.name()}),
    )
    .await?;
    Ok(user)
}

/// Sets a password's hash: every session of the person ends.
pub async fn set_password(
    owner: &Client,
    tenant: RecordId,
    user: RecordId,
    phc: &str,
) -> Result<(), IdentityError> {
    owner
        .execute(
            "SELECT app.set_password($1, $2, $3)",
            &[&tenant.as_str(), &user.as_str(), &phc],
        )
        .await?;
    Ok(())
}

/// Makes a one-time link for a person to set their password; answers the secret part of its address.
pub async fn make_setup_link(
    owner: &mut Client,
    ids: &IdSource,
    (tenant, user): (RecordId, RecordId),
    valid: SignedDuration,
    now: Timestamp,
) -> Result<Zeroizing<String>, IdentityError> {
    let secret = Zeroizing::new(random::secret()?);
    let id = random::id(ids, SETUP_LINK_PREFIX, now)?;
    let transaction = owner.transaction().await?;
    transaction
        .execute(
            "INSERT INTO app.setup_link (tenant_id, id, user_id, token_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
            &[&tenant.as_str(), &id.as_str(), &user.as_str(), &random::hash(&secret).as_slice(), &now, &(now + valid)],
        )
        .await?;
    audit::record(
        &transaction,
        tenant,
        audit::Action::SetupLinkMake,
        user.as_str(),
        &json!({}),
    )
    .await?;
    transaction.commit().await?;
    Ok(secret)
}

/// An invitation to be sent by an operator.
#[derive(Debug, Clone)]
pub struct NewInvitation<'a> {
    /// Where the letter goes.
    pub email: &'a str,
    /// What the person will be.
    pub role: Role,
    /// Language of the letter.
    pub locale: &'a str,
}

/// Invites somebody: a letter is queued with a link that is good for seven days.
pub async fn invite(
    owner: &Client,
    ids: &IdSource,
    tenant: RecordId,
    new: &NewInvitation<'_>,
    now: Timestamp,
) -> Result<RecordId, IdentityError> {
    let email = check_email(new.email)?;
    let id = random::id(ids, INVITATION_PREFIX, now)?;
    owner
        .execute(
            "SELECT app.make_invitation($1, NULL, $2, $3, $4, $5, $6)",
            &[
                &tenant.as_str(),
                &id.as_str(),
                &email,
                &email_key(email),
                &new.role.name(),
                &new.locale,
            ],
        )
        .await?;
    Ok(id)
}

/// The person of a workspace with this address, shut out or not.
pub async fn find_user(
    owner: &Client,
    tenant: RecordId,
    email: &str,
) -> Result<RecordId, IdentityError> {
    let key = email_key(email);
    let found = members(owner, tenant).await?;
    found
        .into_iter()
        .find(|member| email_key(&member.email) == key)
        .map(|member| member.id)
        .ok_or(IdentityError::Missing("user"))
}

/// Shuts somebody out, with everything they could come back with, or lets them in again.
pub async fn set_active(
    owner: &Client,
    (tenant, user): (RecordId, RecordId),
    active: bool,
) -> Result<(), IdentityError> {
    owner
        .execute(
            "UPDATE app.\"user\" SET active = $3, updated_at = transaction_timestamp(), version = version + 1
             WHERE tenant_id = $1 AND id = $2 AND active <> $3",
            &[&tenant.as_str(), &user.as_str(), &active],
        )
        .await?;
    Ok(())
}

/// Queues a letter with which somebody sets a new password; false for somebody who is shut out.
pub async fn send_password_reset(
    owner: &Client,
    (tenant, user): (RecordId, RecordId),
) -> Result<bool, IdentityError> {
    let sent = owner
        .query_one(
            "SELECT app.send_password_reset($1, $2)",
            &[&tenant.as_str(), &user.as_str()],
        )
        .await?;
    Ok(sent.try_get(0)?)
}

/// The workspace at an address.
pub async fn find(owner: &Client, slug: &str) -> Result<WorkspaceSummary, IdentityError> {
    summaries(owner, Some(slug))
        .await?
        .pop()
        .ok_or(IdentityError::Missing("workspace"))
}

/// All workspaces, by address.
pub async fn list(owner: &Client) -> Result<Vec<WorkspaceSummary>, IdentityError> {
    summaries(owner, None).await
}

async fn summaries(
    owner: &Client,
    slug: Option<&str>,
) -> Result<Vec<WorkspaceSummary>, IdentityError> {
    let rows = owner
        .query(
            "SELECT w.tenant_id, w.slug, w.name, w.created_at,
                 (SELECT count(*) FROM app.\"user\" u WHERE u.tenant_id = w.tenant_id AND u.active AND u.deleted_at IS NULL AND u.kind = 'person')
             FROM app.workspace w WHERE $1::text IS NULL OR w.slug = $1 ORDER BY w.slug",
            &[&slug],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(WorkspaceSummary {
                id: row
                    .try_get::<_, &str>(0)?
                    .parse()
                    .map_err(|_| IdentityError::Crypto)?,
                slug: row.try_get(1)?,
                name: row.try_get(2)?,
                created_at: row.try_get(3)?,
                active_users: row.try_get(4)?,
            })
        })
        .collect()
}

/// A person of a workspace as an operator sees them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Member {
    /// Their id.
    pub id: RecordId,
    /// Where mail reaches them.
    pub email: String,
    /// What they are called.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they can sign in.
    pub active: bool,
    /// Counts the changes of what they may do.
    #[serde(skip)]
    pub member_version: i64,
}

/// The people of a workspace, by name.
pub async fn members(owner: &Client, tenant: RecordId) -> Result<Vec<Member>, IdentityError> {
    let rows = owner
        .query(
            "SELECT id, email, name, role, active, member_version FROM app.\"user\"
             WHERE tenant_id = $1 AND deleted_at IS NULL ORDER BY name_key, id",
            &[&tenant.as_str()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Member {
                id: row
                    .try_get::<_, &str>(0)?
                    .parse()
                    .map_err(|_| IdentityError::Crypto)?,
                email: row.try_get(1)?,
                name: row.try_get(2)?,
                role: row
                    .try_get::<_, &str>(3)?
                    .parse()
                    .map_err(|_| IdentityError::Crypto)?,
                active: row.try_get(4)?,
                member_version: row.try_get(5)?,
            })
        })
        .collect()
}

/// The active person of a workspace with this address, or its first active owner.
pub async fn member(
    owner: &Client,
    tenant: RecordId,
    email: Option<&str>,
) -> Result<Member, IdentityError> {
    let key = email.map(email_key);
    let wanted = |member: &Member| match &key {
        Some(key) => email_key(&member.email) == *key,
        None => member.role == Role::Owner,
    };
    let people = members(owner, tenant)
        .await?
        .into_iter()
        .filter(|member| member.active && wanted(member));
    people
        .min_by_key(|member| member.id)
        .ok_or(IdentityError::Missing("user"))
}

fn check_slug(slug: &str) -> Result<(), IdentityError> {
    let good = (1..=63).contains(&slug.len())
        && slug
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !slug.starts_with('-')
        && !slug.ends_with('-');
    if good {
        Ok(())
    } else {
        Err(IdentityError::Unacceptable(
            "a workspace address has 1 to 63 lower-case letters, digits and inner hyphens",
        ))
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), IdentityError> {
    if (1..=255).contains(&name.chars().count()) && !name.contains(char::is_control) {
        Ok(())
    } else {
        Err(IdentityError::Unacceptable(
            "a name has 1 to 255 characters and no control characters",
        ))
    }
}

/// Trims an address and refuses what mail or a log line could misread. Whether it exists only a mail can tell.
pub(crate) fn check_email(email: &str) -> Result<&str, IdentityError> {
    let email = email.trim();
    let good = email.len() <= 254
        && !email.contains(|c: char| {
            c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"' | ',' | ';' | ':')
        })
        && email.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        });
    if good {
        Ok(email)
    } else {
        Err(IdentityError::Unacceptable("this is not an e-mail address"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_names_and_addresses_are_checked() {
        for good in ["a", "acme", "acme-2"] {
            assert!(check_slug(good).is_ok());
        }
        for bad in ["", "-a", "a-", "Acme", "a b", "a.b", &"a".repeat(64)] {
            assert!(check_slug(bad).is_err(), "{bad:?}");
        }
        assert_eq!(check_email(" ann@example.com ").unwrap(), "ann@example.com");
        for bad in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "a@b@c",
            "ann@example.com\r\nBcc: all@example.com",
            "Ann <ann@example.com>",
        ] {
            assert!(check_email(bad).is_err(), "{bad:?}");
        }
        assert!(
            check_name("").is_err() && check_name("a\nb").is_err() && check_name("Ann").is_ok()
        );
    }
}
