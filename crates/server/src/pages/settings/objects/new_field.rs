//! The form of a new field: the types there are, what each needs said, and what new records get.

use fieldstone_model::{
    Choice, Field, FieldType, Object, RollUp,
    kind::{self, Needs},
    roll_up::{is_summable, leads_to},
};
use fieldstone_ui::locale::Locale;

use super::{Fields, Settings, shown};
use crate::{import::object_name, schema::NewField};

/// The types of the form that aren't types of stored fields.
const COUNT: &str = "roll_up_count";
const SUM: &str = "roll_up_sum";

/// What is kept of the form when something is wrong with it.
pub(super) const TYPED: [&str; 13] = [
    "label",
    "kind",
    "help",
    "options",
    "to",
    "default",
    "source",
    "sum",
    "filter",
    "required",
    "unique",
    "indexed",
    "searchable",
];

/// The types in the order of the list.
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    // Relations to several objects are for programs: pages ask for one.
    let stored = kind::KINDS
        .into_iter()
        .filter(|(_, needs)| *needs != Needs::Objects)
        .map(|(name, _)| name);
    stored.chain([COUNT, SUM])
}

/// What the form asks for; `None` when no form of ours asks so.
pub(super) fn read(locale: &Locale, fields: &Fields) -> Option<NewField> {
    let ticked = |name: &str| fields.get(name) == "1";
    let roll_up = match fields.get("kind") {
        COUNT => Some(roll_up(fields.get("source"), None, fields.get("filter"))),
        SUM => Some(roll_up_of_sum(fields)),
        _ => None,
    };
    let kind = match roll_up {
        Some(_) => FieldType::Integer,
        None => kind_of(fields)?,
    };
    let mut name = object_name(fields.get("label"));
    if kind.is_relation() {
        name.push_str("_id");
    } else if name.ends_with("_id") {
        name.push_str("_text");
    }
    Some(NewField {
        name,
        label: fields.get("label").to_owned(),
        help: Some(fields.get("help").to_owned()).filter(|help| !help.is_empty()),
        required: ticked("required"),
        unique: ticked("unique"),
        indexed: ticked("indexed") && !matches!(kind, FieldType::LongText { .. }),
        searchable: ticked("searchable")
            && matches!(
                kind,
                FieldType::Text { .. } | FieldType::Email | FieldType::Phone
            ),
        default: plain_default(locale, &kind, fields.get("default")),
        roll_up,
        kind,
    })
}

fn kind_of(fields: &Fields) -> Option<FieldType> {
    let name = fields.get("kind");
    kind::needs(name).filter(|needs| *needs != Needs::Objects)?;
    let lines = fields
        .get("options")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let options = lines.map(|line| Choice {
        value: object_name(line).into(),
        label: Some(line.to_owned()),
    });
    let details = kind::Details {
        options: options.collect(),
        to: vec![fields.get("to").to_owned()],
        ..kind::Details::default()
    };
    FieldType::of_name(name, details)
}

fn roll_up(source: &str, sum: Option<String>, filter: &str) -> RollUp {
    let (object, by) = source.split_once('.').unwrap_or_default();
    RollUp {
        object: object.to_owned(),
        by: by.to_owned(),
        sum,
        filter: filter.trim().to_owned(),
    }
}

/// A field of another object than the one that is counted is no number of it.
fn roll_up_of_sum(fields: &Fields) -> RollUp {
    let source = fields.get("source");
    let (object, field) = fields.get("sum").split_once('.').unwrap_or_default();
    let fits = source.split_once('.').is_some_and(|(of, _)| of == object);
    let sum = if fits { field } else { "" };
    roll_up(source, Some(sum.to_owned()), fields.get("filter"))
}

