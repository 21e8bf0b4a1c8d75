//! A workspace in memory whose objects, fields and stages can still grow, as long as it holds no records yet.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use fieldstone_model::{
    Change, Field, Object, Query, RecordId, Registry, Role, Stage, StageKind, Value, Values,
};
use fieldstone_store::{MemoryStore, Store as _};

use super::*;

pub(super) struct Fake {
    role: Role,
    inner: Mutex<Inner>,
    grown: AtomicBool,
}

#[derive(Default)]
struct Inner {
    objects: Vec<Object>,
    fields: HashMap<String, Vec<Field>>,
    stages: Vec<Stage>,
    store: Option<MemoryStore>,
}

fn id(prefix: [u8; 3], number: u64) -> RecordId {
    RecordId::compose(prefix, NOW.parse().unwrap(), number)
}

impl Fake {
    pub(super) fn new() -> Self {
        Self::with_role(Role::Owner)
    }

    pub(super) fn as_viewer() -> Self {
        Self::with_role(Role::Viewer)
    }

    fn with_role(role: Role) -> Self {
        let stage = |at: u64, name: &str, kind| Stage {
            id: id(*b"01J", at),
            pipeline_id: id(*b"fP0", 1),
            name: name.to_owned(),
            kind,
            probability: 0,
            position: i64::try_from(at).unwrap(),
        };
        let inner = Inner {
            stages: vec![
                stage(1, "Prospecting", StageKind::Open),
                stage(2, "Won", StageKind::Won),
                stage(3, "Lost", StageKind::Lost),
            ],
            ..Inner::default()
        };
        Self {
            role,
            inner: Mutex::new(inner),
            grown: AtomicBool::new(true),
        }
    }

    fn build(&self) -> MemoryStore {
        let mut inner = self.inner.lock().unwrap();
        let registry = Registry::new(
            1,
            inner.objects.clone(),
            inner.fields.clone(),
            inner.stages.clone(),
        );
        let workspace = fieldstone_store::Workspace::new(registry, clock());
        let create = |object: &str, id, values| Change::Create {
            object: object.to_owned(),
            id,
            values,
        };
        let text = |text: &str| Value::Text(text.to_owned());
        let mut changes = vec![create(
            "pipeline",
            id(*b"fP0", 1),
            Values::new()
                .with("name", text("Sales"))
                .with("position", Value::Int(1)),
        )];
        changes.extend(inner.stages.iter().map(|stage| {
            let values = Values::new()
                .with("name", text(&stage.name))
                .with("pipeline_id", Value::Id(stage.pipeline_id))
                .with("position", Value::Int(stage.position))
                .with("kind", text(stage.kind.name()))
                .with("probability", Value::Int(stage.probability));
            create("stage", stage.id, values)
        }));
        workspace.seed(&changes).unwrap();
        workspace.add_user("Mia Member", "mia@fake.example", Role::Member);
        let store = workspace.add_user("Olga Owner", "olga@fake.example", self.role);
        inner.store = Some(store.clone());
        store
    }

    fn must_be_empty(&self) {
        self.grown.store(true, Ordering::SeqCst);
    }
}

impl Workspace for Fake {
    type Store = MemoryStore;

    async fn store(&self) -> Result<MemoryStore, StoreError> {
        let known = self.inner.lock().unwrap().store.clone();
        let Some(store) = known else {
            self.grown.store(false, Ordering::SeqCst);
            return Ok(self.build());
        };
        let query = Query::new("stage")
            .columns(["name", "pipeline_id", "position", "kind", "probability"])
            .limit(200);
        let stages: Vec<Stage> = store
            .list(&query)
            .await?
            .records
            .iter()
            .map(|record| Stage {
                id: record.id,
                pipeline_id: record.get("pipeline_id").as_id().unwrap(),
                name: text(record, "name").to_owned(),
                kind: StageKind::from_name(text(record, "kind")),
                probability: record.get("probability").as_int().unwrap(),
                position: record.get("position").as_int().unwrap(),
            })
            .collect();
        let more = stages.len() > self.inner.lock().unwrap().stages.len();
        if more {
            self.inner.lock().unwrap().stages = stages;
        }
        if more || self.grown.swap(false, Ordering::SeqCst) {
            return Ok(self.build());
        }
        Ok(store)
    }

    async fn create_object(&self, name: &str, object: &NewObject) -> Result<(), ImportError> {
        self.must_be_empty();
        self.inner.lock().unwrap().objects.push(Object::custom(
            name.to_owned(),
            object.plural.clone().unwrap_or_else(|| format!("{name}s")),
            *b"a00",
            object.label.clone(),
            object.plural_label.clone(),
        ));
        Ok(())
    }

    async fn create_field(&self, object: &str, field: &Field) -> Result<(), ImportError> {
        self.must_be_empty();
        let mut field = field.clone();
        let mut inner = self.inner.lock().unwrap();
        let known = inner.fields.entry(object.to_owned()).or_default();
        field.id = 1000 + u16::try_from(known.len()).unwrap();
        known.push(field);
        Ok(())
    }
}
