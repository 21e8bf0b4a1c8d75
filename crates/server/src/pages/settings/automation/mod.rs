//! `/settings/automation`: rules of the workspace, their trial on real records, and what came of them.

mod condition;
mod trial;

use std::sync::Arc;

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use fieldstone_model::{Filter, Object, ObjectClass, Query, RecordId, Role, Value};
use fieldstone_store::Store as _;
use fieldstone_ui::{Change, Condition, PageError, PageResult, in_words, locale::Locale};
use futures_util::future::try_join_all;

pub(crate) use condition::build;
use condition::{condition_of, take_condition};
pub(crate) use trial::show as trial;

use super::{
    Settings,
    programs::{Fields, Submitted},
};
use crate::{
    automation::{
        Actions, NewTask, Rule, RuleProblem, Starts, StoredRule, Telling, Whom, is_day, settable,
    },
    identity::service_account::roles_below,
    pages::path_id::PathId,
};

pub(crate) const PATH: &str = "/settings/automation";
/// Fields that the form can set.
const SETS: usize = 4;
/// People offered.
const PEOPLE_MAX: u32 = 200;

/// Something to choose: value, label, whether it is.
type Choice = (String, String, bool);

#[derive(Template)]
#[template(path = "settings/automation.html")]
struct List<'a> {
    locale: &'a Locale,
    rows: Vec<Row>,
    objects: Vec<(String, String)>,
}

struct Row {
    href: String,
    name: String,
    what: String,
    active: bool,
    stopped: bool,
    runs: i64,
    failed: i64,
}

/// `GET /settings/automation`.
pub(crate) async fn list(settings: Settings) -> PageResult {
    let locale = settings.locale();
    let rules = settings.store.automation_rules().await?;
    let rows = rules.into_iter().map(async |stored| {
        Ok::<_, PageError>(Row {
            href: format!("{PATH}/{}", stored.id),
            what: sentence(&settings, &stored.rule).await?,
            name: stored.rule.name,
            active: stored.active,
            stopped: stored.stopped,
            runs: stored.runs,
            failed: stored.failed,
        })
    });
    let rows = try_join_all(rows).await?;
    let objects = objects(&settings)
        .map(|object| (object.name.to_string(), locale.objects(object)))
        .collect();
    settings.page(&List {
        locale,
        rows,
        objects,
    })
}

fn objects(settings: &Settings) -> impl Iterator<Item = &Object> {
    let objects = settings.registry().objects().map(AsRef::as_ref);
    objects.filter(|object: &&Object| object.class == ObjectClass::Record)
}

/// When it looks at what, and on what condition: `Deal: when one is changed · Amount is more than 1,000`.
async fn sentence(settings: &Settings, rule: &Rule) -> Result<String, PageError> {
    let locale = settings.locale();
    let when = locale.t(&format!("automation-starts-{}", rule.starts.name()));
    let Some(object) = settings.registry().object(&rule.object) else {
        return Ok(format!("{}: {when}", rule.object));
    };
    let mut sentence = format!("{}: {when}", locale.object(object));
    if !rule.filter.is_empty() {
        sentence.push_str(" · ");
        sentence.push_str(&in_words(settings, object, &rule.filter).await?);
    }
    Ok(sentence)
}

/// The form as it was typed.
#[derive(Default)]
struct Typed {
    name: String,
    object: String,
    starts: String,
    fields: Vec<String>,
    date_field: String,
    days: String,
    filter: String,
    sets: Vec<(String, String)>,
    task: bool,
    task_subject: String,
    task_days: String,
    task_whom: String,
    notify: bool,
    notify_text: String,
    notify_whom: String,
    webhook: String,
    role: String,
}

impl Typed {
    fn of(stored: &StoredRule) -> Self {
        let rule = &stored.rule;
        let whom = |whom: &Whom| match whom {
            Whom::Owner => "owner".to_owned(),
            Whom::Person(id) => id.to_string(),
        };
        let (task, notify) = (&rule.actions.task, &rule.actions.notify);
        Self {
            name: rule.name.clone(),
            object: rule.object.clone(),
            starts: rule.starts.name().to_owned(),
            fields: rule.fields.clone(),
            date_field: rule.date_field.clone().unwrap_or_default(),
            days: rule.days.to_string(),
            filter: rule.filter.clone(),
            sets: rule.actions.set.clone(),
            task: task.is_some(),
            task_subject: task
                .as_ref()
                .map_or_else(String::new, |it| it.subject.clone()),
            task_days: task
                .as_ref()
                .map_or_else(String::new, |it| it.days.to_string()),
            task_whom: task.as_ref().map_or_else(String::new, |it| whom(&it.whom)),
            notify: notify.is_some(),
            notify_text: notify
                .as_ref()
                .map_or_else(String::new, |it| it.text.clone()),
            notify_whom: notify
                .as_ref()
                .map_or_else(String::new, |it| whom(&it.whom)),
            webhook: rule
                .actions
                .webhook
                .map_or_else(String::new, |id| id.to_string()),
            role: stored.role.name().to_owned(),
        }
    }

