//! Records: list, show, make, change, delete.

use std::path::Path;

use fieldstone_model::{
    Change, Object, Query, Record, RecordId, Registry, Value, Values,
    query::{Environment, parse_filter},
};
use fieldstone_store::Store as _;
use serde_json::{Map, json};

use super::{
    Failure,
    arguments::{Create, Edit, List, Show},
    output::{Output, table},
    with_records,
};
use crate::{device::Device, store::DeviceStore};
use fieldstone_model::{Clock as _, SystemClock};

fn object<'a>(registry: &'a Registry, name: &str) -> Result<&'a Object, Failure> {
    registry
        .object(name)
        .or_else(|| registry.by_plural(name))
        .map(AsRef::as_ref)
        .ok_or_else(|| {
            let known: Vec<&str> = registry
                .objects()
                .map(|object| object.plural.as_ref())
                .collect();
            Failure::new(format!(
                "There is no object “{name}”. There are: {}.",
                known.join(", ")
            ))
        })
}

pub(super) fn id(text: &str) -> Result<RecordId, Failure> {
    text.parse().map_err(|_| {
        Failure::new(format!(
            "“{text}” is no id: an id has 15 letters and digits."
        ))
    })
}

fn as_json(record: &Record) -> serde_json::Value {
    let mut text = String::new();
    record.write_json(&mut text);
    serde_json::from_str(&text).unwrap_or_default()
}

fn shown(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

pub(super) async fn list(home: &Path, what: List, output: &Output) -> Result<(), Failure> {
    with_records(home, async |device| {
        let store = device.store();
        let registry = store.registry().clone();
        let object = object(&registry, &what.object)?;
        let mut query = Query::new(object.name.clone()).limit(what.limit);
        let mut columns: Vec<String> = match &what.columns {
            Some(columns) => columns.split(',').map(|column| column.trim().to_owned()).collect(),
            None => vec![object.name_field.to_string(), "updated_at".to_owned()],
        };
        columns.retain(|column| column != "id" && !column.is_empty());
        for column in &columns {
            query = query.column(column);
        }
        for field in what.order.iter().flat_map(|order| order.split(',')) {
            let field = field.trim();
            query = match field.strip_prefix('-') {
                Some(field) => query.order(field, true),
                None => query.order(field, false),
            };
        }
        if let Some(filter) = &what.filter {
            let filter = parse_filter(&registry, object, environment(device), filter)
                .map_err(|error| Failure::new(error.to_string()))?;
            query = query.filter(filter);
        }
        query.search.clone_from(&what.search);
        let page = store.list(&query).await?;
        let records: Vec<serde_json::Value> = page.records.iter().map(as_json).collect();
        let rows: Vec<Vec<String>> = records
            .iter()
            .map(|record| {
                std::iter::once("id")
                    .chain(columns.iter().map(String::as_str))
                    .map(|column| shown(record.get(column).unwrap_or(&serde_json::Value::Null)))
                    .collect()
            })
            .collect();
        let headings: Vec<String> = std::iter::once("id".to_owned()).chain(columns.iter().cloned()).collect();
        let mut lines = table(&headings, &rows);
        if page.next.is_some() {
            lines.push(format!("… and more; --limit shows up to 200, --filter and --search narrow it down ({} shown)", rows.len()));
        }
        output.say(&json!({ "records": records }), lines)
    })
    .await
}

fn environment(device: &Device) -> Environment {
    Environment {
        me: device.profile().user,
        today: SystemClock
            .now()
            .to_zoned(jiff::tz::TimeZone::system())
            .date(),
    }
}

pub(super) async fn show(home: &Path, what: Show, output: &Output) -> Result<(), Failure> {
    with_records(home, async |device| {
        let store = device.store();
        let record = fetch(&store, id(&what.id)?).await?;
        say(&record, output)
    })
    .await
}

pub(super) async fn fetch(store: &DeviceStore, id: RecordId) -> Result<Record, Failure> {
    let object = store
        .registry()
        .object_of(id)
        .ok_or_else(|| Failure::new("This id belongs to no object that this device knows."))?
        .name
        .to_string();
    Ok(store.get(&object, id, &[]).await?)
}

fn say(record: &Record, output: &Output) -> Result<(), Failure> {
    let value = as_json(record);
    let members = value.as_object().cloned().unwrap_or_else(Map::new);
    let width = members.keys().map(String::len).max().unwrap_or(0);
    let lines: Vec<String> = members
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name:width$}  {}", shown(value)))
        .collect();
    output.say(&value, lines)
}

pub(super) fn read_fields(object: &Object, pairs: &[String]) -> Result<Values, Failure> {
    let mut values = Values::new();
    for pair in pairs {
        let (name, text) = pair.split_once('=').ok_or_else(|| {
            Failure::new(format!(
                "“{pair}” isn't a field with a value. Write it as field=value."
            ))
        })?;
        let field = object
            .field(name)
            .ok_or_else(|| Failure::new(format!("{} has no field “{name}”.", object.name)))?;
        let value = Value::parse(field, text)
            .map_err(|problem| Failure::new(format!("{name}: {problem}")))?;
        values.set(name, value);
    }
    Ok(values)
}

pub(super) async fn create(home: &Path, what: Create, output: &Output) -> Result<(), Failure> {
    with_records(home, async |device| {
        let store = device.store();
        let registry = store.registry().clone();
        let object = object(&registry, &what.object)?;
        let id = store
            .new_id(&object.name)
            .ok_or_else(|| Failure::new("This object can't be made here."))?;
        let values = read_fields(object, &what.fields)?;
        let create = Change::Create {
            object: object.name.to_string(),
            id,
            values,
        };
        apply(device, create, output).await
    })
    .await
}

pub(super) async fn edit(home: &Path, what: Edit, output: &Output) -> Result<(), Failure> {
    with_records(home, async |device| {
        let id = id(&what.id)?;
        let registry = device.store().registry().clone();
        let object = registry
            .object_of(id)
            .ok_or_else(|| Failure::new("This id belongs to no object that this device knows."))?;
        let update = Change::Update {
            object: object.name.to_string(),
            id,
            expected: None,
            values: read_fields(object, &what.fields)?,
        };
        apply(device, update, output).await
    })
    .await
}

pub(super) async fn delete(home: &Path, what: Show, output: &Output) -> Result<(), Failure> {
    with_records(home, async |device| {
        let id = id(&what.id)?;
        let registry = device.store().registry().clone();
        let object = registry
            .object_of(id)
            .ok_or_else(|| Failure::new("This id belongs to no object that this device knows."))?;
        let delete = Change::Delete {
            object: object.name.to_string(),
            id,
            expected: None,
        };
        apply(device, delete, output).await
    })
    .await
}

/// Applies a change and shows the record.
async fn apply(device: &Device, change: Change, output: &Output) -> Result<(), Failure> {
    let store = device.store();
    let id = change.id();
    store.apply(&[change]).await?;
    let record = fetch(&store, id).await?;
    say(&record, output)
}
