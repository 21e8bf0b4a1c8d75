//! What a person chooses about a file in the browser, and the mapping that it comes to.

use std::collections::BTreeMap;

use fieldstone_model::{Field, FieldType, Object, Registry, fold::fold, kind};
use fieldstone_ui::locale::{Language, Locale};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use strsim::jaro_winkler;

use super::{
    Dedupe, DedupeRule, Mapping, NewField, NewObject, NumberFormat, Peek, Rule,
    mapping::option_value,
};

/// Options as near as this are taken for the same.
const NEAR: f64 = 0.93;

/// What is chosen, as it is kept with the upload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choices {
    /// The custom object to make first: label of one record and of several.
    pub new_object: Option<(String, String)>,
    /// What each column becomes: nothing, `field`, `field:object.field` for a relation, or `new:type`.
    pub targets: Vec<String>,
    /// Texts for fields without a column, with columns in braces.
    pub constants: BTreeMap<String, String>,
    /// What to do where a related record isn't there.
    pub missing: Missing,
    /// The field that says whether two records are the same; empty for none.
    pub by: String,
    /// What to do with rows whose record exists.
    pub rule: Existing,
    /// How dates are written.
    pub dates: Dates,
    /// Whether numbers have a decimal comma.
    pub comma: bool,
}

/// What to do where a related record isn't there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// The row fails.
    #[default]
    Fail,
    /// The field stays empty.
    Empty,
    /// The record is made.
    Create,
}

/// What to do with a row whose record exists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// Leave it.
    #[default]
    Skip,
    /// Change it.
    Update,
    /// Make another.
    Create,
}

/// How dates are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dates {
    /// 2026-03-01.
    #[default]
    Iso,
    /// 1.3.2026, 01/03/2026.
    Day,
    /// 3/1/2026.
    Month,
}

impl Dates {
    fn formats(self) -> &'static [&'static str] {
        // Two digits of a year first: four don't fit them, while two would fit four.
        match self {
            Self::Iso => &[],
            Self::Day => &[
                "%d.%m.%y", "%d.%m.%Y", "%d/%m/%y", "%d/%m/%Y", "%d-%m-%y", "%d-%m-%Y", "%Y-%m-%d",
            ],
            Self::Month => &["%m/%d/%y", "%m/%d/%Y", "%m-%d-%y", "%m-%d-%Y", "%Y-%m-%d"],
        }
    }
}

impl Choices {
    /// The object to import into when it has to be made first; its name comes from its label.
    pub fn imagined(&self) -> Option<Object> {
        let (label, plural) = self.new_object.as_ref()?;
        Some(Object::custom(
            object_name(label),
            plural_name(label, plural),
            *b"zzz",
            label.clone(),
            plural.clone(),
        ))
    }

    /// The mapping for a file that begins like this.
    pub fn mapping(
        &self,
        object: &Object,
        registry: &Registry,
        peek: &Peek,
        zone: &TimeZone,
    ) -> Mapping {
        let mut mapping = Mapping {
            timezone: zone.iana_name().map(str::to_owned),
            object: self.new_object.as_ref().map(|(label, plural)| NewObject {
                label: label.clone(),
                plural_label: plural.clone(),
                plural: Some(plural_name(label, plural)),
            }),
            ..Mapping::default()
        };
        for ((at, column), target) in peek.header.iter().enumerate().zip(&self.targets) {
            if target.is_empty() || peek.is_ambiguous(at) {
                continue;
            }
            if let Some(kind) = target.strip_prefix("new:") {
                let scale = (kind == "decimal").then(|| decimals(peek.samples(at)));
                self.add_field(&mut mapping, object, column, (kind, scale));
                continue;
            }
            let (name, find) = target.split_once(':').unwrap_or((target, ""));
            let Some(field) = object.field(name) else {
                continue;
            };
            let mut rule = self.rule_of(object, registry, field, column, find);
            self.match_options(field, peek, at, &mut rule);
            mapping.map.entry(name.to_owned()).or_insert(rule);
        }
        for (name, text) in &self.constants {
            if !text.trim().is_empty() && object.field(name).is_some() {
                let rule = Rule {
                    template: Some(text.clone()),
                    ..Rule::default()
                };
                mapping.map.entry(name.clone()).or_insert(rule);
            }
        }
        if mapping.map.contains_key(&self.by) {
            mapping.dedupe = Some(Dedupe {
                by: self.by.clone(),
                rule: match self.rule {
                    Existing::Skip => DedupeRule::Skip,
                    Existing::Update => DedupeRule::Update,
                    Existing::Create => DedupeRule::Create,
                },
                clear: false,
            });
        }
        mapping
    }

