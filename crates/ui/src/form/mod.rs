//! Forms: making and changing records, with errors beside the fields and nothing overwritten unseen.

pub(crate) mod collision;
pub(crate) mod control;
mod options;
mod quick;
mod related;
pub(crate) mod typed;

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Redirect},
};
use fieldstone_model::{
    Change, Field, FieldError, FieldType, Object, Problem, RecordId, Value, Values, objects,
    query::Path,
};
use fieldstone_store::{ChangeError, Store, StoreError};

pub(crate) use options::{alike, suggest};
pub(crate) use quick::show as quick;
pub use related::{related_control, related_typed};

use crate::{
    error::PageError,
    form::{control::FormField, typed::Typed},
    notice,
    request::{AtObject, AtRecord, PageResult, Pairs, Submitted},
    shown::{Names, names_in},
};

#[derive(Template)]
#[template(path = "form/form.html")]
struct Form<'a, S: Store> {
    at: &'a AtObject<S>,
    title: String,
    trail: Vec<(String, String)>,
    action: String,
    cancel: String,
    back: Option<String>,
    version: Option<i64>,
    banner: Option<String>,
    /// Errors in form order: field id, label, text; an empty id for what belongs to no field of the form.
    errors: Vec<(String, String, String)>,
    sections: Vec<(String, Vec<FormField>)>,
}

/// What was read from a form.
struct Reading {
    typed: BTreeMap<String, Typed>,
    values: Values,
    problems: BTreeMap<String, String>,
}

/// `GET /{objects}/new`: an empty form, prefilled with defaults and what the address says (`?account_id=…`).
pub(crate) async fn new<S: Store + Clone + 'static>(at: AtObject<S>) -> PageResult {
    if !at.may_write(&at.object) {
        return Err(PageError::Forbidden);
    }
    let (typed, _) = prefilled(&at).await?;
    let reading = Reading {
        typed,
        values: Values::new(),
        problems: BTreeMap::new(),
    };
    let back = at.parameters.get("back").and_then(local_path);
    respond_new(&at, StatusCode::OK, reading, Vec::new(), back).await
}

/// What an empty form shows: defaults, and what the address says; and the latter alone.
async fn prefilled<S: Store + Clone + 'static>(
    at: &AtObject<S>,
) -> Result<(BTreeMap<String, Typed>, Values), PageError> {
    let given: Values = fields(at)
        .filter_map(|field| {
            Some((
                field.name.to_string(),
                Value::parse(field, at.parameters.get(&field.name)?).ok()?,
            ))
        })
        .collect();
    let mut values = objects::defaults(
        &at.object.name,
        &given,
        at.registry(),
        at.viewer.now,
        at.viewer.user_id,
    );
    if at.object.field("owner_id").is_some() {
        values.set("owner_id", Value::Id(at.viewer.user_id));
    }
    given
        .iter()
        .for_each(|(name, value)| values.set(name, value.clone()));
    let ids: Vec<RecordId> = values
        .iter()
        .filter_map(|(_, value)| value.as_id())
        .collect();
    let names = if ids.is_empty() {
        Names::new()
    } else {
        at.store.names(&ids).await?
    };
    let typed = fields(at)
        .map(|field| {
            let value = values.get(&field.name).unwrap_or(&Value::Null);
            // A default that leads to nothing in sight is none.
            let is_gone = value.as_id().is_some_and(|id| !names.contains_key(&id))
                && field.default.is_some()
                && given.get(&field.name).is_none();
            let value = if is_gone { &Value::Null } else { value };
            let typed = Typed::of_value(&at.viewer.locale, field, value, &names);
            (field.name.to_string(), typed)
        })
        .collect();
    Ok((typed, given))
}

