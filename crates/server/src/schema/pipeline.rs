//! The pipeline that a new workspace starts with.

use fieldstone_model::{Change, StageKind, Value, Values};
use fieldstone_store::{Store, StoreError};

/// Name, meaning and chance in percent of each stage.
const STAGES: [(&str, StageKind, i64); 6] = [
    ("Prospecting", StageKind::Open, 10),
    ("Qualification", StageKind::Open, 25),
    ("Proposal", StageKind::Open, 50),
    ("Negotiation", StageKind::Open, 75),
    ("Won", StageKind::Won, 100),
    ("Lost", StageKind::Lost, 0),
];

/// Makes the first pipeline of a workspace, with its stages, unless it has one already.
pub async fn create_default_pipeline<S: Store>(store: &S) -> Result<(), StoreError> {
    if !store.registry().stages().is_empty() {
        return Ok(());
    }
    let missing = || StoreError::internal("pipelines are no objects");
    let pipeline = store.new_id("pipeline").ok_or_else(missing)?;
    let text = |text: &str| Value::Text(text.to_owned());
    let values = Values::new()
        .with("name", text("Sales"))
        .with("position", Value::Int(1));
    let mut changes = vec![Change::Create {
        object: "pipeline".to_owned(),
        id: pipeline,
        values,
    }];
    for (position, (name, kind, percent)) in (1..).zip(STAGES) {
        let values = Values::new()
            .with("name", text(name))
            .with("pipeline_id", Value::Id(pipeline))
            .with("position", Value::Int(position))
            .with("kind", text(kind.name()))
            .with("probability", Value::Int(percent * 100));
        changes.push(Change::Create {
            object: "stage".to_owned(),
            id: store.new_id("stage").ok_or_else(missing)?,
            values,
        });
    }
    store.apply(&changes).await.map(drop)
}
