//! What a person typed into a field, and how it becomes a value.

use fieldstone_model::{
    Field, FieldType, Object, Problem, RecordId, Value, query::Query, validate,
};
use fieldstone_store::{Store, StoreError};

use crate::{
    locale::Locale,
    request::{Pairs, Session},
    shown::Names,
};

/// The raw content of one field of a form, kept as it was when something is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    /// The text of the field; for a relation, the name that was written.
    pub(crate) text: String,
    /// The id that a relation's field carries beside its text.
    pub(crate) id: String,
    /// The options that are ticked.
    pub(crate) chosen: Vec<String>,
    /// Whether a relation came as an id alone, without a name beside it.
    pub(crate) by_id: bool,
}

impl Typed {
    /// What a form shows for a stored value.
    pub(crate) fn of_value(locale: &Locale, field: &Field, value: &Value, names: &Names) -> Self {
        let text = |text: String| Self {
            text,
            ..Self::default()
        };
        match value {
            Value::Null => Self::default(),
            Value::Int(number) => {
                text(locale.number_input(*number, field.kind.scale().unwrap_or(0)))
            }
            Value::DateTime(at) => text(locale.instant_input(*at)),
            Value::Time(time) => text(time.strftime("%H:%M").to_string()),
            Value::Id(id) => Self {
                text: names.get(id).cloned().unwrap_or_default(),
                id: id.to_string(),
                ..Self::default()
            },
            Value::Choices(chosen) => Self {
                chosen: chosen.clone(),
                ..Self::default()
            },
            Value::Bool(_) | Value::Text(_) | Value::Date(_) => text(value.to_plain(&field.kind)),
        }
    }

    /// What was sent for a field.
    pub(crate) fn of_pairs(field: &Field, pairs: &Pairs) -> Self {
        let name = field.name.as_ref();
        let first = pairs.get(name).unwrap_or_default();
        match &field.kind {
            FieldType::MultiChoice { .. } => Self {
                chosen: pairs
                    .all(name)
                    .flat_map(|options| options.split(';'))
                    .filter(|option| !option.is_empty())
                    .map(str::to_owned)
                    .collect(),
                ..Self::default()
            },
            kind if kind.is_relation() => {
                let text = pairs.get(&format!("{name}.text"));
                Self {
                    id: first.trim().to_owned(),
                    text: text.unwrap_or_default().trim().to_owned(),
                    by_id: text.is_none(),
                    ..Self::default()
                }
            }
            // Browsers send line ends as CR LF; stored texts have LF.
            FieldType::LongText { .. } => Self {
                text: first.replace("\r\n", "\n"),
                ..Self::default()
            },
            // An unticked box is not sent at all.
            FieldType::Boolean if field.required && first.is_empty() => Self {
                text: "false".to_owned(),
                ..Self::default()
            },
            _ => Self {
                text: first.to_owned(),
                ..Self::default()
            },
        }
    }

    /// The value meant, or what is wrong with it in the person's language.
    ///
    /// A relation given by name alone is looked up: that is how the form works without script.
    pub(crate) async fn read<S: Store>(
        &self,
        session: &Session<S>,
        field: &Field,
    ) -> Result<Result<Value, String>, StoreError> {
        let locale = &session.viewer.locale;
        let say = |problem: &Problem| locale.problem(problem);
        if field.kind.is_relation() {
            return self.read_relation(session, field).await;
        }
        let value = match &field.kind {
            FieldType::MultiChoice { .. } if self.chosen.is_empty() => Ok(Value::Null),
            FieldType::MultiChoice { options } => {
                let known =
                    |option: &String| options.iter().any(|known| known.value == option.as_str());
                let in_order = options.iter().filter(|option| {
                    self.chosen
                        .iter()
                        .any(|chosen| option.value == chosen.as_str())
                });
                if self.chosen.iter().all(known) {
                    Ok(Value::Choices(
                        in_order.map(|option| option.value.to_string()).collect(),
                    ))
                } else {
                    Err(Problem::UnknownChoice)
                }
            }
            FieldType::DateTime => locale.read_instant(&self.text).map_or_else(
                || Value::parse(field, &self.text),
                |at| Ok(Value::DateTime(at)),
            ),
            kind if kind.scale().is_some() => Value::parse(field, &locale.read_number(&self.text)),
            _ => Value::parse(field, &self.text),
        };
        Ok(value
            .and_then(|value| validate::check_value(field, &value).map(|()| value))
            .map_err(|problem| say(&problem)))
    }

    async fn read_relation<S: Store>(
        &self,
        session: &Session<S>,
        field: &Field,
    ) -> Result<Result<Value, String>, StoreError> {
        let locale = &session.viewer.locale;
        let id: Option<RecordId> = self.id.parse().ok();
        if let Some(id) = id {
            if !targets(session, field).any(|object| object.prefix_str() == id.prefix()) {
                return Ok(Err(locale.problem(&Problem::NotAReference)));
            }
            // Without script the text changes while the id beside it stays: the text is what the person sees.
            let unchanged = self.by_id
                || session
                    .store
                    .names(&[id])
                    .await?
                    .get(&id)
                    .is_some_and(|name| name.trim() == self.text);
            if unchanged {
                return Ok(Ok(Value::Id(id)));
            }
        }
        if self.text.is_empty() {
            return Ok(if self.id.is_empty() || id.is_some() {
                Ok(Value::Null)
            } else {
                Err(locale.problem(&Problem::NotAReference))
            });
        }
        let mut found = Vec::new();
        for object in targets(session, field) {
            let query = Query::new(object.name.clone())
                .filter(fieldstone_model::Filter::equal(
                    &object.name_field,
                    Value::Text(self.text.clone()),
                ))
                .limit(3);
            found.extend(
                session
                    .store
                    .list(&query)
                    .await?
                    .records
                    .into_iter()
                    .map(|record| record.id),
            );
        }
        Ok(match found.as_slice() {
            [only] => Ok(Value::Id(*only)),
            [] => Err(locale.t1("problem-no_match", "text", self.text.as_str())),
            several => Err(locale.t2(
                "problem-several_match",
                ("count", several.len()),
                ("text", self.text.as_str()),
            )),
        })
    }
}

/// Whether a relation is chosen from a select: its targets are settings, of which there are few.
pub(crate) fn is_select<S: Store>(session: &Session<S>, field: &Field) -> bool {
    matches!(field.kind, FieldType::Relation { .. })
        && targets(session, field)
            .all(|object| object.class == fieldstone_model::ObjectClass::Managed)
}

/// The objects that a relation may lead to.
pub(crate) fn targets<'a, S: Store>(
    session: &'a Session<S>,
    field: &'a Field,
) -> impl Iterator<Item = &'a Object> {
    let names: &[std::borrow::Cow<'static, str>] = match &field.kind {
        FieldType::Relation { to } => std::slice::from_ref(to),
        FieldType::AnyRelation { to } => to,
        _ => &[],
    };
    names
        .iter()
        .filter_map(|name| session.registry().object(name))
        .map(AsRef::as_ref)
}
