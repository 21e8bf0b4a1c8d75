//! `/settings/objects`: the workspace's own objects, and the fields of all of them: what they hold, what they are called, who reads and sets them.
//!
//! What is removed leaves everybody's sight; its data stays for 30 days, and so long it can be brought back.

mod new_field;
mod order;
mod relation_default;

use askama::Template;
use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{StatusCode, request::Parts},
};
use fieldstone_model::{Field, FieldError, FieldType, Object, ObjectClass, Role, field::Origin};
use fieldstone_ui::{PageError, PageResult, locale::Locale};

pub(crate) use order::{arrange, show as show_order};

use relation_default::{Related, default_record, related};

use super::{
    Settings,
    programs::{Fields, Submitted},
};
use crate::{
    import::object_name,
    schema::{self, NewObject, RemovedField, SchemaError, Wording},
};

pub(crate) const PATH: &str = "/settings/objects";
/// The names in an address.
pub(crate) struct Names {
    object: String,
    field: String,
}

impl<T: Send + Sync> FromRequestParts<T> for Names {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &T) -> Result<Self, PageError> {
        let parameters = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| PageError::NotFound)?;
        let get = |name: &str| {
            parameters
                .iter()
                .find(|(known, _)| *known == name)
                .map_or_else(String::new, |(_, value)| value.to_owned())
        };
        Ok(Self {
            object: get("object"),
            field: get("field"),
        })
    }
}

/// What was typed, and what is wrong with it.
#[derive(Default)]
struct Typed {
    values: Vec<(String, String)>,
    errors: Vec<(String, String)>,
}

impl Typed {
    fn get(&self, name: &str) -> &str {
        self.values
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }

    fn error(&self, name: &str) -> Option<&str> {
        self.errors
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, text)| text.as_str())
    }

    /// What is wrong with what stands in no field of the form.
    fn others<'a>(&'a self, known: &'a [&str]) -> impl Iterator<Item = &'a str> {
        self.errors
            .iter()
            .filter(|(name, _)| !known.contains(&name.as_str()))
            .map(|(_, text)| text.as_str())
    }
}

#[derive(Template)]
#[template(path = "settings/objects.html")]
struct List<'a> {
    locale: &'a Locale,
    /// Name, label, number of fields of its own, whether it is the workspace's own.
    objects: Vec<(String, String, usize, bool)>,
    typed: &'a Typed,
}

struct Row {
    name: String,
    label: String,
    kind: String,
    facts: String,
    custom: bool,
}

#[derive(Template)]
#[template(path = "settings/object.html")]
struct One<'a> {
    locale: &'a Locale,
    object: &'a Object,
    label: String,
    rows: Vec<Row>,
    removed: Vec<RemovedField>,
    kinds: Vec<(&'static str, String)>,
    targets: Vec<(String, String)>,
    /// What can be counted: object and relation, label.
    sources: Vec<(String, String)>,
    /// What can be summed up: object and field, label.
    sums: Vec<(String, String)>,
    typed: &'a Typed,
}

#[derive(Template)]
#[template(path = "settings/field.html")]
struct FieldPage<'a> {
    locale: &'a Locale,
    object: &'a Object,
    object_label: String,
    field: &'a Field,
    label: String,
    kind: String,
    help: String,
    /// What new records get, unless the field can have none.
    default: Option<String>,
    /// The same for a relation.
    related: Option<Related>,
    /// What it counts or sums up, in words.
    roll_up: Option<String>,
    readers: Vec<(&'static str, String, bool)>,
    writers: Vec<(&'static str, String, bool)>,
    may_restrict: bool,
    typed: &'a Typed,
}

fn shown(settings: &Settings) -> impl Iterator<Item = &Object> {
    settings
        .registry()
        .objects()
        .map(AsRef::as_ref)
        .filter(|object| object.class == ObjectClass::Record)
}

fn find<'a>(settings: &'a Settings, name: &str) -> Result<&'a Object, PageError> {
    shown(settings)
        .find(|object| object.name == name)
        .ok_or(PageError::NotFound)
}

