//! A database with one or more workspaces and stores over it, without a server.

use std::sync::Arc;

use fieldstone_model::{Clock, RecordId, Role, SystemClock};
use fieldstone_server::database::{
    Actor, ContextSigner, connect,
    pool::{Pool, Sign},
};
use fieldstone_server::identity::workspace::{self, NewUser, NewWorkspace};
use fieldstone_server::store::{PgStore, Stores};
use fieldstone_vault::{MemoryKeys, Vault};

use crate::TestDatabase;

/// A database and the stores over it.
pub struct TestStores {
    /// The database.
    pub database: TestDatabase,
    /// What opens stores over it.
    pub stores: Stores,
}

impl TestStores {
    /// An empty database with a signer of its own.
    pub async fn new() -> Self {
        let database = TestDatabase::new().await;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let signer = ContextSigner::generate(clock.now()).unwrap();
        signer
            .install(&mut connect(&database.owner()).await.unwrap())
            .await
            .unwrap();
        let sign: Sign = Arc::new(move |actor, backend, now| signer.sign(actor, backend, now));
        let pool = Pool::new(database.app(), 8, sign, clock.clone()).unwrap();
        Self {
            database,
            stores: Stores::new(pool, clock, None)
                .sealing(Vault::new(Arc::new(MemoryKeys::default()))),
        }
    }

    /// A new workspace; answers its id and its owner's store.
    pub async fn workspace(&self, slug: &str) -> (RecordId, PgStore) {
        let mut owner = connect(&self.database.owner()).await.unwrap();
        let email = format!("owner@{slug}.example");
        let new = NewWorkspace {
            name: slug,
            slug,
            owner: new_user(&email, Role::Owner),
        };
        let ids = fieldstone_model::IdSource::default();
        let (tenant, user) = workspace::create(&mut owner, &ids, &new, SystemClock.now())
            .await
            .unwrap();
        (tenant, self.open(tenant, user, Role::Owner).await)
    }

    /// The store of a new user of a workspace.
    pub async fn user(&self, tenant: RecordId, role: Role) -> PgStore {
        let mut owner = connect(&self.database.owner()).await.unwrap();
        let email = format!("{role}@team.example");
        let ids = fieldstone_model::IdSource::default();
        let user = workspace::add_user(
            &mut owner,
            &ids,
            tenant,
            &new_user(&email, role),
            SystemClock.now(),
        )
        .await
        .unwrap();
        self.open(tenant, user, role).await
    }

    /// The store of the same person with the access they have now.
    pub async fn reopen(&self, store: &PgStore) -> PgStore {
        let owner = connect(&self.database.owner()).await.unwrap();
        let actor = store.actor();
        let sql = "SELECT member_version FROM app.\"user\" WHERE tenant_id = $1 AND id = $2";
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
            [&actor.tenant.as_str(), &actor.user.as_str()];
        let row = owner.query_one(sql, &params).await.unwrap();
        let actor = Actor {
            member_version: row.get(0),
            ..actor.clone()
        };
        self.stores.open(actor).await.unwrap()
    }

    /// The store of somebody whose access has never changed.
    pub async fn open(&self, tenant: RecordId, user: RecordId, role: Role) -> PgStore {
        let actor = Actor {
            tenant,
            user,
            role,
            member_version: 1,
            credential: None,
        };
        self.stores.open(actor).await.unwrap()
    }
}

fn new_user(email: &str, role: Role) -> NewUser<'_> {
    NewUser {
        email,
        name: "Test Person",
        role,
        password_phc: None,
        locale: "en",
        time_zone: "UTC",
    }
}
