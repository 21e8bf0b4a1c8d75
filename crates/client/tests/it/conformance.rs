//! The promises of `Store` on SQLCipher.

use std::sync::Arc;

use fieldstone_client::{
    keys::LoginKey,
    store::{CustomObject, DeviceStore, Local, PlatformRow, SchemaDocument, Unknown},
};
use fieldstone_model::{Clock as _, IdSource, RecordId, Role, SystemClock, Value, Values};
use fieldstone_store::{
    Store as _, User,
    conformance::{Fixture, Team, schema},
};

fieldstone_store::conformance!(Device::new());

/// Databases of their own for each workspace, in a folder that goes with the fixture.
struct Device {
    folder: tempfile::TempDir,
    ids: IdSource,
}

impl Device {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            ids: IdSource::default(),
        }
    }
}

impl Fixture for Device {
    type Store = DeviceStore;

    async fn workspace(&self) -> Team<DeviceStore> {
        let now = SystemClock.now();
        let mut users: Vec<RecordId> = Vec::new();
        for _ in schema::USERS {
            users.push(self.ids.next(*b"005", now, 1));
        }
        let path = self.folder.path().join(format!("{}.db", users[0]));
        let key = LoginKey::generate().unwrap();
        let local = Local::open(&path, &key, Arc::new(SystemClock), false)
            .await
            .unwrap();
        local.set_schema(document()).await.unwrap();
        let row = |(id, (name, email, role)): (&RecordId, &(&str, &str, Role))| PlatformRow {
            id: *id,
            version: 1,
            row_tag: 1,
            values: Values::new()
                .with("created_at", Value::DateTime(now))
                .with("created_by_id", Value::Id(*id))
                .with("updated_at", Value::DateTime(now))
                .with("updated_by_id", Value::Id(*id))
                .with("name", Value::Text((*name).to_owned()))
                .with("email", Value::Text((*email).to_owned()))
                .with("role", Value::Text(role.name().to_owned()))
                .with("active", Value::Bool(true)),
            unknown: Unknown::new(),
        };
        let rows = users.iter().zip(&schema::USERS).map(row).collect();
        local.adopt(rows).await.unwrap();
        let store = |id, role| local.store(User { id, role });
        let owner = store(users[0], Role::Owner);
        let id = |object| owner.new_id(object).unwrap();
        let stages = schema::stages(id("pipeline"), |_| id("stage"));
        owner.apply(&schema::settings(&stages)).await.unwrap();
        Team {
            owner: store(users[0], Role::Owner),
            admin: store(users[1], Role::Admin),
            member: store(users[2], Role::Member),
            viewer: store(users[3], Role::Viewer),
        }
    }
}

/// The suite's custom object and fields as the platform tells them.
pub(crate) fn document() -> SchemaDocument {
    let object = schema::custom_object();
    SchemaDocument {
        version: 1,
        objects: vec![CustomObject {
            prefix: object.prefix_str().to_owned(),
            name: object.name.to_string(),
            plural: object.plural.to_string(),
            label: object.label.clone().unwrap_or_default(),
            plural_label: object.plural_label.clone().unwrap_or_default(),
        }],
        fields: schema::custom_fields(),
        ..SchemaDocument::default()
    }
}
