//! What people allow applications: consent, codes, and the sign-ins that come of them.

use fieldstone_model::{Capability, IdSource, RecordId};
use fieldstone_store::StoreError;
use jiff::Timestamp;
use serde_json::json;
use tokio_postgres::Row;

use super::{
    Application, CODE_PREFIX, DEVICE_CLIENT, GRANT_PREFIX, TokenSet,
    exchange::{Fresh, label},
    request::Parameters,
    scope,
    secret::{Kind, Secret},
};
use crate::{database::pool::Step, identity::audit::Action, store::PgStore};

/// One sign-in of an application for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantSummary {
    /// Its id.
    pub id: RecordId,
    /// The application's id here.
    pub application: RecordId,
    /// What the application calls itself.
    pub client_id: String,
    /// What people know it as.
    pub name: String,
    /// Whether it comes with Fieldstone.
    pub built_in: bool,
    /// What it may do.
    pub scopes: Vec<Capability>,
    /// A device's name, or what the program calls itself.
    pub label: String,
    /// Where it signed in from.
    pub address: String,
    /// When.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Option<Timestamp>,
}

/// A sign-in that a session asks for without a redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGrant {
    /// What it may do; nothing said means all that the application is registered for.
    pub scopes: Option<Vec<Capability>>,
    /// The device's name.
    pub label: String,
    /// Where the request came from.
    pub address: String,
}

fn read(row: &Row) -> Result<GrantSummary, Box<dyn std::error::Error + Send + Sync>> {
    Ok(GrantSummary {
        id: row.try_get::<_, &str>(0)?.parse()?,
        application: row.try_get::<_, &str>(1)?.parse()?,
        client_id: row.try_get(2)?,
        name: row.try_get(3)?,
        built_in: row.try_get(4)?,
        scopes: scope::of_names(&row.try_get::<_, Vec<String>>(5)?),
        label: row.try_get(6)?,
        address: row.try_get(7)?,
        created_at: row.try_get(8)?,
        last_seen_at: row.try_get(9)?,
    })
}

impl PgStore {
    /// Whether the person has allowed the application all of this before.
    pub(crate) async fn has_consented(
        &self,
        application: &Application,
        scopes: &[Capability],
    ) -> Result<bool, StoreError> {
        let names = scope::names(scopes);
        let sql = "SELECT FROM app.oauth_consent WHERE client = $1 AND $2 <@ scopes";
        let rows = self
            .run_step(sql, &[&application.id.as_str(), &names])
            .await?;
        Ok(!rows.is_empty())
    }

    /// Remembers that the person has allowed the application this, beside what they allowed before.
    pub(crate) async fn give_consent(
        &self,
        application: &Application,
        scopes: &[Capability],
    ) -> Result<(), StoreError> {
        let names = scope::names(scopes);
        let step = Step {
            sql: "INSERT INTO app.oauth_consent AS c (tenant_id, user_id, client, scopes, given_at)
                VALUES (app.tenant_id(), app.user_id(), $1, $2, transaction_timestamp())
                ON CONFLICT (tenant_id, user_id, client) DO UPDATE SET given_at = excluded.given_at,
                    scopes = ARRAY(SELECT DISTINCT unnest(c.scopes || excluded.scopes))",
            params: &[&application.id.as_str(), &names],
        };
        let detail = json!({"name": application.name, "scopes": names});
        self.run_audited(
            &[step],
            Action::ConsentGive,
            application.id.as_str(),
            &detail,
        )
        .await
        .map(drop)
    }

    /// A code for the application, bound to the session that the person agreed in.
    pub(crate) async fn add_code(
        &self,
        application: &Application,
        parameters: &Parameters,
        scopes: &[Capability],
        session: RecordId,
    ) -> Result<Secret, StoreError> {
        let code = Secret::generate(Kind::Code).map_err(StoreError::internal)?;
        let id = self.fresh_id(CODE_PREFIX);
        self.run_step(
            "SELECT app.add_code($1, $2, $3, $4, $5, $6, $7)",
            &[
                &id.as_str(),
                &code.hash().as_slice(),
                &application.id.as_str(),
                &session.as_str(),
                &parameters.redirect_uri,
                &parameters.code_challenge,
                &scope::names(scopes),
            ],
        )
        .await?;
        self.note_written();
        Ok(code)
    }

