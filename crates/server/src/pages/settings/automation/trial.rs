//! The trial of a rule: what it would do to real records. Nothing is done.

use askama::Template;
use fieldstone_model::{
    Object, Query, Value,
    query::{Environment, parse_filter},
};
use fieldstone_store::{
    Store as _, StoreError, User,
    write::{Stored, prepare},
};
use fieldstone_ui::{PageError, PageResult, locale::Locale};

use super::{PATH, find};
use crate::{
    automation::{About, StoredRule, plan},
    pages::{path_id::PathId, settings::Settings},
};

/// Records of a trial.
const TRIED: u32 = 15;

#[derive(Template)]
#[template(path = "settings/automation_trial.html")]
struct Trial<'a> {
    locale: &'a Locale,
    back: String,
    name: String,
    rows: Vec<Tried>,
    problem: Option<String>,
}

/// What would be done to one record.
struct Tried {
    href: String,
    name: String,
    effects: Vec<String>,
    problem: Option<String>,
}

/// `GET /settings/automation/{id}/trial`: what the rule would do to the records changed last that fit it. Nothing is done.
pub(crate) async fn show(settings: Settings, PathId(id): PathId) -> PageResult {
    let stored = find(&settings, id).await?;
    let locale = settings.locale();
    let rule = &stored.rule;
    let object = settings.registry().object(&rule.object);
    let object = object.ok_or(PageError::NotFound)?;
    let environment = Environment {
        me: settings.viewer.user_id,
        today: settings.viewer.today(),
    };
    let mut trial = Trial {
        locale,
        back: format!("{PATH}/{id}"),
        name: rule.name.clone(),
        rows: Vec::new(),
        problem: None,
    };
    let filter = match parse_filter(settings.registry(), object, environment, &rule.filter) {
        Ok(filter) => filter,
        Err(error) => {
            trial.problem = Some(error.to_string());
            return settings.page(&trial);
        }
    };
    let query = Query::new(rule.object.clone())
        .filter(filter)
        .order("updated_at", true)
        .limit(TRIED);
    for found in settings.store.list(&query).await?.records {
        match settings.store.get(&rule.object, found.id, &[]).await {
            Ok(record) => {
                let tried = tried(&settings, &stored, object, &record).await?;
                trial.rows.push(tried);
            }
            Err(StoreError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    settings.page(&trial)
}

async fn tried(
    settings: &Settings,
    stored: &StoredRule,
    object: &Object,
    record: &fieldstone_model::Record,
) -> Result<Tried, PageError> {
    let locale = settings.locale();
    let about = About {
        rule: &stored.rule.name,
        starts: stored.rule.starts.name(),
        tenant: settings.identity.actor.tenant,
        now: settings.viewer.now,
        today: settings.viewer.today(),
    };
    let planned = plan(&settings.store, object, record, &stored.rule.actions, about);
    let mut effects = Vec::new();
    let plain = |name: &str, value: &Value| {
        let text = object
            .field(name)
            .map_or_else(String::new, |field| value.to_plain(&field.kind));
        if text.is_empty() {
            locale.t("value-none").into_owned()
        } else {
            text
        }
    };
    for (name, before, after) in &planned.sets {
        let label = object
            .field(name)
            .map_or_else(|| name.clone(), |field| locale.field(object, field));
        effects.push(format!(
            "{label}: {} → {}",
            plain(name, before),
            plain(name, after)
        ));
    }
    if let Some((_, values)) = &planned.task {
        let subject = values.get("subject").and_then(Value::as_text);
        effects.push(locale.t1(
            "automation-effect-task",
            "name",
            subject.unwrap_or_default(),
        ));
    }
    if let Some((_, text)) = &planned.telling {
        effects.push(locale.t1("automation-effect-notify", "text", text.as_str()));
    }
    if planned.webhook.is_some() {
        effects.push(locale.t("automation-effect-webhook").into_owned());
    }
    if effects.is_empty() {
        effects.push(locale.t("automation-effect-none").into_owned());
    }
    let name = settings.store.names(&[record.id]).await?;
    let name = name.get(&record.id).cloned();
    Ok(Tried {
        href: format!("/{}/{}", object.plural, record.id),
        name: name.unwrap_or_else(|| locale.t("record-untitled").into_owned()),
        problem: refusal(settings, stored, object, record, &planned.changes()),
        effects,
    })
}

/// Why the changes would be refused, if they would.
fn refusal(
    settings: &Settings,
    stored: &StoredRule,
    object: &Object,
    record: &fieldstone_model::Record,
    changes: &[fieldstone_model::Change],
) -> Option<String> {
    let user = User {
        id: settings.viewer.user_id,
        role: stored.role,
    };
    let before = Stored {
        version: record.version,
        deleted: record.deleted,
        values: record
            .iter()
            .map(|(column, value)| (column.name.clone(), value.clone()))
            .collect(),
    };
    changes.iter().find_map(|change| {
        let registry = settings.registry();
        let object = if change.object() == object.name {
            object
        } else {
            registry.object(change.object())?
        };
        let before = (change.id() == record.id).then_some(&before);
        prepare(registry, object, user, settings.viewer.now, change, before)
            .err()
            .map(|error| error.to_string())
    })
}
