//! Schemas: the standard objects from the registry, and the shapes around them.

use std::collections::HashMap;

use fieldstone_model::{
    Field, FieldType, Object, ObjectClass, Registry, Stage, StageKind, Value, Values, objects,
};
use jiff::Timestamp;
use serde_json::json;
use utoipa::{
    PartialSchema as _,
    openapi::{
        ArrayBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
        schema::{AdditionalProperties, AnyOfBuilder, SchemaType},
    },
};

use crate::api::describe::{FieldDescription, ObjectDescription, ObjectSummary, OptionDescription};

type Named = (String, RefOr<Schema>);

/// Every schema of the document.
pub(super) fn all(registry: &Registry) -> Vec<Named> {
    let mut schemas: Vec<Named> = Vec::new();
    let mut names = Vec::new();
    for object in registry.objects() {
        let name = pascal(&object.name);
        schemas.push((name.clone(), record(object)));
        if object.class != ObjectClass::Directory {
            schemas.push((format!("{name}Input"), input(object)));
        }
        names.push((name, object.class));
    }
    let any = |suffix: &str, names: &mut dyn Iterator<Item = &String>| {
        let any = names.fold(AnyOfBuilder::new(), |any, name| {
            any.item(Ref::from_schema_name(format!("{name}{suffix}")))
        });
        let custom = "The fields of one of the workspace's own objects.";
        let custom = ObjectBuilder::new()
            .description(Some(custom))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)));
        RefOr::from(Schema::from(any.item(custom).build()))
    };
    schemas.push((
        "Record".to_owned(),
        any("", &mut names.iter().map(|(name, _)| name)),
    ));
    let writable = names
        .iter()
        .filter(|(_, class)| *class != ObjectClass::Directory);
    schemas.push((
        "RecordInput".to_owned(),
        any("Input", &mut writable.map(|(name, _)| name)),
    ));
    schemas.extend(fixed());
    schemas
}

/// `deal_line` → `DealLine`.
fn pascal(name: &str) -> String {
    let capital = |part: &str| {
        let mut chars = part.chars();
        chars
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + chars.as_str())
            .unwrap_or_default()
    };
    name.split('_').map(capital).collect()
}

/// A record with all its fields.
fn record(object: &Object) -> RefOr<Schema> {
    let mut builder =
        ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)));
    for field in &object.fields {
        builder = builder.property(field.name.as_ref(), value(field, !field.is_writable()));
    }
    Schema::from(builder.required("id").required("version").build()).into()
}

/// What people set. Fields that the rules fill in when they are left out aren't required.
fn input(object: &Object) -> RefOr<Schema> {
    let mut builder =
        ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)));
    let filled = filled(object);
    for field in object.writable_fields() {
        builder = builder.property(field.name.as_ref(), value(field, false));
    }
    let needed: Vec<&str> = object
        .writable_fields()
        .filter(|field| field.required && !filled.contains(&field.name.as_ref()))
        .map(|field| field.name.as_ref())
        .collect();
    if !needed.is_empty() {
        builder = builder.description(Some(format!("A new record needs: {}.", needed.join(", "))));
    }
    Schema::from(builder.build()).into()
}

/// Fields with defaults, worked out by the rules themselves.
fn filled(object: &Object) -> Vec<&str> {
    let (Ok(id), Ok(pipeline_id)) = ("01J000000000001".parse(), "fP0000000000001".parse()) else {
        return Vec::new();
    };
    let stage = Stage {
        id,
        pipeline_id,
        name: String::new(),
        kind: StageKind::Open,
        probability: 0,
        position: 0,
    };
    let registry = Registry::new(0, Vec::new(), HashMap::new(), vec![stage]);
    let start = Timestamp::UNIX_EPOCH;
    let written = Values::new().with("starts_at", Value::DateTime(start));
    let defaults = objects::defaults(&object.name, &written, &registry, start);
    let fields = object.fields.iter().map(|field| field.name.as_ref());
    fields
        .filter(|name| *name == "owner_id" || defaults.get(name).is_some())
        .collect()
}