    fn read(fields: &Fields) -> Self {
        let text = |name: &str| fields.get(name).to_owned();
        let sets = (0..SETS)
            .map(|at| (text(&format!("field-{at}")), text(&format!("value-{at}"))))
            .filter(|(field, _)| !field.is_empty());
        Self {
            name: text("name"),
            object: text("object"),
            starts: text("starts"),
            fields: fields.all("fields").map(str::to_owned).collect(),
            date_field: text("date_field"),
            days: text("days"),
            filter: text("filter"),
            sets: sets.collect(),
            task: fields.get("task") == "yes",
            task_subject: text("task_subject"),
            task_days: text("task_days"),
            task_whom: text("task_whom"),
            notify: fields.get("notify") == "yes",
            notify_text: text("notify_text"),
            notify_whom: text("notify_whom"),
            webhook: text("webhook"),
            role: text("role"),
        }
    }

    /// The rule that it says; numbers that can't be read are out of every range.
    fn rule(&self) -> Rule {
        let number = |text: &str| match text {
            "" => 0,
            text => text.parse().unwrap_or(i32::MAX),
        };
        let whom = |text: &str| text.parse().map_or(Whom::Owner, Whom::Person);
        let starts = Starts::from_name(&self.starts).unwrap_or(Starts::Created);
        let is_date = starts == Starts::Date;
        Rule {
            name: self.name.clone(),
            object: self.object.clone(),
            starts,
            fields: if starts == Starts::Changed {
                self.fields.clone()
            } else {
                Vec::new()
            },
            date_field: is_date.then(|| self.date_field.clone()),
            days: if is_date { number(&self.days) } else { 0 },
            filter: self.filter.clone(),
            actions: Actions {
                set: self.sets.clone(),
                task: self.task.then(|| NewTask {
                    subject: self.task_subject.clone(),
                    days: number(&self.task_days),
                    whom: whom(&self.task_whom),
                }),
                notify: self.notify.then(|| Telling {
                    text: self.notify_text.clone(),
                    whom: whom(&self.notify_whom),
                }),
                webhook: self.webhook.parse().ok(),
            },
        }
    }
}

/// The form, and what stands around it for a rule that is there.
#[derive(Template)]
#[template(path = "settings/automation_rule.html")]
struct Form<'a> {
    locale: &'a Locale,
    title: String,
    action: String,
    typed: &'a Typed,
    condition: Condition,
    known: Option<Known>,
    starts: Vec<(&'static str, String, bool)>,
    fields: Vec<Choice>,
    days: Vec<Choice>,
    sets: Vec<SetRow>,
    people: Vec<(String, String)>,
    webhooks: Vec<Choice>,
    roles: Vec<Choice>,
    errors: Vec<(String, String)>,
}

struct SetRow {
    at: usize,
    fields: Vec<Choice>,
    value: String,
}

struct Known {
    id: RecordId,
    active: bool,
    stopped: bool,
    runs: Vec<RunRow>,
}

struct RunRow {
    name: String,
    href: Option<String>,
    outcome: String,
    class: &'static str,
    detail: String,
    at: (String, String),
}

impl Form<'_> {
    fn error(&self, field: &str) -> Option<&str> {
        let found = self.errors.iter().find(|(known, _)| known == field);
        found.map(|(_, text)| text.as_str())
    }
}