    /// Signs the field app in for the person whose session this is; answers the grant's id and its first tokens.
    pub(crate) async fn add_device_grant(
        &self,
        new: &NewGrant,
        session: RecordId,
        now: Timestamp,
    ) -> Result<Option<(RecordId, TokenSet)>, StoreError> {
        let application = self.application_called(DEVICE_CLIENT).await?;
        let Some(application) = application.filter(|it| it.active) else {
            return Ok(None);
        };
        let scopes = new.scopes.as_ref().unwrap_or(&application.scopes);
        let names = scope::names(scopes);
        let fresh = Fresh::make(&IdSource::default(), now).map_err(StoreError::internal)?;
        let family = self.fresh_id(GRANT_PREFIX);
        let rows = self
            .run_step(
                "SELECT app.add_session_grant($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                &[
                    &DEVICE_CLIENT,
                    &session.as_str(),
                    &names,
                    &family.as_str(),
                    &label(&new.label),
                    &new.address,
                    &fresh.access_id,
                    &fresh.access.hash().as_slice(),
                    &fresh.refresh_id,
                    &fresh.refresh.hash().as_slice(),
                ],
            )
            .await?;
        self.note_written();
        let seconds: i32 = match rows.first() {
            Some(row) => row.try_get(0).map_err(StoreError::internal)?,
            None => return Ok(None),
        };
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        Ok(Some((family, fresh.set(&names, seconds))))
    }

    /// The living sign-ins of applications for the person, newest first.
    pub(crate) async fn own_grants(&self) -> Result<Vec<GrantSummary>, StoreError> {
        let sql = "SELECT id, client, client_id, name, built_in, scopes, label, address, created_at, last_seen_at FROM app.own_grants()";
        let rows = self.run_step(sql, &[]).await?;
        rows.iter()
            .map(|row| read(row).map_err(StoreError::internal))
            .collect()
    }

    /// Ends one of the person's own; false when there is no such living one.
    pub(crate) async fn end_grant(&self, id: RecordId) -> Result<bool, StoreError> {
        self.ask_yes("SELECT app.end_own_grant($1)", id).await
    }

    /// Withdraws all that the person has allowed an application; false when there was nothing.
    pub(crate) async fn withdraw_consent(&self, application: RecordId) -> Result<bool, StoreError> {
        self.ask_yes("SELECT app.withdraw_consent($1)", application)
            .await
    }

    /// Applications that the person needn't be asked about again, with what they may do.
    pub(crate) async fn consents(
        &self,
    ) -> Result<Vec<(RecordId, String, Vec<Capability>, Timestamp)>, StoreError> {
        let sql = "SELECT c.id, c.name, o.scopes, o.given_at FROM app.oauth_consent o
            JOIN app.oauth_client c ON c.tenant_id = o.tenant_id AND c.id = o.client ORDER BY lower(c.name), c.id";
        let read = |row: &Row| -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
            let scopes: Vec<String> = row.try_get(2)?;
            Ok((
                row.try_get::<_, &str>(0)?.parse()?,
                row.try_get(1)?,
                scope::of_names(&scopes),
                row.try_get(3)?,
            ))
        };
        let rows = self.run_step(sql, &[]).await?;
        rows.iter()
            .map(|row| read(row).map_err(StoreError::internal))
            .collect()
    }

    async fn ask_yes(&self, sql: &str, id: RecordId) -> Result<bool, StoreError> {
        let rows = self.run_step(sql, &[&id.as_str()]).await?;
        let yes = rows.first().map_or(Ok(false), |row| row.try_get(0));
        let yes = yes.map_err(StoreError::internal)?;
        if yes {
            self.note_written();
        }
        Ok(yes)
    }
}
