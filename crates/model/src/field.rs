//! Fields: the facts about one column of one object.

use std::borrow::Cow;

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{RecordId, Role, Value, roll_up::RollUp};

#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and any combination may occur"
)]
/// One field of an object. Standard fields are constants; custom ones are rows of the tenant's metadata in the same shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Number of the field within its object: 1–9 system, 10–999 standard, 1000 and up custom. Never reused.
    pub id: u16,
    /// API name, e.g. `close_date`. Relations end in `_id`.
    pub name: Cow<'static, str>,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Must have a value.
    pub required: bool,
    /// No two records that are not deleted have the same value.
    pub unique: bool,
    /// Can be filtered and sorted by an index.
    pub indexed: bool,
    /// Its words are found by search.
    pub searchable: bool,
    /// Who sets it.
    pub origin: Origin,
    /// What it may reveal.
    pub sensitivity: Sensitivity,
    /// What happens when two people changed it.
    pub merge: MergePolicy,
    /// Name in Salesforce, e.g. `Amount`.
    #[serde(skip_deserializing)]
    pub salesforce: Option<&'static str>,
    /// Schema version that introduced it.
    pub since: u16,
    /// Label of a custom field; standard fields are labelled by the catalogue of texts.
    pub label: Option<String>,
    /// Help of a custom field.
    pub help: Option<String>,
    /// Whether the field lives in the `custom` column.
    pub custom: bool,
    /// The weakest role that sees the field's values. For any weaker one the field isn't there at all.
    #[serde(default = "everyone")]
    pub read_role: Role,
    /// The weakest role that sets the field, among those that write records.
    #[serde(default = "everyone")]
    pub write_role: Role,
    /// What a new record gets where nothing is entered, in plain form; `today` and `now` stand for the day and the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What the field counts or sums up; such a field is never stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll_up: Option<Box<RollUp>>,
    /// Whether it is read-only for whoever the registry was made for ([`Registry::for_role`](crate::Registry::for_role)).
    #[serde(skip)]
    pub locked: bool,
}

fn everyone() -> Role {
    Role::Viewer
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FieldType {
    /// One line of text of at most `max` characters.
    Text {
        /// Most characters.
        max: u32,
    },
    /// Several lines of text of at most `max` characters; neither sorted nor filtered.
    LongText {
        /// Most characters.
        max: u32,
    },
    /// An e-mail address.
    Email,
    /// A telephone number, compared by its digits.
    Phone,
    /// A web address.
    Url,
    /// A whole number.
    Integer,
    /// A decimal number kept as an integer of 10^-scale.
    Decimal {
        /// Decimals kept, at most 9.
        scale: u8,
    },
    /// An amount in the workspace's currency, in hundredths.
    Money,
    /// A percentage, in hundredths of a percent.
    Percent,
    /// Yes or no.
    Boolean,
    /// A calendar date.
    Date,
    /// A time of day.
    Time,
    /// An instant.
    DateTime,
    /// One of the options.
    Choice {
        /// The options, in order.
        options: Cow<'static, [Choice]>,
    },
    /// Any of the options.
    MultiChoice {
        /// The options, in order.
        options: Cow<'static, [Choice]>,
    },
    /// A record of one object.
    Relation {
        /// API name of the object.
        to: Cow<'static, str>,
    },
    /// A record of any of several objects.
    AnyRelation {
        /// API names of the objects.
        to: Cow<'static, [Cow<'static, str>]>,
    },
    /// The record's own id.
    #[default]
    Id,
}

/// One option of a choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Stored value, e.g. `on_hold`.
    pub value: Cow<'static, str>,
    /// Label of a custom option; standard ones are labelled by the catalogue of texts.
    pub label: Option<String>,
}

impl Choice {
    /// A standard option.
    pub const fn new(value: &'static str) -> Self {
        Self {
            value: Cow::Borrowed(value),
            label: None,
        }
    }
}

/// Who sets a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// People and integrations.
    Entered,
    /// Computed from other fields by the object's rules; read-only.
    Derived,
    /// Kept by the store (ids, versions, time stamps); read-only.
    System,
}

/// What a field may reveal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Business data.
    Ordinary,
    /// Data about a person.
    Personal,
}

/// What happens when a field was changed on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergePolicy {
    /// Keep the server's value and ask a person.
    Ask,
    /// The latest edit wins: for fields where that is harmless.
    Latest,
}

impl Field {
    /// A field people enter; the builder methods below say the rest.
    pub const fn new(id: u16, name: &'static str, kind: FieldType) -> Self {
        Self {
            id,
            name: Cow::Borrowed(name),
            kind,
            required: false,
            unique: false,
            indexed: false,
            searchable: false,
            origin: Origin::Entered,
            sensitivity: Sensitivity::Ordinary,
            merge: MergePolicy::Ask,
            salesforce: None,
            since: 1,
            label: None,
            help: None,
            custom: false,
            read_role: Role::Viewer,
            write_role: Role::Viewer,
            default: None,
            roll_up: None,
            locked: false,
        }
    }

    /// One line of text.
    pub const fn text(id: u16, name: &'static str, max: u32) -> Self {
        Self::new(id, name, FieldType::Text { max })
    }

    /// Several lines of text, 32,000 characters.
    pub const fn long_text(id: u16, name: &'static str) -> Self {
        Self::new(id, name, FieldType::LongText { max: 32_000 })
    }

    /// One of `options`.
    pub const fn choice(id: u16, name: &'static str, options: &'static [Choice]) -> Self {
        Self::new(
            id,
            name,
            FieldType::Choice {
                options: Cow::Borrowed(options),
            },
        )
    }