/// `POST /{objects}`: makes a record.
pub(crate) async fn create<S: Store + Clone + 'static>(
    at: AtObject<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    if !at.may_write(&at.object) {
        return Err(PageError::Forbidden);
    }
    let mut reading = read(&at, &pairs, |_| true).await?;
    let mut defaults = objects::defaults(
        &at.object.name,
        &Values::new(),
        at.registry(),
        at.viewer.now,
        at.viewer.user_id,
    );
    if at.object.field("owner_id").is_some() {
        defaults.set("owner_id", Value::Id(at.viewer.user_id));
    }
    require(&at, &mut reading, |name| defaults.get(name).is_some());
    let back = pairs.get("back").and_then(local_path);
    if !reading.problems.is_empty() {
        return respond_new(
            &at,
            StatusCode::UNPROCESSABLE_ENTITY,
            reading,
            Vec::new(),
            back,
        )
        .await;
    }
    // A blank entry means "as usual" unless it clears a default that the form showed.
    let values: Values = reading
        .values
        .iter()
        .filter(|(name, value)| !value.is_null() || defaults.get(name).is_some())
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect();
    let id = at
        .store
        .new_id(&at.object.name)
        .ok_or(PageError::NotFound)?;
    let change = Change::Create {
        object: at.object.name.to_string(),
        id,
        values,
    };
    match at.store.apply(&[change]).await {
        Ok(_) => {
            let list = format!("/{}", at.object.plural);
            let target = match (back, pairs.get("then")) {
                (_, Some("another")) => format!("{list}/new"),
                (Some(back), _) => back,
                (None, _) => format!("{list}/{id}"),
            };
            Ok(Redirect::to(&notice::address(&target, "created", id)).into_response())
        }
        Err(StoreError::Change(_, ChangeError::Invalid(errors))) => {
            let (reading, others) = with_errors(&at, reading, errors);
            respond_new(&at, StatusCode::UNPROCESSABLE_ENTITY, reading, others, back).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `GET /{objects}/{id}/edit`: the form with the record's values.
pub(crate) async fn edit<S: Store + Clone + 'static>(at: AtRecord<S>) -> PageResult {
    if !at.may_write(&at.object) {
        return Err(PageError::Forbidden);
    }
    let record = at.store.get(&at.object.name, at.id, &[]).await?;
    if record.deleted {
        return Ok(Redirect::to(&format!("/{}/{}", at.object.plural, at.id)).into_response());
    }
    let names = names_in(&at.store, &[&record]).await?;
    let typed = fields(&at)
        .map(|field| {
            (
                field.name.to_string(),
                Typed::of_value(&at.viewer.locale, field, record.get(&field.name), &names),
            )
        })
        .collect();
    let seen = fields(&at)
        .map(|field| (field.name.to_string(), record.get(&field.name).clone()))
        .collect();
    let reading = Reading {
        typed,
        values: Values::new(),
        problems: BTreeMap::new(),
    };
    respond_edit(
        &at,
        StatusCode::OK,
        reading,
        record.version,
        &seen,
        Vec::new(),
    )
    .await
}

/// `POST /{objects}/{id}`: saves what the form changed, merged with what others changed since it was opened.
pub(crate) async fn update<S: Store + Clone + 'static>(
    at: AtRecord<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    if !at.may_write(&at.object) {
        return Err(PageError::Forbidden);
    }
    let version: i64 = pairs
        .get("version")
        .and_then(|version| version.parse().ok())
        .ok_or(PageError::Invalid)?;
    let seen: Values = fields(&at)
        .filter_map(|field| {
            Some((
                field.name.to_string(),
                seen_value(field, pairs.get(&format!("was:{}", field.name))?)?,
            ))
        })
        .collect();
    let sent = |field: &Field| {
        // An unticked box is not sent; where one of two values is chosen, nothing sent means nothing chosen.
        let silent = matches!(
            field.kind,
            FieldType::Boolean | FieldType::MultiChoice { .. }
        ) && pairs.get("choose").is_none();
        silent || pairs.get(&field.name).is_some()
    };
    let mut reading = read(&at, &pairs, |field| {
        seen.get(&field.name).is_some() && sent(field)
    })
    .await?;
    require(&at, &mut reading, |_| false);
    if !reading.problems.is_empty() {
        return respond_edit(
            &at,
            StatusCode::UNPROCESSABLE_ENTITY,
            reading,
            version,
            &seen,
            Vec::new(),
        )
        .await;
    }
    let wanted = changed(&at, &reading, &seen, &pairs);
    let page = pairs
        .get("back")
        .and_then(local_path)
        .unwrap_or_else(|| format!("/{}/{}", at.object.plural, at.id));
    if wanted.is_empty() {
        return Ok(Redirect::to(&notice::address(&page, "unchanged", at.id)).into_response());
    }
    match collision::save(&at, version, &seen, &wanted).await {
        Ok(collision::Saved::Plainly) => {
            Ok(Redirect::to(&notice::address(&page, "saved", at.id)).into_response())
        }
        Ok(collision::Saved::Merged) => {
            Ok(Redirect::to(&notice::address(&page, "merged", at.id)).into_response())
        }
        Ok(collision::Saved::Not(collided)) => collision::respond(&at, &collided, version).await,
        Err(StoreError::Change(_, ChangeError::Invalid(errors))) => {
            let (reading, others) = with_errors(&at, reading, errors);
            respond_edit(
                &at,
                StatusCode::UNPROCESSABLE_ENTITY,
                reading,
                version,
                &seen,
                others,
            )
            .await
        }
        Err(error) => Err(error.into()),
    }
}

