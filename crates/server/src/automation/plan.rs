//! What a rule does to one record: the changes, who is told, what another system is told. Nothing is done here.

use fieldstone_model::{
    Change, Filter, Object, Query, Record, RecordId, Value, Values,
    query::{Environment, parse_filter},
};
use fieldstone_store::{Store, StoreError};
use jiff::{Timestamp, civil::Date};

use super::rule::{Actions, Whom, reading};

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Fields that change: name, before, after.
    pub(crate) sets: Vec<(String, Value, Value)>,
    pub(crate) task: Option<(RecordId, Values)>,
    /// Whom to tell what.
    pub(crate) telling: Option<(RecordId, String)>,
    /// The webhook, and what it is told.
    pub(crate) webhook: Option<(RecordId, String)>,
    object: String,
    id: RecordId,
    version: i64,
}

impl Plan {
    /// The changes of records, in order.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        if !self.sets.is_empty() {
            changes.push(Change::Update {
                object: self.object.clone(),
                id: self.id,
                expected: Some(self.version),
                values: self
                    .sets
                    .iter()
                    .map(|(name, _, after)| (name.clone(), after.clone()))
                    .collect(),
            });
        }
        if let Some((id, values)) = &self.task {
            changes.push(Change::Create {
                object: "task".to_owned(),
                id: *id,
                values: values.clone(),
            });
        }
        changes
    }
}

/// What a rule is about, besides its actions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    /// The rule's name.
    pub(crate) rule: &'a str,
    /// Why it looks at the record: `created`, `changed`, `date`.
    pub(crate) starts: &'a str,
    /// The workspace.
    pub(crate) tenant: RecordId,
    pub(crate) now: Timestamp,
    pub(crate) today: Date,
}

/// The record, if it is there and fits `filter`.
pub(crate) async fn fitting<S: Store>(
    store: &S,
    object: &Object,
    id: RecordId,
    filter: &str,
    today: Date,
) -> Result<Option<Record>, StoreError> {
    let environment = Environment {
        me: store.user().id,
        today,
    };
    let filter =
        parse_filter(store.registry(), object, environment, filter).map_err(StoreError::Query)?;
    if filter != Filter::All {
        let query = Query::new(object.name.clone())
            .filter(Filter::equal("id", Value::Id(id)).and(filter))
            .limit(1);
        if store.list(&query).await?.records.is_empty() {
            return Ok(None);
        }
    }
    match store.get(&object.name, id, &[]).await {
        Ok(record) => Ok(Some(record).filter(|record| !record.deleted)),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Works out what `actions` do to `record`.
pub(crate) fn plan<S: Store>(
    store: &S,
    object: &Object,
    record: &Record,
    actions: &Actions,
    about: About<'_>,
) -> Plan {
    let owner = record.get("owner_id").as_id();
    let owner = owner.unwrap_or_else(|| store.user().id);
    let of = |whom: Whom| match whom {
        Whom::Owner => owner,
        Whom::Person(id) => id,
    };
    let sets = actions.set.iter().filter_map(|(name, text)| {
        let field = object.field(name)?;
        let after = reading(field, text, owner, about.today)?;
        let before = record.get(name).clone();
        (before != after).then(|| (name.clone(), before, after))
    });
    let task = actions.task.as_ref().and_then(|task| {
        let days = jiff::Span::new().try_days(task.days).ok()?;
        let mut values = Values::new()
            .with("subject", Value::Text(task.subject.clone()))
            .with("owner_id", Value::Id(of(task.whom)))
            .with("due_date", Value::Date(about.today.checked_add(days).ok()?));
        if can_be_about(store, object) {
            values.set("about_id", Value::Id(record.id));
        }
        Some((store.new_id("task")?, values))
    });
    Plan {
        sets: sets.collect(),
        task,
        telling: actions
            .notify
            .as_ref()
            .map(|telling| (of(telling.whom), telling.text.clone())),
        webhook: actions
            .webhook
            .map(|hook| (hook, body(object, record, about))),
        object: object.name.to_string(),
        id: record.id,
        version: record.version,
    }
}

/// Whether a task can be about records of `object`.
fn can_be_about<S: Store>(store: &S, object: &Object) -> bool {
    let about = store
        .registry()
        .object("task")
        .and_then(|task| task.field("about_id"));
    about.is_some_and(|field| match &field.kind {
        fieldstone_model::FieldType::AnyRelation { to } => to.contains(&object.name),
        _ => false,
    })
}

/// What another system is told: the record as the rule's account sees it.
fn body(object: &Object, record: &Record, about: About<'_>) -> String {
    let mut told = String::with_capacity(256 + 32 * record.values.len());
    record.write_json(&mut told);
    let head = serde_json::json!({
        "type": format!("record.{}", about.starts),
        "workspace": about.tenant,
        "rule": about.rule,
        "object": object.name,
        "at": about.now.to_string(),
    });
    let mut head = head.to_string();
    head.pop();
    format!("{head},\"record\":{told}}}")
}