    /// A record of the object `to`; always indexed.
    pub const fn relation(id: u16, name: &'static str, to: &'static str) -> Self {
        Self::new(
            id,
            name,
            FieldType::Relation {
                to: Cow::Borrowed(to),
            },
        )
        .indexed()
    }

    /// A record of any of the objects `to`; always indexed.
    pub const fn any_relation(
        id: u16,
        name: &'static str,
        to: &'static [Cow<'static, str>],
    ) -> Self {
        Self::new(
            id,
            name,
            FieldType::AnyRelation {
                to: Cow::Borrowed(to),
            },
        )
        .indexed()
    }

    /// Must have a value.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// No two records share a value.
    #[must_use]
    pub const fn unique(mut self) -> Self {
        self.unique = true;
        self.indexed = true;
        self
    }

    /// Can be filtered and sorted by an index.
    #[must_use]
    pub const fn indexed(mut self) -> Self {
        self.indexed = true;
        self
    }

    /// Its words are found by search.
    #[must_use]
    pub const fn searchable(mut self) -> Self {
        self.searchable = true;
        self
    }

    /// Data about a person.
    #[must_use]
    pub const fn personal(mut self) -> Self {
        self.sensitivity = Sensitivity::Personal;
        self
    }

    /// Computed by the object's rules.
    #[must_use]
    pub const fn derived(mut self) -> Self {
        self.origin = Origin::Derived;
        self
    }

    /// Kept by the store.
    #[must_use]
    pub const fn system(mut self) -> Self {
        self.origin = Origin::System;
        self
    }

    /// The latest edit wins.
    #[must_use]
    pub const fn latest_wins(mut self) -> Self {
        self.merge = MergePolicy::Latest;
        self
    }

    /// Its name in Salesforce.
    #[must_use]
    pub const fn salesforce(mut self, name: &'static str) -> Self {
        self.salesforce = Some(name);
        self
    }

    /// The default of a relation to people that stands for whoever makes the record.
    pub const MAKER: &str = "me";

    /// Whether people may set it.
    pub fn is_writable(&self) -> bool {
        self.origin == Origin::Entered && !self.locked
    }

    /// The value that a new record gets where nothing is entered, made by `me`.
    pub fn default_value(&self, now: Timestamp, me: RecordId) -> Option<Value> {
        let text = self.default.as_deref()?;
        let value = match (&self.kind, text) {
            (FieldType::Relation { .. }, Self::MAKER) if self.target() == Some("user") => {
                Value::Id(me)
            }
            (FieldType::Date, "today") => Value::Date(now.to_zoned(TimeZone::UTC).date()),
            (FieldType::DateTime, "now") => Value::DateTime(now),
            _ => Value::parse(self, text).ok()?,
        };
        (!value.is_null()).then_some(value)
    }

    /// Whether a workspace may keep the field from some roles.
    ///
    /// Never what names a record or makes it one: the system's fields, the owner, what is required, what is unique (a taken value would tell
    /// of it) and what search finds.
    pub fn is_restrictable(&self) -> bool {
        self.origin != Origin::System
            && !self.required
            && !self.unique
            && !self.searchable
            && self.name != "owner_id"
    }

    /// Name of the relation for dotted paths: `account_id` is read through as `account.name`.
    pub fn relation_name(&self) -> Option<&str> {
        match self.kind {
            FieldType::Relation { .. } => Some(self.name.strip_suffix("_id").unwrap_or(&self.name)),
            _ => None,
        }
    }

    /// The object a single relation leads to.
    pub fn target(&self) -> Option<&str> {
        match &self.kind {
            FieldType::Relation { to } => Some(to),
            _ => None,
        }
    }

    /// Whether a filter may name this field: long texts and unindexed custom fields are refused.
    pub fn is_filterable(&self) -> bool {
        !matches!(self.kind, FieldType::LongText { .. })
            && self.roll_up.is_none()
            && (!self.custom || self.indexed)
    }

    /// Whether an order may name this field.
    pub fn is_sortable(&self) -> bool {
        self.is_filterable()
            && !matches!(
                self.kind,
                FieldType::MultiChoice { .. } | FieldType::AnyRelation { .. }
            )
    }
}

impl FieldType {
    /// Decimals of a scaled number; `None` for what is not a number.
    pub fn scale(&self) -> Option<u8> {
        match self {
            Self::Integer => Some(0),
            Self::Decimal { scale } => Some(*scale),
            Self::Money | Self::Percent => Some(2),
            _ => None,
        }
    }

    /// Whether values are text that compares by a folded key kept beside it.
    pub fn is_folded(&self) -> bool {
        matches!(
            self,
            Self::Text { .. } | Self::Email | Self::Phone | Self::Url
        )
    }

    /// Whether values refer to other records.
    pub fn is_relation(&self) -> bool {
        matches!(self, Self::Relation { .. } | Self::AnyRelation { .. })
    }

    /// The options of a choice, none for other types.
    pub fn options(&self) -> &[Choice] {
        match self {
            Self::Choice { options } | Self::MultiChoice { options } => options,
            _ => &[],
        }
    }

    /// The type's name in the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::LongText { .. } => "long_text",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Url => "url",
            Self::Integer => "integer",
            Self::Decimal { .. } => "decimal",
            Self::Money => "money",
            Self::Percent => "percent",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Time => "time",
            Self::DateTime => "date_time",
            Self::Choice { .. } => "choice",
            Self::MultiChoice { .. } => "multi_choice",
            Self::Relation { .. } => "relation",
            Self::AnyRelation { .. } => "any_relation",
            Self::Id => "id",
        }
    }
}