/// The fields of the form: what the layout places and people may set.
fn fields<S>(at: &AtObject<S>) -> impl Iterator<Item = &Field> {
    at.layout
        .sections
        .iter()
        .flat_map(|section| &section.fields)
        .filter_map(|name| at.object.field(name))
        .filter(|field| field.is_writable())
}

async fn read<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    pairs: &Pairs,
    includes: impl Fn(&Field) -> bool,
) -> Result<Reading, StoreError> {
    let mut reading = Reading {
        typed: BTreeMap::new(),
        values: Values::new(),
        problems: BTreeMap::new(),
    };
    for field in fields(at).filter(|field| includes(field)) {
        let typed = Typed::of_pairs(field, pairs);
        match typed.read(at, field).await? {
            Ok(value) => reading.values.set(field.name.as_ref(), value),
            Err(problem) => drop(reading.problems.insert(field.name.to_string(), problem)),
        }
        reading.typed.insert(field.name.to_string(), typed);
    }
    Ok(reading)
}

/// Notes what is required and blank, so that all errors of a form are shown at once; `has_default` fields fill themselves.
fn require<S: Store>(at: &AtObject<S>, reading: &mut Reading, has_default: impl Fn(&str) -> bool) {
    for field in at
        .object
        .writable_fields()
        .filter(|field| field.required && !has_default(&field.name))
    {
        if reading.values.get(&field.name).is_some_and(Value::is_null) {
            reading.problems.insert(
                field.name.to_string(),
                at.viewer.locale.problem(&Problem::Required),
            );
        }
    }
}

/// The value that a form was made with, from its plain form.
fn seen_value(field: &Field, plain: &str) -> Option<Value> {
    let plain = if matches!(field.kind, FieldType::LongText { .. }) {
        plain.replace("\r\n", "\n")
    } else {
        plain.to_owned()
    };
    Value::parse(field, &plain).ok()
}

/// What the person changed. A control that shows less than the value holds (seconds of an instant) changes nothing by being sent back.
fn changed<S: Store>(at: &AtObject<S>, reading: &Reading, seen: &Values, pairs: &Pairs) -> Values {
    let locale = &at.viewer.locale;
    let same = |name: &str, value: &Value| {
        let before = seen.get(name).unwrap_or(&Value::Null);
        let untouched = || {
            let field = at.object.field(name)?;
            let (shown, sent) = (
                Typed::of_value(locale, field, before, &Names::new()),
                pairs.get(name)?,
            );
            Some(matches!(before, Value::DateTime(_) | Value::Time(_)) && shown.text == sent)
        };
        before == value || untouched().unwrap_or(false)
    };
    reading
        .values
        .iter()
        .filter(|(name, value)| !same(name, value))
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
}

/// Puts the store's field errors where they belong; what isn't on the form comes back as label and text.
fn with_errors<S: Store>(
    at: &AtObject<S>,
    mut reading: Reading,
    errors: Vec<FieldError>,
) -> (Reading, Vec<(String, String)>) {
    let locale = &at.viewer.locale;
    let mut others = Vec::new();
    for error in errors {
        let text = locale.problem(&error.problem);
        if fields(at).any(|field| field.name == error.field) {
            reading.problems.entry(error.field).or_insert(text);
        } else {
            let label = at.object.field(&error.field).map_or_else(
                || error.field.clone(),
                |field| locale.field(&at.object, field),
            );
            others.push((label, text));
        }
    }
    (reading, others)
}

async fn respond_new<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    status: StatusCode,
    reading: Reading,
    others: Vec<(String, String)>,
    back: Option<String>,
) -> PageResult {
    let locale = &at.viewer.locale;
    let list = format!("/{}", at.object.plural);
    let title = locale.t1(
        "form-new-title",
        "object",
        locale.object_in_text(&at.object),
    );
    let form = Form {
        title: title.clone(),
        trail: vec![(list.clone(), locale.objects(&at.object))],
        action: list.clone(),
        cancel: back.clone().unwrap_or(list),
        back,
        version: None,
        banner: None,
        errors: errors_of(at, &reading, others),
        sections: sections(at, reading, None).await?,
        at,
    };
    Ok(at.page_with(status, title, &form))
}