/// `GET /settings/objects`.
pub(crate) async fn list(settings: Settings) -> PageResult {
    list_page(&settings, StatusCode::OK, &Typed::default())
}

fn list_page(settings: &Settings, status: StatusCode, typed: &Typed) -> PageResult {
    let locale = settings.locale();
    let objects = shown(settings).map(|object| {
        let own = object.fields.iter().filter(|field| field.custom).count();
        (
            object.name.to_string(),
            locale.objects(object),
            own,
            object.custom,
        )
    });
    settings.page_with(
        status,
        &List {
            locale,
            objects: objects.collect(),
            typed,
        },
    )
}

/// `POST /settings/objects`: makes an object.
pub(crate) async fn create(settings: Settings, submitted: Submitted) -> PageResult {
    let fields = Fields::read(submitted)?;
    let (label, plural_label) = (
        fields.get("label").to_owned(),
        fields.get("plural_label").to_owned(),
    );
    let name = object_name(&label);
    let mut plural = object_name(&plural_label);
    if plural == name {
        plural.push('s');
    }
    let new = NewObject {
        name,
        plural,
        label: label.clone(),
        plural_label: plural_label.clone(),
    };
    match schema::create_object(&settings.store, &new).await {
        Ok(object) => Ok(Settings::done_at(
            &format!("{PATH}/{}", object.name),
            "object",
        )),
        Err(error) => {
            let values = vec![
                ("label".to_owned(), label),
                ("plural_label".to_owned(), plural_label),
            ];
            let errors = problems(settings.locale(), error)?;
            list_page(
                &settings,
                StatusCode::UNPROCESSABLE_ENTITY,
                &Typed { values, errors },
            )
        }
    }
}

/// Says what is wrong beside the fields: the API name is made of the label, so what is wrong with it is said there.
fn problems(locale: &Locale, error: SchemaError) -> Result<Vec<(String, String)>, PageError> {
    let said = |error: &FieldError| {
        let field = match error.field.as_str() {
            "name" => "label",
            "plural" => "plural_label",
            "roll_up.object" => "source",
            "roll_up.sum" => "sum",
            "roll_up.filter" => "filter",
            other => other,
        };
        (field.to_owned(), locale.problem(&error.problem))
    };
    match error {
        SchemaError::Invalid(errors) => Ok(errors.iter().map(said).collect()),
        SchemaError::Full => Ok(vec![(
            "label".to_owned(),
            locale.t("objects-full").into_owned(),
        )]),
        SchemaError::Missing => Err(PageError::NotFound),
        SchemaError::Store(error) => Err(error.into()),
    }
}

/// `GET /settings/objects/{object}`.
pub(crate) async fn show(settings: Settings, names: Names) -> PageResult {
    let object = find(&settings, &names.object)?;
    object_page(&settings, object, StatusCode::OK, &Typed::default()).await
}

async fn object_page(
    settings: &Settings,
    object: &Object,
    status: StatusCode,
    typed: &Typed,
) -> PageResult {
    let locale = settings.locale();
    let listed = object
        .fields
        .iter()
        .filter(|field| field.origin != Origin::System);
    let rows = listed.map(|field| Row {
        name: field.name.to_string(),
        label: locale.field(object, field),
        kind: kind_name(locale, field),
        facts: facts(locale, field),
        custom: field.custom,
    });
    settings.page_with(
        status,
        &One {
            locale,
            object,
            label: locale.objects(object),
            rows: rows.collect(),
            removed: schema::removed_fields(&settings.store, &object.name)
                .await
                .map_err(failed)?,
            kinds: new_field::kinds()
                .map(|kind| (kind, locale.t(&format!("type-{kind}")).into_owned()))
                .collect(),
            sources: new_field::sources(settings, object),
            sums: new_field::sums(settings, object),
            targets: shown(settings)
                .map(|object| (object.name.to_string(), locale.object(object)))
                .collect(),
            typed,
        },
    )
}

