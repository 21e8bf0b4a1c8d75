//! What waits to be sent, and what met another change.

use std::path::Path;

use fieldstone_model::{RecordId, Values};
use fieldstone_protocol::{conflict, push::Kind};
use serde_json::json;

use super::{
    Failure,
    arguments::{PendingWish, Resolve},
    output::{Output, table},
    record::read_fields,
    with_device,
};
use crate::store::{Local, OutboxError, Pending, rejection, state_name};

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Create => "create",
        Kind::Update => "update",
        Kind::Delete => "delete",
    }
}

fn as_json(pending: &Pending) -> serde_json::Value {
    let mutation = &pending.mutation;
    json!({
        "id": mutation.uuid, "object": mutation.object, "record": mutation.record, "action": kind_name(mutation.kind),
        "fields": mutation.fields, "state": state_name(&pending.state), "error": rejection(&pending.state),
        "made_at": pending.made_at.to_string(),
    })
}

pub(super) async fn pending(
    home: &Path,
    what: PendingWish,
    output: &Output,
) -> Result<(), Failure> {
    with_device(home, async |device| {
        let refused = |error: OutboxError| Failure::new(error.to_string());
        let local = device.local();
        let changed = match (what.undo, what.retry, what.edit) {
            (Some(id), ..) => Some((local.undo(id).await?.map_err(refused)?, "Taken back.")),
            (_, Some(id), _) => Some((
                local.retry(id).await?.map_err(refused)?,
                "It will be sent again.",
            )),
            (.., Some(id)) => {
                let wanted = wanted(local, &id, &what.fields).await?;
                let changed = local.edit_pending(id, wanted).await?.map_err(refused)?;
                Some((changed, "Changed. It is sent with the next sync."))
            }
            _ => None,
        };
        if let Some((pending, line)) = changed {
            return output.say(&as_json(&pending), [line]);
        }
        let pending = device.local().pending().await?;
        let mutations: Vec<_> = pending.iter().map(as_json).collect();
        let headings = ["CHANGE", "RECORD", "WHAT", "FIELDS", "STATE"].map(str::to_owned);
        let rows: Vec<Vec<String>> = pending
            .iter()
            .map(|pending| {
                let mutation = &pending.mutation;
                let fields: Vec<&str> = mutation.fields.keys().map(String::as_str).collect();
                let state = match rejection(&pending.state) {
                    Some(rejection) => format!("refused: {}", rejection.message),
                    None => state_name(&pending.state).to_owned(),
                };
                vec![
                    mutation.uuid.clone(),
                    mutation.record.to_string(),
                    format!("{} {}", kind_name(mutation.kind), mutation.object),
                    fields.join(", "),
                    state,
                ]
            })
            .collect();
        let lines = if rows.is_empty() {
            vec!["Nothing waits: everything has been sent.".to_owned()]
        } else {
            table(&headings, &rows)
        };
        output.say(&json!({ "mutations": mutations }), lines)
    })
    .await
}

/// What the fields of a change that waits shall be.
async fn wanted(local: &Local, id: &str, fields: &[String]) -> Result<Values, Failure> {
    let pending = local.pending().await?;
    let pending = pending
        .iter()
        .find(|pending| pending.mutation.uuid == id)
        .ok_or_else(|| Failure::new(OutboxError::Unknown.to_string()))?;
    let registry = local.registry();
    let object = registry
        .object(&pending.mutation.object)
        .ok_or_else(|| Failure::new("This change can't be edited; take it back instead."))?;
    let wanted = read_fields(object, fields)?;
    for (name, _) in wanted.iter() {
        if !pending.mutation.fields.contains_key(name) {
            return Err(Failure::new(format!(
                "This change doesn't touch “{name}”. Change that with “fieldstone-device edit {} …”.",
                pending.mutation.record
            )));
        }
    }
    Ok(wanted)
}

pub(super) async fn conflicts(home: &Path, output: &Output) -> Result<(), Failure> {
    with_device(home, async |device| {
        let rows = device.local().other_rows(conflict::OBJECT).await?;
        let mut found = Vec::new();
        let mut lines = Vec::new();
        for (id, columns) in rows {
            let mut value = serde_json::Value::Object(columns);
            if let Ok(conflict) = serde_json::from_value::<conflict::Conflict>(value.clone()) {
                lines.push(format!("{id}: {} {}", conflict.object, conflict.record));
                for field in &conflict.fields {
                    lines.push(format!(
                        "    {}: you wanted {}, the platform has {} (it was {})",
                        field.field, field.wanted, field.current, field.seen
                    ));
                }
            }
            if let Some(members) = value.as_object_mut() {
                members.insert("id".to_owned(), id.as_str().into());
            }
            found.push(value);
        }
        if lines.is_empty() {
            lines.push("There are no conflicts.".to_owned());
        } else {
            lines.push(
                "Settle each with “fieldstone-device resolve ID --mine” or “--theirs”.".to_owned(),
            );
        }
        output.say(&json!({ "conflicts": found }), lines)
    })
    .await
}

pub(super) async fn resolve(home: &Path, how: Resolve, output: &Output) -> Result<(), Failure> {
    with_device(home, async |device| {
        let unknown =
            || Failure::new("There is no such conflict. “fieldstone-device conflicts” lists them.");
        let id: RecordId = how.id.parse().map_err(|_| unknown())?;
        let rows = device.local().other_rows(conflict::OBJECT).await?;
        if !rows.iter().any(|(found, _)| *found == id) {
            return Err(unknown());
        }
        let choice = if how.choice.mine {
            conflict::MINE
        } else {
            conflict::THEIRS
        };
        let user = device.profile().user;
        device
            .local()
            .change_other(conflict::OBJECT, id, user, conflict::RESOLUTION, choice)
            .await?;
        let answer = json!({ "id": id, "resolution": choice });
        output.say(&answer, ["Settled. It is sent with the next sync."])
    })
    .await
}
