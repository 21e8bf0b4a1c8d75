//! Applications of a workspace: who may ask its people for access, where they are sent back to, and for what.

use fieldstone_model::{Capability, RecordId};
use fieldstone_store::StoreError;
use serde_json::json;
use tokio_postgres::{Row, types::ToSql};

use super::{
    CLIENT_PREFIX, redirect, scope,
    secret::{Kind, Secret},
};
use crate::{database::pool::Step, identity::audit::Action, store::PgStore};

/// Most addresses of one application.
pub const ADDRESSES_MAX: usize = 20;

/// One application of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its id here.
    pub id: RecordId,
    /// What it calls itself.
    pub client_id: String,
    /// What people know it as.
    pub name: String,
    /// Whether it comes with Fieldstone.
    pub built_in: bool,
    /// Whether it proves itself with a secret.
    pub confidential: bool,
    /// Where it may send people back to.
    pub redirect_uris: Vec<String>,
    /// What it may ask for.
    pub scopes: Vec<Capability>,
    /// Whether it is switched on.
    pub active: bool,
}

/// An application to be registered, or what one is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewApplication {
    /// What people know it as.
    pub name: String,
    /// Where it may send people back to.
    pub redirect_uris: Vec<String>,
    /// What it may ask for.
    pub scopes: Vec<Capability>,
    /// Whether it can keep a secret.
    pub confidential: bool,
}

/// What is wrong with a new application; the keys of texts, by field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApplicationErrors {
    /// Of the name.
    pub name: Option<&'static str>,
    /// Of the addresses.
    pub redirect_uris: Option<&'static str>,
    /// Of the scopes.
    pub scopes: Option<&'static str>,
}

impl NewApplication {
    /// Checks it; everything that is wrong at once.
    pub fn check(&self) -> Result<(), ApplicationErrors> {
        let mut errors = ApplicationErrors::default();
        let length = self.name.chars().count();
        if length == 0 || length > 255 || self.name.contains(char::is_control) {
            errors.name = Some("application-name-problem");
        }
        if self.redirect_uris.is_empty() || self.redirect_uris.len() > ADDRESSES_MAX {
            errors.redirect_uris = Some("redirect-none");
        }
        for address in &self.redirect_uris {
            if let Err(problem) = redirect::check(address) {
                errors.redirect_uris = Some(problem.text_key());
            }
        }
        if self.scopes.is_empty() {
            errors.scopes = Some("scopes-none");
        }
        if errors == ApplicationErrors::default() {
            Ok(())
        } else {
            Err(errors)
        }
    }
}

const COLUMNS: &str = "id, client_id, name, built_in, confidential, redirect_uris, scopes, active";

fn read(row: &Row) -> Result<Application, StoreError> {
    let read = || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
        let scopes: Vec<String> = row.try_get(6)?;
        Ok(Application {
            id: row.try_get::<_, &str>(0)?.parse()?,
            client_id: row.try_get(1)?,
            name: row.try_get(2)?,
            built_in: row.try_get(3)?,
            confidential: row.try_get(4)?,
            redirect_uris: row.try_get(5)?,
            scopes: scope::of_names(&scopes),
            active: row.try_get(7)?,
        })
    };
    read().map_err(StoreError::internal)
}