fn failed(error: SchemaError) -> PageError {
    match error {
        SchemaError::Store(error) => error.into(),
        SchemaError::Missing => PageError::NotFound,
        SchemaError::Full | SchemaError::Invalid(_) => PageError::Invalid,
    }
}

fn kind_name(locale: &Locale, field: &Field) -> String {
    let key = match &field.kind {
        FieldType::AnyRelation { .. } => "type-relation".to_owned(),
        kind => format!("type-{}", kind.name()),
    };
    locale.find(&key).map_or_else(
        || field.kind.name().to_owned(),
        std::borrow::Cow::into_owned,
    )
}

fn facts(locale: &Locale, field: &Field) -> String {
    let facts = [
        (field.required, "field-required"),
        (field.unique, "field-unique"),
        (field.indexed && !field.unique, "field-indexed"),
        (field.default.is_some(), "roll-up-defaulted"),
        (field.roll_up.is_some(), "roll-up-rolled-up"),
        (
            field.read_role > Role::Viewer || field.write_role > Role::Member,
            "field-restricted",
        ),
    ];
    facts
        .iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, key)| locale.t(key).into_owned())
        .collect::<Vec<_>>()
        .join(" · ")
}

/// `POST /settings/objects/{object}/fields`: makes a field.
pub(crate) async fn add(settings: Settings, names: Names, submitted: Submitted) -> PageResult {
    let object = find(&settings, &names.object)?;
    let fields = Fields::read(submitted)?;
    let typed = new_field::TYPED
        .map(|name| (name.to_owned(), fields.get(name).to_owned()))
        .to_vec();
    let new = new_field::read(settings.locale(), &fields).ok_or(PageError::Invalid)?;
    match schema::create_field(&settings.store, &object.name, &new).await {
        Ok(_) => Ok(Settings::done_at(
            &format!("{PATH}/{}", object.name),
            "field",
        )),
        Err(error) => {
            let errors = problems(settings.locale(), error)?;
            object_page(
                &settings,
                object,
                StatusCode::UNPROCESSABLE_ENTITY,
                &Typed {
                    values: typed,
                    errors,
                },
            )
            .await
        }
    }
}

/// `GET /settings/objects/{object}/fields/{field}`.
pub(crate) async fn field(settings: Settings, names: Names) -> PageResult {
    let object = find(&settings, &names.object)?;
    let field = object.field(&names.field).ok_or(PageError::NotFound)?;
    let page = (StatusCode::OK, None);
    field_page(&settings, object, field, page, &Typed::default()).await
}

/// The page of a field; with a form that was sent and is refused, as it was typed.
async fn field_page(
    settings: &Settings,
    object: &Object,
    field: &Field,
    (status, sent): (StatusCode, Option<&Fields>),
    typed: &Typed,
) -> PageResult {
    let locale = settings.locale();
    let may_default = new_field::may_have_default(field);
    let related = if may_default && field.kind.is_relation() {
        Some(related(settings, object, field, sent, typed).await?)
    } else {
        None
    };
    let roles = |chosen: Role| {
        Role::ALL
            .iter()
            .map(|role| {
                (
                    role.name(),
                    locale.t(&format!("field-from-{role}")).into_owned(),
                    *role == chosen,
                )
            })
            .collect()
    };
    settings.page_with(
        status,
        &FieldPage {
            locale,
            object,
            object_label: locale.objects(object),
            field,
            label: locale.field(object, field),
            kind: kind_name(locale, field),
            help: field.help.clone().unwrap_or_default(),
            default: (may_default && related.is_none()).then(|| {
                let kept = field.default.clone().unwrap_or_default();
                match typed.values.iter().find(|(name, _)| name == "default") {
                    Some((_, typed)) => typed.clone(),
                    None => new_field::shown_default(locale, &field.kind, &kept),
                }
            }),
            related,
            roll_up: new_field::told(settings, field),
            readers: roles(field.read_role),
            writers: roles(field.write_role),
            may_restrict: field.origin != Origin::System && field.name != object.name_field,
            typed,
        },
    )
}