async fn respond_edit<S: Store + Clone + 'static>(
    at: &AtRecord<S>,
    status: StatusCode,
    reading: Reading,
    version: i64,
    seen: &Values,
    others: Vec<(String, String)>,
) -> PageResult {
    let locale = &at.viewer.locale;
    let list = format!("/{}", at.object.plural);
    let page = format!("{list}/{}", at.id);
    let record = at
        .store
        .get(
            &at.object.name,
            at.id,
            &[Path::from_text(&at.object.name_field)],
        )
        .await?;
    let name = crate::list::table::name_of(at, &at.object, &record);
    let title = locale.t1("form-edit-title", "name", name.as_str());
    let form = Form {
        title: title.clone(),
        trail: vec![(list, locale.objects(&at.object)), (page.clone(), name)],
        action: page.clone(),
        cancel: page,
        back: None,
        version: Some(version),
        banner: None,
        errors: errors_of(at, &reading, others),
        sections: sections(at, reading, Some(seen)).await?,
        at,
    };
    Ok(at.page_with(status, title, &form))
}

fn errors_of<S: Store>(
    at: &AtObject<S>,
    reading: &Reading,
    others: Vec<(String, String)>,
) -> Vec<(String, String, String)> {
    let of_field = |field: &Field| {
        let problem = reading.problems.get(field.name.as_ref())?;
        Some((
            format!("field-{}", field.name),
            at.viewer.locale.field(&at.object, field),
            problem.clone(),
        ))
    };
    let others = others
        .into_iter()
        .map(|(label, text)| (String::new(), label, text));
    fields(at).filter_map(of_field).chain(others).collect()
}

async fn sections<S: Store + Clone + 'static>(
    at: &AtObject<S>,
    mut reading: Reading,
    seen: Option<&Values>,
) -> Result<Vec<(String, Vec<FormField>)>, StoreError> {
    let mut sections = Vec::new();
    let mut first = true;
    let erroneous = !reading.problems.is_empty();
    for section in &at.layout.sections {
        let mut made = Vec::new();
        for field in section
            .fields
            .iter()
            .filter_map(|name| at.object.field(name))
            .filter(|field| field.is_writable())
        {
            let typed = reading
                .typed
                .remove(field.name.as_ref())
                .unwrap_or_default();
            let problem = reading.problems.remove(field.name.as_ref());
            let mut form_field = FormField::of(at, &at.object, field, typed, problem).await?;
            form_field.was = seen
                .and_then(|seen| seen.get(&field.name))
                .map(|value| value.to_plain(&field.kind));
            form_field.control.autofocus = if erroneous {
                first && form_field.error.is_some()
            } else {
                first
            };
            first = first && !form_field.control.autofocus;
            made.push(form_field);
        }
        if !made.is_empty() {
            sections.push((section.heading(&at.viewer.locale), made));
        }
    }
    Ok(sections)
}

/// A path of this site, to send a browser to; `None` for anything that could lead elsewhere.
pub fn local_path(path: &str) -> Option<String> {
    let local = path.starts_with('/')
        && !path.starts_with("//")
        // Browsers leave tabs and line ends out of an address, so that `/<tab>/` would lead elsewhere; no header takes the others.
        && !path.contains(|c: char| c == '\\' || c.is_control())
        && path.len() < 2000;
    local.then(|| path.to_owned())
}

/// The record's values of all fields that people set, with the line ends that forms use.
fn stored(object: &Object, record: &fieldstone_model::Record) -> Values {
    let unix = |value: &Value| match value {
        Value::Text(text) => Value::Text(text.replace("\r\n", "\n")),
        other => other.clone(),
    };
    object
        .writable_fields()
        .map(|field| (field.name.to_string(), unix(record.get(&field.name))))
        .collect()
}

impl<S: Store> Form<'_, S> {
    /// What an open page of a record hears of.
    fn live(&self) -> Option<String> {
        let version = self.version?;
        let id = self.action.rsplit('/').next()?;
        Some(format!("record={id}&version={version}&editing=1"))
    }

    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.at.viewer.locale.t(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_stays_on_this_site() {
        assert_eq!(
            local_path("/accounts/001").as_deref(),
            Some("/accounts/001")
        );
        for elsewhere in [
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "evil",
            "/a\r\nSet-Cookie: b",
            "/\t/evil.example",
            "/\0",
            "/\u{7f}",
        ] {
            assert_eq!(local_path(elsewhere), None, "{elsewhere}");
        }
    }
}
