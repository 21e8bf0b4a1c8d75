//! The control of one field: what it looks like, for every type of field.

use askama::Template;
use fieldstone_model::{Field, FieldType, Object};
use fieldstone_store::{Store, StoreError};

use super::typed::{Typed, is_select, targets};
use crate::request::Session;

/// One field of a form: label, control, help, error.
#[derive(Debug, Template)]
#[template(path = "form/field.html")]
pub(crate) struct FormField {
    pub(crate) label: String,
    pub(crate) optional: Option<String>,
    pub(crate) help: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) wide: bool,
    /// The value when the form was made, in plain form, for the three-way merge.
    pub(crate) was: Option<String>,
    pub(crate) control: Control,
}

impl askama::filters::HtmlSafe for FormField {}

/// The element a person types into.
#[derive(Debug, Template)]
#[template(path = "form/control.html")]
pub(crate) struct Control {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) required: bool,
    pub(crate) described_by: Option<String>,
    pub(crate) invalid: bool,
    pub(crate) autofocus: bool,
    pub(crate) typed: Typed,
    pub(crate) kind: Kind,
}

impl askama::filters::HtmlSafe for Control {}

/// The sort of element.
#[derive(Debug)]
pub(crate) enum Kind {
    /// One line; type, keyboard, what browsers may fill in, text after it.
    ///
    /// No greatest length: a browser would cut what is pasted, silently. The server says what is too long.
    Line {
        input: &'static str,
        mode: Option<&'static str>,
        autocomplete: &'static str,
        suffix: Option<String>,
    },
    /// Several lines; where people can be named in them, what finds people.
    Lines { people: Option<&'static str> },
    /// A box to tick.
    Tick { label: String },
    /// One of several.
    Select { groups: Vec<Group>, blank: bool },
    /// Any of several.
    Ticks { options: Vec<Choosable> },
    /// Another record, found by typing.
    Combobox { options: String },
}

/// Options under one heading; the heading is empty when there is only one group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) label: String,
    pub(crate) options: Vec<Choosable>,
}

/// Something to choose.
#[derive(Debug)]
pub(crate) struct Choosable {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) chosen: bool,
}

impl Control {
    /// The control for `field`, called `name`, holding `typed`.
    pub(crate) async fn of<S: Store>(
        session: &Session<S>,
        object: &Object,
        field: &Field,
        name: &str,
        typed: Typed,
    ) -> Result<Self, StoreError> {
        let locale = &session.viewer.locale;
        let line = |input, mode, suffix| Kind::Line {
            input,
            mode,
            autocomplete: "off",
            suffix,
        };
        let kind = match &field.kind {
            FieldType::Text { .. } => line("text", None, None),
            FieldType::LongText { .. } => Kind::Lines {
                people: (object.name == "note" && field.name == "body")
                    .then_some("/notes/options/owner_id"),
            },
            FieldType::Email => line("email", None, None),
            FieldType::Phone => line("tel", None, None),
            FieldType::Url => line("url", None, None),
            FieldType::Integer => line("text", Some("numeric"), None),
            FieldType::Money => line("text", Some("decimal"), Some(locale.currency().to_owned())),
            FieldType::Percent => line("text", Some("decimal"), Some("%".to_owned())),
            FieldType::Date => line("date", None, None),
            FieldType::Time => line("time", None, None),
            FieldType::DateTime => line("datetime-local", None, None),
            FieldType::Boolean if field.required => Kind::Tick {
                label: locale.t("yes").into_owned(),
            },
            FieldType::Boolean => {
                let option = |value: &str, key: &str| Choosable {
                    value: value.to_owned(),
                    label: locale.t(key).into_owned(),
                    chosen: typed.text == value,
                };
                Kind::Select {
                    groups: one_group(vec![option("true", "yes"), option("false", "no")]),
                    blank: true,
                }
            }
            FieldType::Choice { options } => {
                let options: Vec<_> = options
                    .iter()
                    .map(|choice| Choosable {
                        value: choice.value.to_string(),
                        label: locale.choice(object, field, choice),
                        chosen: choice.value == typed.text.as_str(),
                    })
                    .collect();
                let none_chosen = options.iter().all(|option| !option.chosen);
                Kind::Select {
                    groups: one_group(options),
                    blank: !field.required || none_chosen,
                }
            }
            FieldType::MultiChoice { options } => Kind::Ticks {
                options: options
                    .iter()
                    .map(|choice| Choosable {
                        value: choice.value.to_string(),
                        label: locale.choice(object, field, choice),
                        chosen: typed
                            .chosen
                            .iter()
                            .any(|chosen| choice.value == chosen.as_str()),
                    })
                    .collect(),
            },
            FieldType::Relation { .. } if is_select(session, field) => {
                let groups = settings(session, field, &typed.id).await?;
                let none_chosen = groups
                    .iter()
                    .flat_map(|group| &group.options)
                    .all(|option| !option.chosen);
                Kind::Select {
                    groups,
                    blank: !field.required || none_chosen,
                }
            }
            FieldType::Relation { .. } | FieldType::AnyRelation { .. } => Kind::Combobox {
                options: format!("/{}/options/{}", object.plural, field.name),
            },
            // Decimals, ids, and types that a newer version knows.
            _ => line("text", field.kind.scale().map(|_| "decimal"), None),
        };
        Ok(Self {
            id: format!("field-{}", name.replace('.', "-")),
            name: name.to_owned(),
            label: locale.field(object, field),
            required: field.required,
            described_by: None,
            invalid: false,
            autofocus: false,
            typed,
            kind,
        })
    }
}