async fn form<'a>(
    settings: &'a Settings,
    typed: &'a Typed,
    known: Option<Known>,
    errors: Vec<(String, String)>,
    condition: Option<Condition>,
) -> Result<Form<'a>, PageError> {
    let locale = settings.locale();
    let object = object_of(settings, typed)?;
    let condition = match condition {
        Some(condition) => condition,
        None => condition_of(settings, typed, &[], Change::Nothing).await?,
    };
    let choice = |name: &str, label: String, chosen: bool| (name.to_owned(), label, chosen);
    let named = |field: &fieldstone_model::Field, chosen: bool| {
        choice(&field.name, locale.field(object, field), chosen)
    };
    let sets = (0..SETS).map(|at| {
        let set = typed.sets.get(at);
        SetRow {
            at,
            fields: settable(object)
                .map(|field| named(field, set.is_some_and(|(name, _)| *name == field.name)))
                .collect(),
            value: set.map_or_else(String::new, |(_, value)| value.clone()),
        }
    });
    let query = Query::new("user")
        .column("name")
        .filter(Filter::equal("active", Value::Bool(true)))
        .order("name", false)
        .limit(PEOPLE_MAX);
    let people = settings.store.list(&query).await?.records;
    let people = people.iter().map(|person| {
        let name = person.get("name").as_text().unwrap_or_default();
        (person.id.to_string(), name.to_owned())
    });
    let webhooks = settings.store.webhooks().await?;
    let webhooks = webhooks.into_iter().map(|hook| {
        let id = hook.id.to_string();
        let chosen = id == typed.webhook;
        (id, hook.name, chosen)
    });
    let title = match &known {
        Some(_) => typed.name.clone(),
        None => locale.t1("automation-new-title", "objects", locale.objects(object)),
    };
    Ok(Form {
        locale,
        title,
        action: known
            .as_ref()
            .map_or_else(|| PATH.to_owned(), |known| format!("{PATH}/{}", known.id)),
        starts: Starts::ALL
            .into_iter()
            .map(|starts| {
                let label = locale.t(&format!("automation-starts-{}", starts.name()));
                let chosen = starts.name() == typed.starts;
                (starts.name(), label.into_owned(), chosen)
            })
            .collect(),
        fields: object
            .writable_fields()
            .map(|field| named(field, typed.fields.iter().any(|name| *name == field.name)))
            .collect(),
        days: object
            .fields
            .iter()
            .filter(|field| is_day(field))
            .map(|field| named(field, typed.date_field == field.name))
            .collect(),
        sets: sets.collect(),
        people: people.collect(),
        webhooks: webhooks.collect(),
        roles: roles_below(settings.viewer.role)
            .filter(|role| *role != Role::Viewer)
            .map(|role| {
                let label = locale.t(&format!("role-{role}")).into_owned();
                choice(role.name(), label, role.name() == typed.role)
            })
            .collect(),
        condition,
        known,
        errors,
        typed,
    })
}

fn object_of<'a>(settings: &'a Settings, typed: &Typed) -> Result<&'a Arc<Object>, PageError> {
    let object = settings.registry().object(&typed.object);
    object
        .filter(|object| object.class == ObjectClass::Record)
        .ok_or(PageError::NotFound)
}

fn texts(locale: &Locale, problems: Vec<RuleProblem>) -> Vec<(String, String)> {
    let text = |problem| text_of(locale, problem);
    problems.into_iter().map(text).collect()
}

fn text_of(locale: &Locale, problem: RuleProblem) -> (String, String) {
    let said = problem.said.map(|said| format!(" {said}"));
    let text = format!("{}{}", locale.t(problem.key), said.unwrap_or_default());
    (problem.field, text)
}

/// `GET /settings/automation/new?object=…`.
pub(crate) async fn new(settings: Settings) -> PageResult {
    let typed = Typed {
        object: settings
            .query("object")
            .unwrap_or_else(|| "deal".to_owned()),
        starts: "created".to_owned(),
        role: "member".to_owned(),
        ..Typed::default()
    };
    let form = form(&settings, &typed, None, Vec::new(), None).await?;
    settings.page(&form)
}

/// The role that is chosen, and what is wrong with the rule.
fn checked(settings: &Settings, typed: &Typed) -> (Option<Role>, Vec<(String, String)>) {
    let me = settings.viewer.user_id;
    let problems = typed
        .rule()
        .check(settings.registry(), me, settings.viewer.today());
    let mut errors = texts(settings.locale(), problems);
    let role = typed.role.parse::<Role>().ok();
    let role = role.filter(|role| {
        *role != Role::Viewer && roles_below(settings.viewer.role).any(|it| it == *role)
    });
    if role.is_none() {
        let text = settings.locale().t("service-role-problem").into_owned();
        errors.push(("role".to_owned(), text));
    }
    (role, errors)
}

/// What the account is called that rules of a role act as.
fn account(locale: &Locale, role: Role) -> String {
    let role = locale.t(&format!("role-{role}"));
    locale.t1("automation-account", "role", role.as_ref())
}

