//! The shapes of what devices bring about: conflicts, and record sets.

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type, schema::SchemaType};

use super::shapes::{
    Named, anything, closed, free, id, id_or_null, instant, list, many, named, one, shape, text,
    text_or_null, whole,
};

/// Every shape about the field app.
pub(super) fn all() -> Vec<Named> {
    [conflicts(), record_sets()].concat()
}

fn conflicts() -> Vec<Named> {
    let kinds = ["edit", "edit_of_deleted", "delete_of_edited"];
    vec![
        (
            "ConflictList",
            shape(vec![
                ("conflicts", many(list(named("OpenConflict")))),
                ("next", id_or_null()),
            ]),
        ),
        (
            "OpenConflict",
            shape(vec![
                ("id", id()),
                ("user_id", id()),
                ("object", one(text())),
                ("record_id", id()),
                ("kind", one(text().enum_values(Some(kinds)))),
                ("fields", many(list(named("ConflictingField")))),
                ("device", one(text_or_null())),
                ("created_at", instant()),
            ]),
        ),
        (
            "ConflictingField",
            shape(vec![
                ("field", one(text())),
                ("seen", one(anything())),
                ("theirs", one(anything())),
                ("mine", one(anything())),
            ]),
        ),
        (
            "Settlement",
            closed(
                vec![(
                    "choose",
                    one(text().enum_values(Some(["mine", "theirs", "each"]))),
                )],
                vec![(
                    "values",
                    one(free().description(Some(
                        "With `each`: the fields to write; all others stay as they are.",
                    ))),
                )],
            ),
        ),
    ]
}

fn record_sets() -> Vec<Named> {
    let branches = || many(list(named("Branch")));
    let audience = || {
        vec![
            ("role", one(text_or_null())),
            ("person_id", id_or_null()),
            ("interval_s", one(whole_or_null())),
        ]
    };
    let published: Vec<(&str, RefOr<Schema>)> = [
        vec![
            ("id", id()),
            ("version", one(whole())),
            ("name", one(text())),
            ("root", one(text())),
            ("filter", one(text())),
            ("tree", branches()),
            ("updated_at", instant()),
        ],
        audience(),
    ]
    .concat();
    let wished = vec![("filter", one(text())), ("tree", branches())];
    vec![
        (
            "RecordSetList",
            shape(vec![("record_sets", many(list(named("RecordSet"))))]),
        ),
        ("RecordSet", shape(published)),
        (
            "NewRecordSet",
            closed(
                vec![("root", one(text()))],
                [
                    vec![("name", one(text().max_length(Some(120))))],
                    wished,
                    audience(),
                ]
                .concat(),
            ),
        ),
        (
            "Branch",
            closed(
                vec![("via", one(text().description(Some(
                    "`account_id` for where a record's relation leads, `contact.account_id` for what leads to the record.",
                ))))],
                vec![("tree", branches())],
            ),
        ),
        (
            "RecordSetFigures",
            shape(vec![(
                "figures",
                many(list(
                    ObjectBuilder::new()
                        .property("object", text())
                        .property("count", whole())
                        .property("bytes", whole()),
                )),
            )]),
        ),
    ]
}

fn whole_or_null() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::Integer, Type::Null]))
}
