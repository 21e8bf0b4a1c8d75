//! What a rule says, and whether it can be said.

use fieldstone_model::{
    Field, FieldType, Object, RecordId, Registry, Value,
    query::{Environment, QueryError, parse_filter},
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Characters of what it tells people, and of a task's subject.
const TEXT_MAX: usize = 200;
/// Characters of a condition.
const FILTER_MAX: usize = 4000;

/// When a rule looks at a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starts {
    /// It was made.
    Created,
    /// It was changed.
    Changed,
    /// A day has come.
    Date,
}

impl Starts {
    pub(crate) const ALL: [Self; 3] = [Self::Created, Self::Changed, Self::Date];

    /// As the database and keys of texts spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Date => "date",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|starts| starts.name() == name)
    }
}

/// Somebody a rule speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Whom {
    /// Whoever the record belongs to.
    Owner,
    /// Somebody in particular.
    Person(RecordId),
}

/// A task that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewTask {
    pub(crate) subject: String,
    /// Days from the day on which it is made.
    pub(crate) days: i32,
    pub(crate) whom: Whom,
}

/// What is told in the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Telling {
    pub(crate) text: String,
    pub(crate) whom: Whom,
}

/// What is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Actions {
    /// Fields and their new values in plain form; `:today`, `:today+3`, `:now` and `:owner` stand for what they say.
    pub(crate) set: Vec<(String, String)>,
    pub(crate) task: Option<NewTask>,
    pub(crate) notify: Option<Telling>,
    pub(crate) webhook: Option<RecordId>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) object: String,
    pub(crate) starts: Starts,
    /// Fields of which one has to change; none for any.
    pub(crate) fields: Vec<String>,
    pub(crate) date_field: Option<String>,
    pub(crate) days: i32,
    pub(crate) filter: String,
    pub(crate) actions: Actions,
}

/// What is wrong with a rule: the form's field, and the key of a text or what a filter says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleProblem {
    pub(crate) field: String,
    pub(crate) key: &'static str,
    pub(crate) said: Option<String>,
}

impl Rule {
    /// Everything that is wrong with it, by the objects and fields there are.
    pub(crate) fn check(&self, registry: &Registry, me: RecordId, today: Date) -> Vec<RuleProblem> {
        let mut problems = Vec::new();
        let mut add = |field: &str, key: &'static str, said: Option<String>| {
            problems.push(RuleProblem {
                field: field.to_owned(),
                key,
                said,
            });
        };
        let Some(object) = registry.object(&self.object) else {
            add("object", "automation-object-problem", None);
            return problems;
        };
        if self.name.trim().is_empty() || self.name.chars().count() > 255 {
            add("name", "automation-name-problem", None);
        }
        if self.starts == Starts::Date {
            let is_day = |name: &str| object.field(name).is_some_and(is_day);
            if !self.date_field.as_deref().is_some_and(is_day) {
                add("date_field", "automation-date-problem", None);
            }
        }
        if !(-3650..=3650).contains(&self.days) {
            add("days", "automation-days-problem", None);
        }
        if let Some(problem) = self.check_filter(registry, object, me, today) {
            add(&problem.field, problem.key, problem.said);
        }
        for (at, (name, text)) in self.actions.set.iter().enumerate() {
            let place = format!("value-{at}");
            match object.field(name).filter(|field| field.is_writable()) {
                None => add(&place, "automation-set-problem", None),
                Some(field) if reading(field, text, me, today).is_none() => {
                    add(&place, "automation-value-problem", None);
                }
                Some(_) => {}
            }
        }
        if let Some(task) = &self.actions.task {
            if task.subject.trim().is_empty() || task.subject.chars().count() > TEXT_MAX {
                add("task_subject", "automation-text-problem", None);
            }
            if !(0..=3650).contains(&task.days) {
                add("task_days", "automation-days-problem", None);
            }
        }
        if let Some(telling) = &self.actions.notify
            && (telling.text.trim().is_empty() || telling.text.chars().count() > TEXT_MAX)
        {
            add("notify_text", "automation-text-problem", None);
        }
        if self.actions == Actions::default() {
            add("actions", "automation-nothing-problem", None);
        }
        problems
    }

    /// What is wrong with its condition.
    pub(crate) fn check_filter(
        &self,
        registry: &Registry,
        object: &Object,
        me: RecordId,
        today: Date,
    ) -> Option<RuleProblem> {
        let environment = Environment { me, today };
        let said = match parse_filter(registry, object, environment, &self.filter) {
            Err(error) => error.to_string(),
            Ok(_) if self.filter.chars().count() > FILTER_MAX => QueryError::TooLarge.to_string(),
            Ok(_) => return None,
        };
        Some(RuleProblem {
            field: "filter".to_owned(),
            key: "automation-filter-problem",
            said: Some(said),
        })
    }
}

/// Whether a field holds a day that a rule can wait for.
pub(crate) fn is_day(field: &Field) -> bool {
    matches!(field.kind, FieldType::Date | FieldType::DateTime) && field.is_filterable()
}