/// `POST /settings/automation`: makes a rule, switched off.
pub(crate) async fn create(settings: Settings, submitted: Submitted) -> PageResult {
    let fields = Fields::read(submitted)?;
    let mut typed = Typed::read(&fields);
    let condition = take_condition(&settings, &mut typed, &fields).await?;
    let (role, errors) = checked(&settings, &typed);
    let is_right = errors.is_empty() && !condition.is_unfinished();
    let Some(role) = role.filter(|_| is_right) else {
        let form = form(&settings, &typed, None, errors, Some(condition)).await?;
        return settings.page_with(StatusCode::UNPROCESSABLE_ENTITY, &form);
    };
    let account = account(settings.locale(), role);
    let added = settings
        .store
        .add_automation_rule(&typed.rule(), role, &account)
        .await?;
    let id = added.ok_or(PageError::Conflict)?;
    Ok(Settings::done_at(&format!("{PATH}/{id}"), "rule-made"))
}

async fn known(settings: &Settings, stored: &StoredRule) -> Result<Known, PageError> {
    let locale = settings.locale();
    let runs = settings.store.automation_runs(stored.id).await?;
    let mut ids: Vec<RecordId> = runs.iter().filter_map(|run| run.record).collect();
    ids.sort_unstable();
    ids.dedup();
    let names = if ids.is_empty() {
        std::collections::HashMap::new()
    } else {
        settings.store.names(&ids).await?
    };
    let runs = runs.into_iter().map(|run| {
        let name = run.record.and_then(|id| names.get(&id)).cloned();
        let object = run.record.and_then(|id| settings.registry().object_of(id));
        let href = match (run.record, object, &name) {
            (Some(id), Some(object), Some(_)) => Some(format!("/{}/{id}", object.plural)),
            _ => None,
        };
        RunRow {
            href,
            name: name.unwrap_or_else(|| locale.t("record-unknown").into_owned()),
            class: match run.outcome.as_str() {
                "done" => "good",
                "failed" => "bad",
                _ => "",
            },
            outcome: locale
                .t(&format!("automation-outcome-{}", run.outcome))
                .into_owned(),
            detail: run.detail,
            at: (run.at.to_string(), locale.instant(run.at)),
        }
    });
    Ok(Known {
        id: stored.id,
        active: stored.active,
        stopped: stored.stopped,
        runs: runs.collect(),
    })
}

async fn find(settings: &Settings, id: RecordId) -> Result<StoredRule, PageError> {
    let found = settings.store.automation_rule(id).await?;
    found.ok_or(PageError::NotFound)
}

/// `GET /settings/automation/{id}`.
pub(crate) async fn show(settings: Settings, PathId(id): PathId) -> PageResult {
    let stored = find(&settings, id).await?;
    let typed = Typed::of(&stored);
    let known = known(&settings, &stored).await?;
    let form = form(&settings, &typed, Some(known), Vec::new(), None).await?;
    settings.page(&form)
}

/// `POST /settings/automation/{id}`.
pub(crate) async fn update(
    settings: Settings,
    PathId(id): PathId,
    submitted: Submitted,
) -> PageResult {
    let stored = find(&settings, id).await?;
    let fields = Fields::read(submitted)?;
    let mut typed = Typed::read(&fields);
    typed.object.clone_from(&stored.rule.object);
    let condition = take_condition(&settings, &mut typed, &fields).await?;
    let (role, errors) = checked(&settings, &typed);
    let is_right = errors.is_empty() && !condition.is_unfinished();
    let Some(role) = role.filter(|_| is_right) else {
        let known = known(&settings, &stored).await?;
        let form = form(&settings, &typed, Some(known), errors, Some(condition)).await?;
        return settings.page_with(StatusCode::UNPROCESSABLE_ENTITY, &form);
    };
    let account = account(settings.locale(), role);
    let said = typed.rule();
    let updated = settings
        .store
        .update_automation_rule(id, &said, role, &account)
        .await?;
    if !updated {
        return Err(PageError::NotFound);
    }
    Ok(Settings::done_at(&format!("{PATH}/{id}"), "rule-saved"))
}

/// `POST /settings/automation/{id}/activation`: on, or off with `active=no`.
pub(crate) async fn switch(
    settings: Settings,
    PathId(id): PathId,
    submitted: Submitted,
) -> Result<Response, PageError> {
    let active = Fields::read(submitted)?.get("active") != "no";
    if !settings.store.switch_automation_rule(id, active).await? {
        return Err(PageError::NotFound);
    }
    let notice = if active { "rule-on" } else { "rule-off" };
    Ok(Settings::done_at(&format!("{PATH}/{id}"), notice))
}

/// `POST /settings/automation/{id}/removal`.
pub(crate) async fn remove(settings: Settings, PathId(id): PathId) -> Result<Response, PageError> {
    if !settings.store.remove_automation_rule(id).await? {
        return Err(PageError::NotFound);
    }
    Ok(Redirect::to(&format!("{PATH}?notice=rule-removed")).into_response())
}