    fn add_field(
        &self,
        mapping: &mut Mapping,
        object: &Object,
        column: &str,
        (kind, scale): (&str, Option<u8>),
    ) {
        let mut name = option_value(column);
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            name.insert_str(0, "f_");
        }
        name.retain(|c| c.is_ascii_alphanumeric() || c == '_');
        name.truncate(50);
        if name.ends_with("_id") {
            name.push_str("_text");
        }
        let taken = |name: &str, mapping: &Mapping| {
            object.field(name).is_some() || mapping.map.contains_key(name)
        };
        let mut number = 2;
        let stem = name.clone();
        while taken(&name, mapping) {
            name = format!("{stem}_{number}");
            number += 1;
        }
        let new = NewField {
            name: name.clone(),
            kind: kind.to_owned(),
            label: Some(column.chars().take(80).collect()),
            indexed: !matches!(kind, "long_text" | "url"),
            searchable: kind == "text",
            scale,
            ..NewField::default()
        };
        let Ok(field) = new.field() else { return };
        let rule = self.written(&field, Rule::column(column));
        mapping.fields.push(new);
        mapping.map.insert(name, rule);
    }

    fn rule_of(
        &self,
        object: &Object,
        registry: &Registry,
        field: &Field,
        column: &str,
        find: &str,
    ) -> Rule {
        let mut rule = self.written(field, Rule::column(column));
        if field.kind.is_relation() {
            rule.find = find
                .split(',')
                .filter(|path| !path.is_empty())
                .map(str::to_owned)
                .collect();
            rule.optional = self.missing == Missing::Empty;
            let makeable = rule.find.len() == 1
                && rule
                    .find
                    .first()
                    .and_then(|path| path.split_once('.'))
                    .is_some_and(|(target, by)| {
                        registry.object(target).is_some_and(|target| {
                            target.class == fieldstone_model::ObjectClass::Record
                                && target.name_field == by
                                && target.field(by).is_some_and(Field::is_writable)
                        })
                    });
            rule.create = self.missing == Missing::Create && makeable;
        }
        if !field.custom && !field.kind.options().is_empty() {
            // People write options as they read them, in either language.
            for language in Language::ALL {
                let locale = Locale::new(language.tag(), TimeZone::UTC, "EUR");
                for option in field.kind.options() {
                    let label = locale.choice(object, field, option);
                    rule.values
                        .entry(label)
                        .or_insert_with(|| option.value.to_string());
                }
            }
        }
        rule
    }

    /// Reads options with a letter wrong as what they are meant to be; leaves out what is none, where that is chosen.
    fn match_options(&self, field: &Field, peek: &Peek, at: usize, rule: &mut Rule) {
        let options = field.kind.options();
        if options.is_empty() || matches!(field.kind, FieldType::MultiChoice { .. }) {
            return;
        }
        for text in peek.samples(at) {
            let wanted = fold(text);
            let known = |known: &str| fold(known).replace('_', " ") == wanted.replace('_', " ");
            let is_known = rule.values.keys().any(|label| known(label))
                || options.iter().any(|option| {
                    known(&option.value) || option.label.as_deref().is_some_and(known)
                });
            if is_known {
                continue;
            }
            let near = options
                .iter()
                .map(|option| (jaro_winkler(&fold(&option.value), &wanted), option))
                .filter(|(near, _)| *near >= NEAR)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            match near {
                Some((_, option)) => {
                    let value = option.value.to_string();
                    rule.values.insert(text.to_owned(), value);
                }
                None if self.missing == Missing::Empty => {
                    rule.values.insert(text.to_owned(), String::new());
                }
                None => {}
            }
        }
    }

    /// How the values of a field are written in the file.
    fn written(&self, field: &Field, mut rule: Rule) -> Rule {
        if field.kind.scale().is_some() {
            rule.number = Some(NumberFormat {
                decimal: if self.comma { ',' } else { '.' },
                thousands: Some(if self.comma { '.' } else { ',' }),
                multiply: 1,
                round: true,
            });
        }
        let formats = self.dates.formats();
        match field.kind {
            FieldType::Date => rule.formats = formats.iter().map(|it| (*it).to_owned()).collect(),
            FieldType::DateTime => {
                let with_time = |format: &&str| {
                    [
                        format!("{format} %H:%M:%S"),
                        format!("{format} %H:%M"),
                        (*format).to_owned(),
                    ]
                };
                rule.formats = formats.iter().flat_map(with_time).collect();
            }
            _ => {}
        }
        rule
    }
}

/// The API name of a new object.
pub(crate) fn object_name(label: &str) -> String {
    let mut name: String = option_value(label)
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .take(38)
        .collect();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert_str(0, "o_");
    }
    name
}

fn plural_name(label: &str, plural: &str) -> String {
    let (one, several) = (object_name(label), object_name(plural));
    if one == several {
        format!("{one}s")
    } else {
        several
    }
}
/// Decimals to keep of numbers like these: as many as usual, and room to spare where some have more.
fn decimals<'a>(samples: impl Iterator<Item = &'a str>) -> u8 {
    let written = samples.map(|text| match text.trim().rsplit_once(['.', ',']) {
        Some((_, fraction)) => u8::try_from(fraction.len()).unwrap_or(u8::MAX),
        None => 0,
    });
    match written.max().unwrap_or(0) {
        usual if usual <= kind::DECIMAL_SCALE => kind::DECIMAL_SCALE,
        more => more.clamp(6, 9),
    }
}