/// The value of one field; null where it may be empty.
fn value(field: &Field, read_only: bool) -> Schema {
    let nullable = |kind: Type| {
        if field.required || matches!(field.name.as_ref(), "id" | "version") {
            SchemaType::Type(kind)
        } else {
            SchemaType::Array(vec![kind, Type::Null])
        }
    };
    let text = || ObjectBuilder::new().schema_type(nullable(Type::String));
    let known = |format| text().format(Some(SchemaFormat::KnownFormat(format)));
    let custom = |format: &str| text().format(Some(SchemaFormat::Custom(format.to_owned())));
    let id = || text().pattern(Some("^[0-9A-Za-z]{15}$"));
    let builder = match &field.kind {
        FieldType::Text { max } | FieldType::LongText { max } => {
            text().max_length(usize::try_from(*max).ok())
        }
        FieldType::Email => custom("email").max_length(Some(254)),
        FieldType::Phone => text().max_length(Some(40)),
        FieldType::Url => custom("uri").max_length(Some(1000)),
        FieldType::Integer => ObjectBuilder::new().schema_type(nullable(Type::Integer)),
        FieldType::Decimal { .. } | FieldType::Money | FieldType::Percent => {
            ObjectBuilder::new().schema_type(nullable(Type::Number))
        }
        FieldType::Boolean => ObjectBuilder::new().schema_type(nullable(Type::Boolean)),
        FieldType::Date => known(KnownFormat::Date),
        FieldType::Time => custom("time"),
        FieldType::DateTime => known(KnownFormat::DateTime),
        FieldType::Choice { options } => {
            let null = (!field.required).then_some(serde_json::Value::Null);
            let options = options.iter().map(|option| json!(option.value)).chain(null);
            text().enum_values(Some(options.collect::<Vec<_>>()))
        }
        FieldType::MultiChoice { options } => {
            let options = options.iter().map(|option| json!(option.value));
            let item = ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(options.collect::<Vec<_>>()));
            return Schema::from(
                ArrayBuilder::new()
                    .schema_type(nullable(Type::Array))
                    .items(item)
                    .build(),
            );
        }
        FieldType::Relation { to } => id().description(Some(format!("A record of `{to}`."))),
        FieldType::AnyRelation { to } => {
            id().description(Some(format!("A record of one of: {}.", to.join(", "))))
        }
        _ => id(),
    };
    let builder = if read_only {
        builder.read_only(true)
    } else {
        builder
    };
    Schema::from(builder.build())
}

/// Small words for the shapes below.
fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn text_or_null() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
}

fn whole() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

fn flag() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean)
}

fn anything() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue)
}

fn free() -> ObjectBuilder {
    ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)))
}

fn list(of: impl Into<utoipa::openapi::schema::ArrayItems>) -> Schema {
    Schema::from(ArrayBuilder::new().items(of).build())
}

fn named(name: &str) -> Ref {
    Ref::from_schema_name(name)
}

/// An object whose members are all required.
fn shape(members: Vec<(&str, RefOr<Schema>)>) -> RefOr<Schema> {
    let builder = members
        .into_iter()
        .fold(ObjectBuilder::new(), |builder, (name, schema)| {
            builder.property(name, schema).required(name)
        });
    Schema::from(builder.build()).into()
}

/// An object that takes these members and no others.
fn closed(
    required: Vec<(&str, RefOr<Schema>)>,
    optional: Vec<(&str, RefOr<Schema>)>,
) -> RefOr<Schema> {
    let builder =
        ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let builder = required
        .into_iter()
        .fold(builder, |builder, (name, schema)| {
            builder.property(name, schema).required(name)
        });
    let builder = optional
        .into_iter()
        .fold(builder, |builder, (name, schema)| {
            builder.property(name, schema)
        });
    Schema::from(builder.build()).into()
}

