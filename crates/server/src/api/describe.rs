//! Objects and fields as the API describes them.

use fieldstone_model::{
    Capability, Choice, Field, FieldType, Object, ObjectClass, Rights, RollUp,
    field::{Origin, Sensitivity},
};
use serde::Serialize;
use utoipa::ToSchema;

/// An object: what there is to know without its fields.
#[derive(Serialize, ToSchema)]
#[schema(as = Object)]
pub(super) struct ObjectSummary<'a> {
    /// API name, singular.
    name: &'a str,
    /// Plural API name.
    plural: &'a str,
    /// What people call one; custom objects only.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    /// What people call several; custom objects only.
    #[serde(skip_serializing_if = "Option::is_none")]
    plural_label: Option<&'a str>,
    /// The first three characters of its ids.
    prefix: &'a str,
    /// Whether it is the workspace's own.
    custom: bool,
    /// The field that names a record.
    name_field: &'a str,
    /// Name in Salesforce.
    #[serde(skip_serializing_if = "Option::is_none")]
    salesforce: Option<&'static str>,
    /// Whether the caller may create and change records.
    writable: bool,
    /// Whether the caller may delete and restore records.
    deletable: bool,
}

/// An object with its fields.
#[derive(Serialize, ToSchema)]
#[schema(as = ObjectDescription)]
pub(super) struct ObjectDescription<'a> {
    #[serde(flatten)]
    object: ObjectSummary<'a>,
    /// All fields, system fields first.
    fields: Vec<FieldDescription<'a>>,
}

/// A field.
#[derive(Serialize, ToSchema)]
#[schema(as = Field)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are independent facts, each with its own name on the wire"
)]
pub(super) struct FieldDescription<'a> {
    /// API name.
    name: &'a str,
    /// What it holds: text, `long_text`, email, phone, url, integer, decimal, money, percent, boolean, date, time, `date_time`,
    /// choice, `multi_choice`, relation, `any_relation` or id.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What people call it; custom fields only.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    /// What people should know to fill it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    /// Must have a value.
    required: bool,
    /// No two records that are not deleted have the same value.
    unique: bool,
    /// Its words are found by search.
    searchable: bool,
    /// May stand in a filter.
    filterable: bool,
    /// May stand in an order.
    sortable: bool,
    /// May be set; other fields are kept by the system or computed.
    writable: bool,
    /// entered, derived or system.
    origin: &'static str,
    /// The weakest role that reads it: viewer, member or admin.
    read_role: &'static str,
    /// The weakest role that sets it, among those that change records; only where people set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    write_role: Option<&'static str>,
    /// Data about a person.
    personal: bool,
    /// Whether it is the workspace's own.
    custom: bool,
    /// Most characters of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u32>,
    /// Decimals kept of a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<u8>,
    /// The options of a choice, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    options: Vec<OptionDescription<'a>>,
    /// API names of the objects that a relation may lead to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to: Vec<&'a str>,
    /// What a new record gets where nothing is entered, in plain form; `today` and `now` for dates and instants.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'a str>,
    /// What it counts or sums up, over the records that the reader may see.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    roll_up: Option<&'a RollUp>,
    /// Name in Salesforce.
    #[serde(skip_serializing_if = "Option::is_none")]
    salesforce: Option<&'static str>,
}

/// An option of a choice.
#[derive(Serialize, ToSchema)]
#[schema(as = Option)]
pub(super) struct OptionDescription<'a> {
    /// Stored value.
    value: &'a str,
    /// What people see; custom options only.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
}

/// An object without its fields.
pub(super) fn summary<'a>(object: &'a Object, rights: &Rights) -> ObjectSummary<'a> {
    let needed = |ordinary| match object.class {
        ObjectClass::Record => rights.can(ordinary),
        ObjectClass::Managed => rights.can(ordinary) && rights.can(Capability::SchemaManage),
        ObjectClass::Directory => false,
    };
    ObjectSummary {
        name: &object.name,
        plural: &object.plural,
        label: object.label.as_deref(),
        plural_label: object.plural_label.as_deref(),
        prefix: object.prefix_str(),
        custom: object.custom,
        name_field: &object.name_field,
        salesforce: object.salesforce,
        writable: needed(Capability::RecordsWrite),
        deletable: needed(Capability::RecordsDelete),
    }
}

/// An object with its fields.
pub(super) fn object<'a>(object: &'a Object, rights: &Rights) -> ObjectDescription<'a> {
    ObjectDescription {
        object: summary(object, rights),
        fields: object.fields.iter().map(field).collect(),
    }
}

/// A field.
pub(super) fn field(field: &Field) -> FieldDescription<'_> {
    let to = match &field.kind {
        FieldType::Relation { to } => vec![to.as_ref()],
        FieldType::AnyRelation { to } => to.iter().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    };
    FieldDescription {
        name: &field.name,
        kind: field.kind.name(),
        label: field.label.as_deref(),
        help: field.help.as_deref(),
        required: field.required,
        unique: field.unique,
        searchable: field.searchable,
        filterable: field.is_filterable(),
        sortable: field.is_sortable(),
        writable: field.is_writable(),
        origin: match field.origin {
            Origin::Entered => "entered",
            Origin::Derived => "derived",
            Origin::System => "system",
        },
        read_role: field.read_role.name(),
        write_role: (field.origin == Origin::Entered).then(|| field.write_role.name()),
        personal: field.sensitivity == Sensitivity::Personal,
        custom: field.custom,
        max: match field.kind {
            FieldType::Text { max } | FieldType::LongText { max } => Some(max),
            _ => None,
        },
        scale: field.kind.scale(),
        options: field.kind.options().iter().map(option).collect(),
        to,
        default: field.default.as_deref(),
        roll_up: field.roll_up.as_deref(),
        salesforce: field.salesforce,
    }
}

fn option(option: &Choice) -> OptionDescription<'_> {
    OptionDescription {
        value: &option.value,
        label: option.label.as_deref(),
    }
}