fn one_group(options: Vec<Choosable>) -> Vec<Group> {
    vec![Group {
        label: String::new(),
        options,
    }]
}

/// The records that a relation to settings can lead to, in their order.
async fn settings<S: Store>(
    session: &Session<S>,
    field: &Field,
    chosen: &str,
) -> Result<Vec<Group>, StoreError> {
    let registry = session.registry();
    if field.target() == Some("stage") {
        let mut pipelines: Vec<_> = registry
            .stages()
            .iter()
            .map(|stage| stage.pipeline_id)
            .collect();
        pipelines.dedup();
        let names = if pipelines.len() > 1 {
            session.store.names(&pipelines).await?
        } else {
            crate::shown::Names::new()
        };
        let group = |pipeline| Group {
            label: names.get(pipeline).cloned().unwrap_or_default(),
            options: registry
                .stages()
                .iter()
                .filter(|stage| stage.pipeline_id == *pipeline)
                .map(|stage| Choosable {
                    value: stage.id.to_string(),
                    label: stage.name.clone(),
                    chosen: stage.id.as_str() == chosen,
                })
                .collect(),
        };
        return Ok(pipelines.iter().map(group).collect());
    }
    let mut options = Vec::new();
    for object in targets(session, field) {
        let mut query = fieldstone_model::Query::new(object.name.clone())
            .column(&object.name_field)
            .limit(fieldstone_model::query::LIMIT_MAX);
        query.order =
            fieldstone_model::query::parse_order(&crate::layout::of(object, registry).order);
        let records = session.store.list(&query).await?.records;
        options.extend(records.iter().map(|record| Choosable {
            value: record.id.to_string(),
            label: crate::list::table::name_of(session, object, record),
            chosen: record.id.as_str() == chosen,
        }));
    }
    Ok(one_group(options))
}

impl FormField {
    /// The control with label and help around it.
    pub(crate) async fn of<S: Store>(
        session: &Session<S>,
        object: &Object,
        field: &Field,
        typed: Typed,
        error: Option<String>,
    ) -> Result<Self, StoreError> {
        let locale = &session.viewer.locale;
        let mut control = Control::of(session, object, field, &field.name, typed).await?;
        let help = locale.field_help(object, field);
        let described_by: Vec<String> = [
            help.is_some().then(|| format!("{}-help", control.id)),
            error.is_some().then(|| format!("{}-error", control.id)),
        ]
        .into_iter()
        .flatten()
        .collect();
        control.described_by = (!described_by.is_empty()).then(|| described_by.join(" "));
        control.invalid = error.is_some();
        Ok(Self {
            label: control.label.clone(),
            optional: (!field.required).then(|| locale.t("form-optional").into_owned()),
            help,
            error,
            wide: matches!(field.kind, FieldType::LongText { .. })
                || field.name == object.name_field,
            was: None,
            control,
        })
    }
}