/// Fields of `object` that a rule can set.
pub(crate) fn settable(object: &Object) -> impl Iterator<Item = &Field> {
    object
        .writable_fields()
        .filter(|field| !matches!(field.kind, FieldType::LongText { .. }))
}

/// What a value's text means for a field, with today's and the owner's place kept; `None` when it means nothing.
pub(super) fn reading(field: &Field, text: &str, owner: RecordId, today: Date) -> Option<Value> {
    let text = text.trim();
    if text.is_empty() {
        return Some(Value::Null);
    }
    if text == ":owner" {
        return field.kind.is_relation().then_some(Value::Id(owner));
    }
    if let Some(rest) = text.strip_prefix(":today") {
        let days: i32 = if rest.is_empty() {
            0
        } else {
            rest.parse().ok()?
        };
        let day = today
            .checked_add(jiff::Span::new().try_days(days).ok()?)
            .ok()?;
        return matches!(field.kind, FieldType::Date).then_some(Value::Date(day));
    }
    let value = Value::parse(field, text).ok()?;
    let fits = match (&field.kind, &value) {
        (FieldType::Choice { .. }, Value::Text(chosen)) => field
            .kind
            .options()
            .iter()
            .any(|option| option.value == chosen.as_str()),
        _ => true,
    };
    fits.then_some(value)
}

#[cfg(test)]
mod tests {
    use fieldstone_model::Registry;

    use super::*;

    fn rule() -> Rule {
        Rule {
            name: "Late".into(),
            object: "task".into(),
            starts: Starts::Date,
            fields: Vec::new(),
            date_field: Some("due_date".into()),
            days: 1,
            filter: "status != \"done\"".into(),
            actions: Actions {
                set: vec![("priority".into(), "high".into())],
                ..Actions::default()
            },
        }
    }

    fn wrong(rule: &Rule) -> Vec<String> {
        let me = "005000000000001".parse().unwrap();
        let today = "2026-05-01".parse().unwrap();
        let problems = rule.check(&Registry::standard(), me, today);
        problems.into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn a_rule_is_checked_against_the_objects_there_are() {
        assert_eq!(wrong(&rule()), Vec::<String>::new());
        let broken = Rule {
            name: " ".into(),
            date_field: Some("subject".into()),
            days: 4000,
            filter: "nothing = 1".into(),
            actions: Actions {
                set: vec![
                    ("priority".into(), "mad".into()),
                    ("created_at".into(), ":today".into()),
                    ("due_date".into(), ":today+x".into()),
                ],
                task: Some(NewTask {
                    subject: String::new(),
                    days: -1,
                    whom: Whom::Owner,
                }),
                notify: Some(Telling {
                    text: "x".repeat(201),
                    whom: Whom::Owner,
                }),
                webhook: None,
            },
            ..rule()
        };
        assert_eq!(
            wrong(&broken),
            [
                "name",
                "date_field",
                "days",
                "filter",
                "value-0",
                "value-1",
                "value-2",
                "task_subject",
                "task_days",
                "notify_text"
            ]
        );
        let idle = Rule {
            actions: Actions::default(),
            ..rule()
        };
        assert_eq!(wrong(&idle), ["actions"]);
        let lost = Rule {
            object: "boat".into(),
            ..rule()
        };
        assert_eq!(wrong(&lost), ["object"]);
    }

    #[test]
    fn values_may_stand_for_the_day_and_the_owner() {
        let registry = Registry::standard();
        let task = registry.object("task").unwrap();
        let owner = "005000000000001".parse().unwrap();
        let today: Date = "2026-05-01".parse().unwrap();
        let read = |name: &str, text: &str| reading(task.field(name).unwrap(), text, owner, today);
        assert_eq!(
            read("due_date", ":today+3"),
            Some(Value::Date("2026-05-04".parse().unwrap()))
        );
        assert_eq!(
            read("due_date", ":today-1"),
            Some(Value::Date("2026-04-30".parse().unwrap()))
        );
        assert_eq!(read("owner_id", ":owner"), Some(Value::Id(owner)));
        assert_eq!(read("subject", ":owner"), None);
        assert_eq!(read("status", "done"), Some(Value::Text("done".into())));
        assert_eq!(read("status", "gone"), None);
        assert_eq!(read("description", ""), Some(Value::Null));
    }

    #[test]
    fn actions_are_kept_as_they_were_said() {
        let actions = Actions {
            set: vec![("status".into(), "open".into())],
            task: Some(NewTask {
                subject: "Call".into(),
                days: 2,
                whom: Whom::Person("005000000000001".parse().unwrap()),
            }),
            notify: None,
            webhook: Some("0WH000000000001".parse().unwrap()),
        };
        let json = serde_json::to_string(&actions).unwrap();
        assert_eq!(serde_json::from_str::<Actions>(&json).unwrap(), actions);
        assert_eq!(
            serde_json::from_str::<Actions>("{}").unwrap(),
            Actions::default()
        );
    }
}
