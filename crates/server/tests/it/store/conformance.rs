//! The promises of `Store` on PostgreSQL, under row-level security, as the serving role.

use std::sync::atomic::{AtomicU32, Ordering};

use fieldstone_model::{IdSource, RecordId, Role, SystemClock, clock::Clock as _};
use fieldstone_server::{
    database::connect,
    identity::workspace::{self, NewUser, NewWorkspace},
    store::PgStore,
};
use fieldstone_store::{
    Store as _,
    conformance::{Fixture, Team, schema},
};
use fieldstone_testkit::TestStores;

fieldstone_store::conformance!(Postgres::new().await);

struct Postgres {
    database: TestStores,
    workspaces: AtomicU32,
    ids: IdSource,
}

impl Postgres {
    async fn new() -> Self {
        Self {
            database: TestStores::new().await,
            workspaces: AtomicU32::new(0),
            ids: IdSource::default(),
        }
    }
}

impl Fixture for Postgres {
    type Store = PgStore;

    async fn workspace(&self) -> Team<PgStore> {
        let slug = format!(
            "workspace-{}",
            self.workspaces.fetch_add(1, Ordering::Relaxed)
        );
        let mut owner = connect(&self.database.database.owner()).await.unwrap();
        let new_user = |(name, email, role): (&'static str, &'static str, Role)| NewUser {
            email,
            name,
            role,
            password_phc: None,
            locale: "en",
            time_zone: "UTC",
        };
        let [first, others @ ..] = schema::USERS;
        let new = NewWorkspace {
            name: &slug,
            slug: &slug,
            owner: new_user(first),
        };
        let (tenant, user) = workspace::create(&mut owner, &self.ids, &new, SystemClock.now())
            .await
            .unwrap();
        let mut users = vec![(user, first.2)];
        for other in others {
            let user = workspace::add_user(
                &mut owner,
                &self.ids,
                tenant,
                &new_user(other),
                SystemClock.now(),
            )
            .await
            .unwrap();
            users.push((user, other.2));
        }
        add_schema(&owner, tenant).await;
        let store = self.database.open(tenant, user, Role::Owner).await;
        let id = |object| store.new_id(object).unwrap();
        let stages = schema::stages(id("pipeline"), |_| id("stage"));
        store.apply(&schema::settings(&stages)).await.unwrap();
        store.fresh_registry().await.unwrap();
        let mut stores = Vec::new();
        for (user, role) in users {
            stores.push(self.database.open(tenant, user, role).await);
        }
        let [owner, admin, member, viewer] = stores.try_into().ok().unwrap();
        Team {
            owner,
            admin,
            member,
            viewer,
        }
    }
}

/// The custom object and fields as rows of the tenant's metadata.
async fn add_schema(owner: &tokio_postgres::Client, tenant: RecordId) {
    let object = schema::custom_object();
    let sql = "INSERT INTO app.custom_object (tenant_id, name, plural, prefix, label, plural_label, created_at) VALUES ($1, $2, $3, $4, $5, $6, now())";
    owner
        .execute(
            sql,
            &[
                &tenant.as_str(),
                &object.name,
                &object.plural,
                &object.prefix_str(),
                &object.label,
                &object.plural_label,
            ],
        )
        .await
        .unwrap();
    let sql = "INSERT INTO app.custom_field (tenant_id, object, id, name, facts, created_at) VALUES ($1, $2, $3, $4, $5::text::jsonb, now())";
    for (object, fields) in schema::custom_fields() {
        for field in fields {
            let facts = serde_json::to_string(&field).unwrap();
            owner
                .execute(
                    sql,
                    &[
                        &tenant.as_str(),
                        &object,
                        &i32::from(field.id),
                        &field.name,
                        &facts,
                    ],
                )
                .await
                .unwrap();
        }
    }
}
