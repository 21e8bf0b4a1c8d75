//! The mapping file: how columns of a file become fields of an object. `docs/import.md` explains it to people.

use std::{collections::BTreeMap, fmt};

use fieldstone_model::{
    Choice, Field, FieldType,
    field::Origin,
    kind::{self, Needs},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{ImportError, MappingProblem, NumberFormat};

/// A mapping file. Everything in it is optional: without rules, columns are matched to fields by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Encoding of the file, such as `windows-1252`; guessed otherwise.
    pub encoding: Option<String>,
    /// The character between cells, or `tab`; guessed otherwise.
    pub delimiter: Option<String>,
    /// Time zone of times without one, such as `Europe/Berlin`; UTC otherwise.
    pub timezone: Option<String>,
    /// Match columns that no rule names by their names, besides the rules.
    pub guess: bool,
    /// The custom object to make first, unless it is there.
    pub object: Option<NewObject>,
    /// Custom fields to make first, unless they are there.
    pub fields: Vec<NewField>,
    /// Stages to make first, unless they are there.
    pub stages: Vec<NewStage>,
    /// Corrections of columns, before anything else reads them.
    pub columns: BTreeMap<String, Column>,
    /// What to do with rows whose record exists.
    pub dedupe: Option<Dedupe>,
    /// Rules by field name.
    pub map: BTreeMap<String, Rule>,
}

/// A custom object to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewObject {
    /// What one record is called.
    pub label: String,
    /// What several are called.
    pub plural_label: String,
    /// API name of several; the object's name with an `s` otherwise.
    pub plural: Option<String>,
}

/// A custom field to make.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a line of the mapping file that stands for itself"
)]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewField {
    /// API name; relations end in `_id`.
    pub name: String,
    /// Type by its API name, such as `text`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What people read; made of the name otherwise.
    pub label: Option<String>,
    /// Most characters of a text; [`kind::TEXT_MAX`] or [`kind::LONG_TEXT_MAX`] otherwise.
    pub max: Option<u32>,
    /// Decimals of a decimal number; [`kind::DECIMAL_SCALE`] otherwise.
    pub scale: Option<u8>,
    /// Options of a choice.
    pub options: Vec<String>,
    /// The object a relation leads to.
    pub to: Option<String>,
    /// Must have a value.
    pub required: bool,
    /// No two records share a value.
    pub unique: bool,
    /// Can be filtered and sorted.
    pub indexed: bool,
    /// Search finds its words.
    pub searchable: bool,
}

/// A stage of deals to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewStage {
    /// Its name.
    pub name: String,
    /// `open`, `won` or `lost`.
    pub kind: String,
    /// Chance of winning in percent.
    #[serde(default)]
    pub probability: u8,
}

/// Corrections of one column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Column {
    /// Texts and what to read instead.
    pub values: BTreeMap<String, String>,
}

/// What to do with a row whose record exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dedupe {
    /// The field that says whether two records are the same.
    pub by: String,
    /// What to do.
    #[serde(default)]
    pub rule: DedupeRule,
    /// Whether empty cells empty the fields of an existing record; otherwise they leave them alone.
    #[serde(default)]
    pub clear: bool,
}

/// What to do with a row whose record exists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DedupeRule {
    /// Leave the record as it is.
    #[default]
    Skip,
    /// Change the record.
    Update,
    /// Make another record all the same.
    Create,
}

/// How one field gets its value. Written as a column's name, or as a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// A column by its name.
    pub column: Option<String>,
    /// The same text for every row.
    pub constant: Option<String>,
    /// Columns within text: `{account} – {product}`; `{#}` is the number of the row.
    pub template: Option<String>,
    /// Texts and what to read instead.
    pub values: BTreeMap<String, String>,
    /// What to read when there is nothing.
    pub default: Option<String>,
    /// Formats of dates and times, tried in order, such as `%m/%d/%Y`.
    pub formats: Vec<String>,
    /// How numbers are written.
    pub number: Option<NumberFormat>,
    /// What separates the options of a multiple choice; `;` otherwise.
    pub separator: Option<String>,
    /// Where a related record is looked for, tried in order: `account.name`. Without it, the text is an id.
    pub find: Vec<String>,
    /// Makes the related record when there is none, with the text as the field it was looked for in.
    pub create: bool,
    /// Leaves the relation empty when there is no such record; otherwise the row fails.
    pub optional: bool,
    /// Looks for this text when there is no record of the row's.
    pub fallback: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RuleTable {
    column: Option<String>,
    constant: Option<String>,
    template: Option<String>,
    values: BTreeMap<String, String>,
    default: Option<String>,
    formats: OneOrMore,
    number: Option<NumberFormat>,
    separator: Option<String>,
    find: OneOrMore,
    create: bool,
    optional: bool,
    fallback: Option<String>,
}