impl PgStore {
    /// The applications of the workspace, what is built in first, then by name.
    pub(crate) async fn applications(&self) -> Result<Vec<Application>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM app.oauth_client ORDER BY built_in DESC, lower(name), id"
        );
        self.run_step(&sql, &[]).await?.iter().map(read).collect()
    }

    /// The application of this id.
    pub(crate) async fn application(
        &self,
        id: RecordId,
    ) -> Result<Option<Application>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM app.oauth_client WHERE id = $1");
        let rows = self.run_step(&sql, &[&id.as_str()]).await?;
        rows.first().map(read).transpose()
    }

    /// The application that calls itself so.
    pub(crate) async fn application_called(
        &self,
        client_id: &str,
    ) -> Result<Option<Application>, StoreError> {
        if client_id.contains('\0') {
            return Ok(None);
        }
        let sql = format!("SELECT {COLUMNS} FROM app.oauth_client WHERE client_id = $1");
        let rows = self.run_step(&sql, &[&client_id]).await?;
        rows.first().map(read).transpose()
    }

    /// Registers an application; answers its id and, if it keeps one, its secret, which nobody can read again.
    pub(crate) async fn add_application(
        &self,
        new: &NewApplication,
    ) -> Result<(RecordId, Option<Secret>), StoreError> {
        let id = self.fresh_id(CLIENT_PREFIX);
        let secret = new.confidential.then(|| Secret::generate(Kind::Client));
        let secret = secret.transpose().map_err(StoreError::internal)?;
        let hash = secret.as_ref().map(Secret::hash);
        let scopes = scope::names(&new.scopes);
        let detail = json!({"name": new.name, "redirect_uris": new.redirect_uris, "scopes": scopes, "confidential": new.confidential});
        let text = id.to_string();
        let columns: [&(dyn ToSql + Sync); 5] = [
            &text,
            &new.name,
            &new.confidential,
            &new.redirect_uris,
            &scopes,
        ];
        let mut steps = vec![Step {
            sql: "INSERT INTO app.oauth_client (tenant_id, id, client_id, name, confidential, redirect_uris, scopes, created_at, updated_at)
                VALUES (app.tenant_id(), $1, $1, $2, $3, $4, $5, transaction_timestamp(), transaction_timestamp())",
            params: &columns,
        }];
        let hash = hash.as_ref().map(<[u8; 32]>::as_slice);
        let key: [&(dyn ToSql + Sync); 2] = [&text, &hash];
        if hash.is_some() {
            steps.push(Step {
                sql: "SELECT app.set_client_secret($1, $2)",
                params: &key,
            });
        }
        self.run_audited(&steps, Action::ApplicationAdd, id.as_str(), &detail)
            .await?;
        Ok((id, secret))
    }

    /// Changes an application; what it is (confidential or not) stays. False when there is none that can be changed.
    pub(crate) async fn update_application(
        &self,
        id: RecordId,
        new: &NewApplication,
    ) -> Result<bool, StoreError> {
        let scopes = scope::names(&new.scopes);
        let detail =
            json!({"name": new.name, "redirect_uris": new.redirect_uris, "scopes": scopes});
        let step = Step {
            sql: "UPDATE app.oauth_client SET name = $2, redirect_uris = $3, scopes = $4, updated_at = transaction_timestamp()
                WHERE id = $1 AND NOT built_in RETURNING id",
            params: &[&id.as_str(), &new.name, &new.redirect_uris, &scopes],
        };
        self.run_if_found(step, Action::ApplicationUpdate, id, &detail)
            .await
    }

    /// Switches an application on or off: off, nothing of it opens anything. False when there is no such application.
    pub(crate) async fn switch_application(
        &self,
        id: RecordId,
        active: bool,
    ) -> Result<bool, StoreError> {
        let step = Step {
            sql: "UPDATE app.oauth_client SET active = $2, updated_at = transaction_timestamp() WHERE id = $1 RETURNING id",
            params: &[&id.as_str(), &active],
        };
        let action = if active {
            Action::ApplicationEnable
        } else {
            Action::ApplicationDisable
        };
        self.run_if_found(step, action, id, &json!({})).await
    }

    /// Removes an application with all its sign-ins. False when there is none that can be removed.
    pub(crate) async fn remove_application(&self, id: RecordId) -> Result<bool, StoreError> {
        let Some(application) = self.application(id).await?.filter(|it| !it.built_in) else {
            return Ok(false);
        };
        let step = Step {
            sql: "DELETE FROM app.oauth_client WHERE id = $1 AND NOT built_in RETURNING id",
            params: &[&id.as_str()],
        };
        let detail = json!({"name": application.name});
        self.run_if_found(step, Action::ApplicationRemove, id, &detail)
            .await
    }

    /// Gives a confidential application another secret; the one before is worth nothing from now on. `None` when there is none.
    pub(crate) async fn renew_secret(&self, id: RecordId) -> Result<Option<Secret>, StoreError> {
        if !self
            .application(id)
            .await?
            .is_some_and(|it| it.confidential)
        {
            return Ok(None);
        }
        let secret = Secret::generate(Kind::Client).map_err(StoreError::internal)?;
        let (text, hash) = (id.to_string(), secret.hash());
        let step = Step {
            sql: "SELECT app.set_client_secret($1, $2)",
            params: &[&text, &hash.as_slice()],
        };
        self.run_audited(&[step], Action::ApplicationSecret, id.as_str(), &json!({}))
            .await?;
        Ok(Some(secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let good = NewApplication {
            name: "Reports".to_owned(),
            redirect_uris: vec!["https://app.example/cb".to_owned()],
            scopes: vec![Capability::RecordsRead],
            confidential: true,
        };
        assert_eq!(good.check(), Ok(()));
        let errors = NewApplication::default().check().unwrap_err();
        assert!(errors.name.is_some() && errors.redirect_uris.is_some() && errors.scopes.is_some());
        let many = NewApplication {
            redirect_uris: vec!["https://app.example/cb".to_owned(); ADDRESSES_MAX + 1],
            ..good.clone()
        };
        assert!(many.check().unwrap_err().redirect_uris.is_some());
        let one_bad = NewApplication {
            redirect_uris: vec![
                "https://app.example/cb".to_owned(),
                "http://evil.example/".to_owned(),
            ],
            ..good
        };
        assert_eq!(
            one_bad.check().unwrap_err().redirect_uris,
            Some("redirect-scheme")
        );
    }
}
