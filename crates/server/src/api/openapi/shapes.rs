//! The shapes around records.

use utoipa::{
    PartialSchema as _,
    openapi::{
        ArrayBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
        schema::{AdditionalProperties, AnyOfBuilder, ArrayItems, SchemaType},
    },
};

use super::programs::{instant_or_null, programs};
use crate::api::describe::{FieldDescription, ObjectDescription, ObjectSummary, OptionDescription};

pub(super) type Named = (&'static str, RefOr<Schema>);

/// The types that a custom field may have.
const KINDS: [&str; 17] = [
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

/// Every shape that isn't an object's.
pub(super) fn all() -> impl Iterator<Item = Named> {
    [
        answers(),
        tellings(),
        people(),
        super::access::all(),
        super::people::all(),
        super::devices::all(),
        changes(),
        declarations(),
        programs(),
        vec![("Problem", problem())],
    ]
    .into_iter()
    .flatten()
}

/// What is answered about objects and records.
fn answers() -> Vec<Named> {
    vec![
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
    ]
}

/// What is told about what happened and what was found.
fn tellings() -> Vec<Named> {
    vec![
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
    ]
}

/// Sessions, and leads that become somebody.
fn people() -> Vec<Named> {
    vec![
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
            "TokenList",
            shape(vec![("tokens", many(list(named("Token"))))]),
        ),
        (
            "Token",
            shape(vec![
                ("id", id()),
                ("name", one(text())),
                ("prefix", one(text())),
                ("scopes", many(list(text()))),
                ("created_at", instant()),
                ("expires_at", instant()),
                ("last_seen_at", instant_or_null()),
            ]),
        ),
        (
            "NewToken",
            closed(
                vec![("name", one(text().max_length(Some(255))))],
                vec![
                    ("scopes", many(list(text()))),
                    (
                        "days",
                        one(whole().description(Some(
                            "How long it lives: 1 to 366 or what the workspace allows, 90 when nothing is said.",
                        ))),
                    ),
                ],
            ),
        ),
        (
            "CreatedToken",
            shape(vec![
                ("id", id()),
                ("name", one(text())),
                ("scopes", many(list(text()))),
                ("expires_at", instant()),
                ("token", one(text())),
            ]),
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
    ]
}

/// Many changes at once.
fn changes() -> Vec<Named> {
    vec![
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
    ]
}

/// The workspace's own objects and fields.
fn declarations() -> Vec<Named> {
    vec![
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
                    ("type", one(text().enum_values(Some(KINDS)))),
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
                vec![
                    ("label", one(text())),
                    ("help", one(text_or_null())),
                    (
                        "read_role",
                        one(text().description(Some(
                            "The weakest role that reads it: `viewer`, `member` or `admin`.",
                        ))),
                    ),
                    (
                        "write_role",
                        one(text().description(Some("The weakest role that sets it."))),
                    ),
                ],
            ),
        ),
    ]
}

pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

pub(super) fn text_or_null() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
}

pub(super) fn whole() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

pub(super) fn flag() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean)
}

pub(super) fn anything() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue)
}

pub(super) fn free() -> ObjectBuilder {
    ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)))
}

pub(super) fn list(of: impl Into<ArrayItems>) -> Schema {
    Schema::from(ArrayBuilder::new().items(of).build())
}

pub(super) fn named(name: &str) -> Ref {
    Ref::from_schema_name(name)
}

/// An object whose members are all required.
pub(super) fn shape(members: Vec<(&str, RefOr<Schema>)>) -> RefOr<Schema> {
    let builder = members
        .into_iter()
        .fold(ObjectBuilder::new(), |builder, (name, schema)| {
            builder.property(name, schema).required(name)
        });
    Schema::from(builder.build()).into()
}

/// The same with members that may be there.
pub(super) fn shape_with(
    members: Vec<(&str, RefOr<Schema>)>,
    optional: Vec<(&str, RefOr<Schema>)>,
) -> RefOr<Schema> {
    let builder = members
        .into_iter()
        .fold(ObjectBuilder::new(), |builder, (name, schema)| {
            builder.property(name, schema).required(name)
        });
    let builder = optional
        .into_iter()
        .fold(builder, |builder, (name, schema)| {
            builder.property(name, schema)
        });
    Schema::from(builder.build()).into()
}

/// An object that takes these members and no others.
pub(super) fn closed(
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

pub(super) fn one(builder: ObjectBuilder) -> RefOr<Schema> {
    Schema::from(builder.build()).into()
}

pub(super) fn many(schema: Schema) -> RefOr<Schema> {
    schema.into()
}

pub(super) fn instant() -> RefOr<Schema> {
    one(text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))))
}

pub(super) fn id() -> RefOr<Schema> {
    one(text().pattern(Some("^[0-9A-Za-z]{15}$")))
}

pub(super) fn id_or_null() -> RefOr<Schema> {
    one(text_or_null().pattern(Some("^[0-9A-Za-z]{15}$")))
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