/// The shapes around records.
fn fixed() -> Vec<Named> {
    let one = |builder: ObjectBuilder| RefOr::from(Schema::from(builder.build()));
    let many = |schema: Schema| RefOr::from(schema);
    let kinds = [
        "text",
        "long_text",
        "email",
        "phone",
        "url",
        "integer",
        "decimal",
        "money",
        "percent",
        "boolean",
        "date",
        "time",
        "date_time",
        "choice",
        "multi_choice",
        "relation",
        "any_relation",
    ];
    let id = || one(text().pattern(Some("^[0-9A-Za-z]{15}$")));
    let id_or_null = || one(text_or_null().pattern(Some("^[0-9A-Za-z]{15}$")));
    let mut schemas: Vec<(&str, RefOr<Schema>)> = vec![
        ("Object", ObjectSummary::schema()),
        ("ObjectDescription", ObjectDescription::schema()),
        ("Field", FieldDescription::schema()),
        ("Option", OptionDescription::schema()),
        (
            "ObjectList",
            shape(vec![("objects", many(list(named("Object"))))]),
        ),
        (
            "Page",
            shape(vec![
                ("records", many(list(named("Record")))),
                ("next", one(text_or_null())),
                ("previous", one(text_or_null())),
            ]),
        ),
        ("Count", shape(vec![("count", one(whole()))])),
        (
            "Figures",
            shape(vec![(
                "rows",
                many(list(
                    ObjectBuilder::new()
                        .property("group", free())
                        .property("figures", free()),
                )),
            )]),
        ),
        (
            "BatchResults",
            shape(vec![("results", many(list(named("Changed"))))]),
        ),
        (
            "Changed",
            shape(vec![("id", id()), ("version", one(whole()))]),
        ),
        (
            "History",
            shape(vec![
                ("entries", many(list(named("HistoryEntry")))),
                (
                    "next",
                    one(ObjectBuilder::new()
                        .schema_type(SchemaType::Array(vec![Type::Integer, Type::Null]))),
                ),
            ]),
        ),
        (
            "HistoryEntry",
            shape(vec![
                ("sequence", one(whole())),
                (
                    "at",
                    one(text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))),
                ),
                (
                    "by",
                    shape(vec![("id", id()), ("name", one(text_or_null()))]),
                ),
                (
                    "action",
                    one(text().enum_values(Some(["created", "updated", "deleted", "restored"]))),
                ),
                ("fields", many(list(named("FieldChange")))),
            ]),
        ),
        (
            "FieldChange",
            shape(vec![
                ("field", one(text())),
                ("old", one(anything())),
                ("new", one(anything())),
            ]),
        ),
        (
            "SearchResults",
            shape(vec![("results", many(list(named("Found"))))]),
        ),
        (
            "Found",
            shape(vec![
                ("object", one(text())),
                ("id", id()),
                ("name", one(text())),
            ]),
        ),
        (
            "Session",
            shape(vec![
                (
                    "user",
                    shape(vec![
                        ("id", id()),
                        ("name", one(text())),
                        (
                            "role",
                            one(text().enum_values(Some(["owner", "admin", "member", "viewer"]))),
                        ),
                    ]),
                ),
                ("workspace", shape(vec![("name", one(text()))])),
                ("time_zone", one(text())),
                (
                    "today",
                    one(text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))),
                ),
                ("capabilities", many(list(text()))),
            ]),
        ),
        (
            "Credentials",
            closed(
                vec![
                    ("email", one(text())),
                    (
                        "password",
                        one(text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))),
                    ),
                ],
                vec![("workspace", one(text_or_null()))],
            ),
        ),
        (
            "StartedSession",
            shape(vec![("user", shape(vec![("id", id())]))]),
        ),
        (
            "LeadConversion",
            closed(
                Vec::new(),
                vec![
                    ("account_id", id_or_null()),
                    ("deal_name", one(text_or_null())),
                ],
            ),
        ),
        (
            "ConvertedLead",
            shape(vec![
                ("account_id", id()),
                ("contact_id", id()),
                ("deal_id", id_or_null()),
            ]),
        ),
        (
            "Batch",
            closed(
                vec![(
                    "changes",
                    RefOr::from(Schema::from(
                        ArrayBuilder::new()
                            .items(named("Change"))
                            .min_items(Some(1))
                            .max_items(Some(200))
                            .build(),
                    )),
                )],
                Vec::new(),
            ),
        ),
        (
            "Change",
            closed(
                vec![(
                    "action",
                    one(text().enum_values(Some(["create", "update", "delete", "restore"]))),
                )],
                vec![
                    ("id", id_or_null()),
                    (
                        "version",
                        one(whole().description(Some(
                            "The version the caller saw; for update and delete.",
                        ))),
                    ),
                    ("values", named("RecordInput").into()),
                ],
            ),
        ),
        (
            "NewObject",
            closed(
                vec![
                    ("name", one(text())),
                    ("plural", one(text())),
                    ("label", one(text())),
                    ("plural_label", one(text())),
                ],
                Vec::new(),
            ),
        ),
        (
            "NewField",
            closed(
                vec![
                    ("name", one(text())),
                    ("type", one(text().enum_values(Some(kinds)))),
                    ("label", one(text())),
                ],
                vec![
                    ("help", one(text_or_null())),
                    ("required", one(flag())),
                    ("unique", one(flag())),
                    ("indexed", one(flag())),
                    ("searchable", one(flag())),
                    (
                        "max",
                        one(whole().description(Some("Most characters of a text."))),
                    ),
                    (
                        "scale",
                        one(whole().description(Some("Decimals kept of a decimal."))),
                    ),
                    (
                        "options",
                        many(list(
                            AnyOfBuilder::new().item(text()).item(
                                ObjectBuilder::new()
                                    .property("value", text())
                                    .property("label", text_or_null())
                                    .required("value"),
                            ),
                        )),
                    ),
                    (
                        "to",
                        RefOr::from(Schema::from(
                            AnyOfBuilder::new()
                                .item(text())
                                .item(list(text()))
                                .description(Some(
                                    "The object that a relation leads to; a list for any_relation.",
                                ))
                                .build(),
                        )),
                    ),
                ],
            ),
        ),
        (
            "FieldLabels",
            closed(
                Vec::new(),
                vec![("label", one(text())), ("help", one(text_or_null()))],
            ),
        ),
    ];
    schemas.push(("Problem", problem()));
    schemas
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

/// RFC 9457.
fn problem() -> RefOr<Schema> {
    let fault = ObjectBuilder::new()
        .property(
            "pointer",
            text().description(Some("Where in the body (RFC 6901).")),
        )
        .property(
            "parameter",
            text().description(Some("Which query parameter.")),
        )
        .property("header", text().description(Some("Which header.")))
        .property("code", text().description(Some("Stable.")))
        .required("code")
        .property(
            "detail",
            text().description(Some("What to do, in English.")),
        )
        .required("detail");
    let problem = ObjectBuilder::new()
        .property(
            "type",
            text().format(Some(SchemaFormat::Custom("uri-reference".to_owned()))),
        )
        .property("title", text())
        .required("title")
        .property("status", whole())
        .required("status")
        .property("detail", text())
        .property("errors", list(fault))
        .property("current_version", whole())
        .property("request_id", text());
    Schema::from(problem.build()).into()
}