/// `POST /settings/objects/{object}/fields/{field}`: what it is called, and who reads and sets it.
pub(crate) async fn update(settings: Settings, names: Names, submitted: Submitted) -> PageResult {
    let object = find(&settings, &names.object)?;
    let field = object.field(&names.field).ok_or(PageError::NotFound)?;
    let fields = Fields::read(submitted)?;
    let mut outcome = Ok(());
    if field.custom && !fields.get("label").is_empty() {
        let help = Some(fields.get("help")).filter(|help| !help.is_empty());
        let default = if field.kind.is_relation() {
            match default_record(&settings, field, &fields).await? {
                Ok(default) => default,
                Err(problem) => {
                    return refused(&settings, object, field, &fields, vec![problem]).await;
                }
            }
        } else {
            new_field::plain_default(settings.locale(), &field.kind, fields.get("default"))
        };
        outcome = schema::relabel_field(
            &settings.store,
            &object.name,
            &field.name,
            &Wording {
                label: fields.get("label"),
                help,
                default: default.as_deref(),
            },
        )
        .await
        .map(drop);
    }
    let roles = fields
        .get("read_role")
        .parse::<Role>()
        .ok()
        .zip(fields.get("write_role").parse::<Role>().ok());
    if let (Ok(()), Some(roles)) = (
        &outcome,
        roles.filter(|roles| *roles != (field.read_role, field.write_role)),
    ) {
        outcome = schema::restrict_field(&settings.store, &object.name, &field.name, roles)
            .await
            .map(drop);
    }
    match outcome {
        Ok(()) => Ok(Settings::done_at(
            &format!("{PATH}/{}", object.name),
            "field-saved",
        )),
        Err(error) => {
            let errors = problems(settings.locale(), error)?;
            refused(&settings, object, field, &fields, errors).await
        }
    }
}

/// The page again, as it was typed, with what is wrong.
async fn refused(
    settings: &Settings,
    object: &Object,
    field: &Field,
    fields: &Fields,
    errors: Vec<(String, String)>,
) -> PageResult {
    let values = ["label", "help", "default"]
        .map(|name| (name.to_owned(), fields.get(name).to_owned()))
        .to_vec();
    let page = (StatusCode::UNPROCESSABLE_ENTITY, Some(fields));
    field_page(settings, object, field, page, &Typed { values, errors }).await
}

/// `POST /settings/objects/{object}/fields/{field}/removal`.
pub(crate) async fn remove(settings: Settings, names: Names) -> PageResult {
    find(&settings, &names.object)?;
    schema::remove_field(&settings.store, &names.object, &names.field)
        .await
        .map_err(failed)?;
    Ok(Settings::done_at(
        &format!("{PATH}/{}", names.object),
        "field-removed",
    ))
}

/// `POST /settings/objects/{object}/fields/{field}/restoration`: brings a removed field back with its data.
pub(crate) async fn restore(settings: Settings, names: Names) -> PageResult {
    let object = find(&settings, &names.object)?;
    let number = names.field.parse().map_err(|_| PageError::NotFound)?;
    match schema::restore_field(&settings.store, &object.name, number).await {
        Ok(()) => Ok(Settings::done_at(
            &format!("{PATH}/{}", object.name),
            "field-restored",
        )),
        Err(error) => {
            let errors = problems(settings.locale(), error)?;
            object_page(
                &settings,
                object,
                StatusCode::UNPROCESSABLE_ENTITY,
                &Typed {
                    values: Vec::new(),
                    errors,
                },
            )
            .await
        }
    }
}

/// `POST /settings/objects/{object}/removal`.
pub(crate) async fn remove_object(settings: Settings, names: Names) -> PageResult {
    let object = find(&settings, &names.object)?;
    if !object.custom {
        return Err(PageError::NotFound);
    }
    schema::remove_object(&settings.store, &object.name)
        .await
        .map_err(failed)?;
    Ok(Settings::done_at(PATH, "object-removed"))
}