#[derive(Default)]
struct OneOrMore(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a text or a list of texts")]
        enum Form {
            One(String),
            More(Vec<String>),
        }
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::One(text) => vec![text],
            Form::More(texts) => texts,
        }))
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Rule;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "the name of a column, or a table with one of column, constant and template",
                )
            }
            fn visit_str<E>(self, column: &str) -> Result<Rule, E> {
                Ok(Rule::column(column))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rule, A::Error> {
                RuleTable::deserialize(MapAccessDeserializer::new(map)).map(Rule::from)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl From<RuleTable> for Rule {
    fn from(table: RuleTable) -> Self {
        Self {
            column: table.column,
            constant: table.constant,
            template: table.template,
            values: table.values,
            default: table.default,
            formats: table.formats.0,
            number: table.number,
            separator: table.separator,
            find: table.find.0,
            create: table.create,
            optional: table.optional,
            fallback: table.fallback,
        }
    }
}

impl Rule {
    /// The text of a column as it is.
    pub fn column(name: impl Into<String>) -> Self {
        Self {
            column: Some(name.into()),
            ..Self::default()
        }
    }
}

impl Mapping {
    /// Reads a mapping file's text.
    pub fn from_toml(text: &str) -> Result<Self, ImportError> {
        toml::from_str(text)
            .map_err(|error| MappingProblem::new("unreadable", [("why", error.to_string())]).into())
    }
}

impl NewField {
    /// The field's facts; its number is given by whoever makes it.
    pub fn field(&self) -> Result<Field, ImportError> {
        let this = || ("field", self.name.clone());
        let options = || {
            let option = |text: &String| Choice {
                value: option_value(text).into(),
                label: Some(text.clone()),
            };
            self.options.iter().map(option).collect::<Vec<_>>()
        };
        if kind::needs(&self.kind) == Some(Needs::Object) && self.to.is_none() {
            return Err(MappingProblem::new("new-field-to", [this()]).into());
        }
        let details = kind::Details {
            max: self.max,
            scale: self.scale,
            options: options(),
            to: self.to.iter().cloned().collect(),
        };
        let made = FieldType::of_name(&self.kind, details);
        // A column has one object's names in it.
        let kind = made
            .filter(|kind| !matches!(kind, FieldType::AnyRelation { .. }))
            .ok_or_else(|| {
                MappingProblem::new("new-field-type", [this(), ("type", self.kind.clone())])
            })?;
        let mut field = Field::new(0, "", kind);
        field.name = self.name.clone().into();
        field.label = Some(self.label.clone().unwrap_or_else(|| label_of(&self.name)));
        field.required = self.required;
        field.unique = self.unique;
        field.indexed = self.indexed || self.unique || field.kind.is_relation();
        field.searchable = self.searchable;
        field.origin = Origin::Entered;
        field.custom = true;
        Ok(field)
    }
}

/// `New Castle` as an option's stored value: `new_castle`.
pub(super) fn option_value(text: &str) -> String {
    fieldstone_model::fold::fold(text)
        .split(|c: char| !c.is_alphanumeric())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("_")
}

/// `sales_agent` as people read it: `Sales agent`.
fn label_of(name: &str) -> String {
    let name = name.strip_suffix("_id").unwrap_or(name).replace('_', " ");
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_of_a_rule() {
        let mapping = Mapping::from_toml(
            r#"
            [dedupe]
            by = "external_id"
            rule = "update"
            [map]
            external_id = "id"
            close_date = { column = "closed", formats = "%m/%d/%Y" }
            account_id = { column = "account", find = ["account.external_id", "account.name"], create = true }
            "#,
        )
        .unwrap();
        assert_eq!(mapping.map["external_id"], Rule::column("id"));
        assert_eq!(mapping.map["close_date"].formats, ["%m/%d/%Y"]);
        assert_eq!(mapping.map["account_id"].find.len(), 2);
        assert_eq!(mapping.dedupe.unwrap().rule, DedupeRule::Update);
    }

    #[test]
    fn says_where_a_file_is_wrong() {
        for (text, part) in [
            ("[map]\nname = 5", "the name of a column"),
            ("[map]\nname = { colum = \"a\" }", "colum"),
            ("nonsense = true", "nonsense"),
            ("[map\n", "line 1"),
        ] {
            let error = Mapping::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn fields_get_labels_and_options() {
        let field = NewField {
            name: "kind".to_owned(),
            kind: "choice".to_owned(),
            options: vec!["Follow-up".to_owned()],
            ..NewField::default()
        }
        .field()
        .unwrap();
        assert_eq!(field.label.as_deref(), Some("Kind"));
        assert_eq!(field.kind.options()[0].value, "follow_up");
        assert_eq!(field.kind.options()[0].label.as_deref(), Some("Follow-up"));
    }
}
