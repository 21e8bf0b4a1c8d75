//! What must be there before the first row: the custom object, custom fields, stages. And who provides it.

use std::{collections::HashMap, sync::Arc};

use fieldstone_model::{
    Capability, Change, Field, Object, RecordId, Registry, Stage, StageKind, Value, Values,
    fold::fold,
};
use fieldstone_store::{Store, StoreError};
use jiff::Timestamp;

use super::{ImportError, Mapping, MappingProblem, NewObject, NewStage, journal::Journal};

/// A workspace to import into, as one user. Made by whoever starts the import.
pub trait Workspace: Send + Sync {
    /// Its records.
    type Store: Store;

    /// The records with the objects and fields as they are now; asked again after something was made.
    fn store(&self) -> impl Future<Output = Result<Self::Store, StoreError>> + Send;

    /// Makes a custom object called `name`.
    fn create_object(
        &self,
        name: &str,
        object: &NewObject,
    ) -> impl Future<Output = Result<(), ImportError>> + Send;

    /// Makes a custom field of an object.
    fn create_field(
        &self,
        object: &str,
        field: &Field,
    ) -> impl Future<Output = Result<(), ImportError>> + Send;

    /// Where it is written down what the import did, so that it can be undone.
    fn journal(&self) -> Option<&dyn Journal> {
        None
    }
}

/// A workspace that is ready for the first row.
pub(super) struct Ready<S> {
    pub(super) store: S,
    /// The store's registry, or in a trial run the one it would have.
    pub(super) registry: Registry,
    pub(super) object: Arc<Object>,
    /// Objects, fields and stages that were made, or would be.
    pub(super) made: Vec<String>,
    /// Stages that a trial run only imagines, by name.
    pub(super) imagined: Vec<(String, RecordId)>,
}

/// Makes what is missing; a trial run only imagines it.
pub(super) async fn prepare<W: Workspace>(
    workspace: &W,
    object: &str,
    mapping: &Mapping,
    trial: bool,
    now: Timestamp,
) -> Result<Ready<W::Store>, ImportError> {
    let mut store = workspace.store().await?;
    let missing = missing(store.registry(), object, mapping)?;
    let mut made = Vec::new();
    made.extend(missing.object.iter().map(|_| format!("object {object}")));
    made.extend(
        missing
            .fields
            .iter()
            .map(|field| format!("field {}", field.name)),
    );
    made.extend(
        missing
            .stages
            .iter()
            .map(|stage| format!("stage {}", stage.name)),
    );
    if !made.is_empty() && !store.user().role.can(Capability::SchemaManage) {
        let made = ("made", made.join(", "));
        return Err(MappingProblem::new("not-allowed", [made]).into());
    }
    let mut registry = store.registry().clone();
    let mut imagined = Vec::new();
    if trial {
        (registry, imagined) = imagine(&registry, object, &missing, now)?;
    } else if !made.is_empty() {
        if let Some(new) = missing.object {
            workspace.create_object(object, new).await?;
        }
        for field in &missing.fields {
            workspace.create_field(object, field).await?;
        }
        if !missing.stages.is_empty() {
            let changes = stage_changes(&registry, &missing.stages, |_| store.new_id("stage"))?;
            store.apply(&changes).await?;
        }
        store = workspace.store().await?;
        registry = store.registry().clone();
    }
    let object = registry
        .object(object)
        .cloned()
        .ok_or_else(|| StoreError::UnknownObject(object.to_owned()))?;
    Ok(Ready {
        store,
        registry,
        object,
        made,
        imagined,
    })
}

struct Missing<'a> {
    object: Option<&'a NewObject>,
    fields: Vec<Field>,
    stages: Vec<&'a NewStage>,
}