/// Objects with a relation that leads to `object`, as `deal.account_id`.
pub(super) fn sources(settings: &Settings, object: &Object) -> Vec<(String, String)> {
    let locale = settings.locale();
    let mut sources = Vec::new();
    for from in shown(settings) {
        for field in from
            .fields
            .iter()
            .filter(|field| leads_to(field, &object.name))
        {
            let label = format!("{}: {}", locale.objects(from), locale.field(from, field));
            sources.push((format!("{}.{}", from.name, field.name), label));
        }
    }
    sources
}

/// Numbers of those objects, as `deal.amount`.
pub(super) fn sums(settings: &Settings, object: &Object) -> Vec<(String, String)> {
    let locale = settings.locale();
    let leads_here = |from: &&Object| {
        from.fields
            .iter()
            .any(|field| leads_to(field, &object.name))
    };
    let mut sums = Vec::new();
    for from in shown(settings).filter(leads_here) {
        for field in from.fields.iter().filter(|field| is_summable(field)) {
            let label = format!("{}: {}", locale.objects(from), locale.field(from, field));
            sums.push((format!("{}.{}", from.name, field.name), label));
        }
    }
    sums
}

/// Whether new records can get something there.
pub(super) fn may_have_default(field: &Field) -> bool {
    let leads_anywhere = matches!(field.kind, FieldType::AnyRelation { .. });
    field.custom && !field.unique && field.roll_up.is_none() && !leads_anywhere
}

/// What was typed as a default, in plain form: numbers as the language writes them, yes and no in words, options by their labels.
pub(super) fn plain_default(locale: &Locale, kind: &FieldType, typed: &str) -> Option<String> {
    let typed = typed.trim();
    if typed.is_empty() {
        return None;
    }
    let is = |key: &str| locale.t(key).to_lowercase() == typed.to_lowercase();
    let option = |typed: &str| {
        let found = kind.options().iter().find(|option| {
            option.label.as_deref().map(str::to_lowercase) == Some(typed.to_lowercase())
        });
        found.map_or_else(|| typed.to_owned(), |option| option.value.to_string())
    };
    Some(match kind {
        FieldType::Boolean if is("yes") => "true".to_owned(),
        FieldType::Boolean if is("no") => "false".to_owned(),
        FieldType::Date if is("calendar-today") => "today".to_owned(),
        FieldType::Choice { .. } => option(typed),
        FieldType::MultiChoice { .. } => typed
            .split([';', ','])
            .map(|part| option(part.trim()))
            .collect::<Vec<_>>()
            .join(";"),
        kind if kind.scale().is_some() => locale.read_number(typed),
        _ => typed.to_owned(),
    })
}

/// A default as somebody would type it.
pub(super) fn shown_default(locale: &Locale, kind: &FieldType, plain: &str) -> String {
    let label = |value: &str| {
        let known = kind.options().iter().find(|option| option.value == value);
        let label = known.and_then(|option| option.label.clone());
        label.unwrap_or_else(|| value.to_owned())
    };
    match (kind, plain) {
        (FieldType::Boolean, "true") => locale.t("yes").into_owned(),
        (FieldType::Boolean, "false") => locale.t("no").into_owned(),
        (FieldType::Date, "today") => locale.t("calendar-today").into_owned(),
        (FieldType::Choice { .. } | FieldType::MultiChoice { .. }, plain) => {
            plain.split(';').map(label).collect::<Vec<_>>().join("; ")
        }
        _ => plain.to_owned(),
    }
}

/// What a roll-up counts or sums up, in words.
pub(super) fn told(settings: &Settings, field: &Field) -> Option<String> {
    let roll_up = field.roll_up.as_deref()?;
    let locale = settings.locale();
    let object = settings.registry().object(&roll_up.object)?;
    let by = object.field(&roll_up.by)?;
    let mut told = format!("{}: {}", locale.objects(object), locale.field(object, by));
    if let Some(sum) = roll_up.sum.as_deref().and_then(|sum| object.field(sum)) {
        told = format!("{} · {}", locale.field(object, sum), told);
    }
    if !roll_up.filter.is_empty() {
        told = format!("{told} · {}", roll_up.filter);
    }
    Some(told)
}
