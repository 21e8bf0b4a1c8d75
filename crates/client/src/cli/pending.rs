//! What waits to be sent, and what met another change.

use std::{collections::BTreeMap, path::Path};

use fieldstone_model::{RecordId, Values};
use fieldstone_protocol::{
    conflict,
    push::{Kind, Rejection},
};
use serde_json::json;

use super::{
    Failure,
    arguments::{PendingWish, Resolve},
    output::{Output, table},
    record::read_fields,
    with_records,
};
use crate::{
    device::Device,
    files::Waiting,
    store::{Local, OutboxError, Pending, rejection, state_name},
};

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

fn file_as_json((id, file): (&RecordId, &Waiting)) -> serde_json::Value {
    json!({
        "id": id, "name": file.name, "size": file.facts.size, "content_type": file.facts.content_type, "error": file.refused,
    })
}

/// Why something was refused, field by field where the platform says so.
fn reason(rejection: &Rejection) -> String {
    if rejection.fields.is_empty() {
        return rejection.message.clone();
    }
    let of_fields = rejection
        .fields
        .iter()
        .map(|field| format!("{}: {}", field.field, field.message));
    of_fields.collect::<Vec<_>>().join(" ")
}

pub(super) async fn pending(
    home: &Path,
    what: PendingWish,
    output: &Output,
) -> Result<(), Failure> {
    with_records(home, async |device| {
        if let Some(said) = revised(device, &what).await? {
            let (answer, line) = said;
            return output.say(&answer, [line]);
        }
        let pending = device.local().pending().await?;
        let files = device.waiting_files().await?;
        let answer = json!({
            "mutations": pending.iter().map(as_json).collect::<Vec<_>>(),
            "files": files.iter().map(file_as_json).collect::<Vec<_>>(),
        });
        output.say(&answer, told(&pending, &files))
    })
    .await
}

/// Takes back, sends again or edits what was named; what it is now, and what to say. Nothing when nothing was asked for.
async fn revised(
    device: &Device,
    what: &PendingWish,
) -> Result<Option<(serde_json::Value, &'static str)>, Failure> {
    let refused = |error: OutboxError| Failure::new(error.to_string());
    let local = device.local();
    if let Some(id) = what.undo.as_ref().or(what.retry.as_ref())
        && let Ok(id) = id.parse::<RecordId>()
    {
        let (found, line) = match what.undo {
            Some(_) => (device.give_up_file(id).await?, "Taken back."),
            None => (device.retry_file(id).await?, "It will be sent again."),
        };
        if !found {
            return Err(refused(OutboxError::Unknown));
        }
        return Ok(Some((json!({ "id": id }), line)));
    }
    let (pending, line) = match (&what.undo, &what.retry, &what.edit) {
        (Some(id), ..) => (device.take_back(id.clone()).await?, "Taken back."),
        (_, Some(id), _) => (local.retry(id.clone()).await?, "It will be sent again."),
        (.., Some(id)) => {
            let wanted = wanted(local, id, what).await?;
            let changed = local.edit_pending(id.clone(), wanted, what.without.clone());
            (changed.await?, "Changed. It is sent with the next sync.")
        }
        _ => return Ok(None),
    };
    Ok(Some((as_json(&pending.map_err(refused)?), line)))
}

/// What waits, for people.
fn told(pending: &[Pending], files: &BTreeMap<RecordId, Waiting>) -> Vec<String> {
    if pending.is_empty() && files.is_empty() {
        return vec!["Nothing waits: everything has been sent.".to_owned()];
    }
    let mut reasons = Vec::new();
    let mut state = |id: &str, refused: Option<String>, otherwise: &str| match refused {
        Some(reason) => {
            reasons.push(format!("{id} was refused: {reason}"));
            "refused".to_owned()
        }
        None => otherwise.to_owned(),
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for change in pending {
        let mutation = &change.mutation;
        let fields: Vec<&str> = mutation.fields.keys().map(String::as_str).collect();
        let refused = rejection(&change.state).map(reason);
        rows.push(vec![
            mutation.uuid.clone(),
            mutation.record.to_string(),
            format!("{} {}", kind_name(mutation.kind), mutation.object),
            fields.join(", "),
            state(&mutation.uuid, refused, state_name(&change.state)),
        ]);
    }
    for (id, file) in files {
        rows.push(vec![
            id.to_string(),
            id.to_string(),
            "send file".to_owned(),
            file.name.clone(),
            state(id.as_str(), file.refused.clone(), "waiting"),
        ]);
    }
    let headings = ["CHANGE", "RECORD", "WHAT", "FIELDS", "STATE"].map(str::to_owned);
    let mut lines = table(&headings, &rows);
    if !reasons.is_empty() {
        lines.extend(reasons);
        lines.push(
            "Send it again with --retry CHANGE, mend it with --edit CHANGE field=value or --without field, or give it up with --undo CHANGE."
                .to_owned(),
        );
    }
    lines
}

/// What the fields of a change that waits shall be.
async fn wanted(local: &Local, id: &str, what: &PendingWish) -> Result<Values, Failure> {
    if what.fields.is_empty() && what.without.is_empty() {
        return Err(Failure::new(
            "Say what the change shall be: field=value, or --without field.",
        ));
    }
    let pending = local.pending().await?;
    let pending = pending
        .iter()
        .find(|pending| pending.mutation.uuid == id)
        .ok_or_else(|| Failure::new(OutboxError::Unknown.to_string()))?;
    let registry = local.registry();
    let object = registry
        .object(&pending.mutation.object)
        .ok_or_else(|| Failure::new("This change can't be edited; take it back instead."))?;
    let wanted = read_fields(object, &what.fields)?;
    let named = wanted.iter().map(|(name, _)| name);
    for name in named.chain(what.without.iter().map(String::as_str)) {
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
    with_records(home, async |device| {
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
    with_records(home, async |device| {
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