fn missing<'a>(
    registry: &Registry,
    name: &str,
    mapping: &'a Mapping,
) -> Result<Missing<'a>, ImportError> {
    let object = registry.object(name);
    if object.is_none() && mapping.object.is_none() {
        return Err(StoreError::UnknownObject(name.to_owned()).into());
    }
    let mut fields = Vec::new();
    for new in &mapping.fields {
        let field = new.field()?;
        let known = object.and_then(|object| object.field(&field.name));
        match known {
            None => fields.push(field),
            Some(known) if known.kind.name() == field.kind.name() => {}
            Some(known) => {
                let name = ("field", field.name.to_string());
                let kind = ("type", known.kind.name().to_owned());
                return Err(MappingProblem::new("new-field-exists", [name, kind]).into());
            }
        }
    }
    let known = |stage: &NewStage| {
        registry
            .stages()
            .iter()
            .any(|known| fold(&known.name) == fold(&stage.name))
    };
    Ok(Missing {
        object: mapping.object.as_ref().filter(|_| object.is_none()),
        fields,
        stages: mapping
            .stages
            .iter()
            .filter(|stage| !known(stage))
            .collect(),
    })
}

/// The registry with everything that is missing added to it, and the stages' ids.
fn imagine(
    registry: &Registry,
    object: &str,
    missing: &Missing<'_>,
    now: Timestamp,
) -> Result<(Registry, Vec<(String, RecordId)>), ImportError> {
    let mut custom: Vec<Object> = Vec::new();
    let mut fields: HashMap<String, Vec<Field>> = HashMap::new();
    for known in registry.objects() {
        if known.custom {
            custom.push(known.as_ref().clone());
        } else {
            let own = known.fields.iter().filter(|field| field.custom).cloned();
            fields.insert(known.name.to_string(), own.collect());
        }
    }
    if let Some(new) = missing.object {
        custom.push(Object::custom(
            object.to_owned(),
            new.plural.clone().unwrap_or_else(|| format!("{object}s")),
            *b"zzz",
            new.label.clone(),
            new.plural_label.clone(),
        ));
    }
    fields
        .entry(object.to_owned())
        .or_default()
        .extend(missing.fields.iter().cloned());
    let changes = stage_changes(registry, &missing.stages, |at| {
        Some(RecordId::compose(*b"01J", now, at))
    })?;
    let mut stages = registry.stages().to_vec();
    let mut imagined = Vec::new();
    for change in changes {
        if let Change::Create { id, values, .. } = change {
            let stage = imagined_stage(id, &values);
            imagined.push((stage.name.clone(), id));
            stages.push(stage);
        }
    }
    Ok((
        Registry::new(registry.version(), custom, fields, stages),
        imagined,
    ))
}

fn imagined_stage(id: RecordId, values: &Values) -> Stage {
    let text = |field| {
        values
            .get(field)
            .and_then(Value::as_text)
            .unwrap_or_default()
    };
    let number = |field| values.get(field).and_then(Value::as_int).unwrap_or(0);
    Stage {
        id,
        pipeline_id: values
            .get("pipeline_id")
            .and_then(Value::as_id)
            .unwrap_or(id),
        name: text("name").to_owned(),
        kind: StageKind::from_name(text("kind")),
        probability: number("probability"),
        position: number("position"),
    }
}

/// The changes that make stages at the end of the first pipeline, or of the one they name.
fn stage_changes(
    registry: &Registry,
    stages: &[&NewStage],
    new_id: impl Fn(u64) -> Option<RecordId>,
) -> Result<Vec<Change>, ImportError> {
    let mut changes = Vec::new();
    for (stage, at) in stages.iter().zip(0_i64..) {
        let first = registry.first_stage().map(|stage| stage.pipeline_id);
        let pipeline = first.ok_or_else(|| MappingProblem::new("no-pipeline", []))?;
        if !["open", "won", "lost"].contains(&stage.kind.as_str()) {
            let stage = ("stage", stage.name.clone());
            return Err(MappingProblem::new("stage-kind", [stage]).into());
        }
        let last = registry.stages().iter().map(|stage| stage.position).max();
        let id = new_id(at.unsigned_abs())
            .ok_or_else(|| StoreError::UnknownObject("stage".to_owned()))?;
        changes.push(Change::Create {
            object: "stage".to_owned(),
            id,
            values: Values::new()
                .with("name", Value::Text(stage.name.clone()))
                .with("pipeline_id", Value::Id(pipeline))
                .with("position", Value::Int(last.unwrap_or(0) + 1 + at))
                .with("kind", Value::Text(stage.kind.clone()))
                .with(
                    "probability",
                    Value::Int(i64::from(stage.probability.min(100)) * 100),
                ),
        });
    }
    Ok(changes)
}
