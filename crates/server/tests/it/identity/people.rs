//! A workspace with people, and what signs them in.

use std::sync::Arc;

use deadpool_postgres::{Manager, Pool};
use fieldstone_model::{IdSource, RecordId, Role};
use fieldstone_server::identity::sign_in::{Attempt, Started};
use fieldstone_server::identity::workspace::{self, NewUser, NewWorkspace};
use fieldstone_server::identity::{
    AuthPool, Authenticator, Identity, IdentityError, PasswordHasher, PasswordPolicy, SignIn,
    session,
};
use fieldstone_vault::{MemoryKeys, Vault};
use http::{HeaderMap, Method, header};
use secrecy::SecretString;
use tokio_postgres::{Client, NoTls};

use crate::tenancy::workspaces::{Workspaces, now};

/// What everybody here chose.
pub(crate) const SECRET: &str = "correct horse battery";

pub(crate) struct People {
    pub(crate) workspaces: Workspaces,
    pub(crate) owner: Client,
    pub(crate) ids: Arc<IdSource>,
    pub(crate) auth: AuthPool,
    pub(crate) sign_in: SignIn,
    pub(crate) authenticator: Authenticator,
    phc: String,
}

impl People {
    pub(crate) async fn new() -> Self {
        let workspaces = Workspaces::new().await;
        let manager = Manager::new(workspaces.config("fieldstone_auth"), NoTls);
        let auth = AuthPool::new(Pool::builder(manager).max_size(4).build().unwrap());
        let passwords = PasswordHasher::new(&PasswordPolicy::default()).unwrap();
        let phc = passwords.hash(&SecretString::from(SECRET)).await.unwrap();
        let ids = Arc::new(IdSource::default());
        let vault = Vault::new(Arc::new(MemoryKeys::default()));
        Self {
            owner: workspaces.connect("fieldstone_owner").await,
            sign_in: SignIn::new(auth.clone(), ids.clone(), passwords, vault),
            authenticator: Authenticator::new(auth.clone()),
            workspaces,
            ids,
            auth,
            phc,
        }
    }

    /// A workspace whose owner is `email`.
    pub(crate) async fn workspace(&mut self, slug: &str, email: &str) -> (RecordId, RecordId) {
        let phc = self.phc.clone();
        let owner = new_user(email, Role::Owner, Some(&phc));
        workspace::create(
            &mut self.owner,
            &self.ids,
            &NewWorkspace {
                name: slug,
                slug,
                owner,
            },
            now(),
        )
        .await
        .unwrap()
    }

    /// One more person.
    pub(crate) async fn user(&mut self, tenant: RecordId, email: &str, role: Role) -> RecordId {
        let phc = self.phc.clone();
        workspace::add_user(
            &mut self.owner,
            &self.ids,
            tenant,
            &new_user(email, role, Some(&phc)),
            now(),
        )
        .await
        .unwrap()
    }

    pub(crate) async fn sign_in(
        &self,
        email: &str,
        password: &str,
        slug: Option<&str>,
    ) -> Result<Started, IdentityError> {
        let password = SecretString::from(password);
        let attempt = Attempt {
            email,
            password: &password,
            workspace: slug,
            address: [192, 0, 2, 7].into(),
            user_agent: "a browser",
            code: None,
        };
        self.sign_in.sign_in(&attempt, now()).await
    }

    pub(crate) async fn recognise(
        &self,
        headers: &HeaderMap,
    ) -> Result<Arc<Identity>, IdentityError> {
        self.authenticator
            .authenticate(&Method::GET, &"/".parse().unwrap(), headers, now())
            .await
    }
}

pub(crate) fn new_user<'a>(
    email: &'a str,
    role: Role,
    password_phc: Option<&'a str>,
) -> NewUser<'a> {
    NewUser {
        email,
        name: "Ann",
        role,
        password_phc,
        locale: "en",
        time_zone: "UTC",
    }
}

/// The headers of a browser that holds the session.
pub(crate) fn browser(started: &Started) -> HeaderMap {
    let cookie = started.token.set_cookie();
    let pair = cookie.split(';').next().unwrap();
    assert!(pair.starts_with(session::COOKIE));
    HeaderMap::from_iter([(header::COOKIE, pair.parse().unwrap())])
}
