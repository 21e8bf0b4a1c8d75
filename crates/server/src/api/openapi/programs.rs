//! The shapes around programs that act for people, and around the audit log.

use utoipa::openapi::{
    KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type, schema::SchemaType,
};

use super::shapes::{
    Named, closed, flag, free, id, instant, list, many, named, one, shape, text, text_or_null,
    whole,
};

pub(super) fn programs() -> Vec<Named> {
    vec![
        (
            "GrantList",
            shape(vec![("grants", many(list(named("Grant"))))]),
        ),
        (
            "Grant",
            shape(vec![
                ("id", id()),
                ("client_id", one(text())),
                ("name", one(text())),
                ("scope", one(text())),
                ("label", one(text())),
                ("address", one(text())),
                ("created_at", instant()),
                ("last_seen_at", instant_or_null()),
            ]),
        ),
        (
            "NewGrant",
            closed(
                vec![(
                    "client_id",
                    one(text().enum_values(Some(["fieldstone-device"]))),
                )],
                vec![
                    (
                        "scope",
                        one(text().description(Some(
                            "Capabilities, separated by spaces; all that the field app is registered for when nothing is said.",
                        ))),
                    ),
                    (
                        "label",
                        one(text()
                            .max_length(Some(255))
                            .description(Some("The device's name, for the person's list."))),
                    ),
                ],
            ),
        ),
        (
            "CreatedGrant",
            shape(vec![
                ("grant", id()),
                ("access_token", one(text())),
                ("token_type", one(text().enum_values(Some(["Bearer"])))),
                ("expires_in", one(whole())),
                ("refresh_token", one(text())),
                ("scope", one(text())),
            ]),
        ),
        (
            "AuditEventList",
            shape(vec![
                ("events", many(list(named("AuditEvent")))),
                ("next", one(text_or_null())),
            ]),
        ),
        (
            "AuditEvent",
            shape(vec![
                ("seq", one(whole())),
                ("at", instant()),
                ("actor", one(text())),
                ("action", one(text())),
                ("target", one(text())),
                ("detail", one(free())),
                ("hash", one(text())),
            ]),
        ),
        (
            "AuditVerdict",
            shape(vec![
                ("whole", one(flag())),
                ("events", one(whole())),
                ("first_break", one(whole_or_null())),
            ]),
        ),
    ]
}

pub(super) fn instant_or_null() -> RefOr<Schema> {
    one(text_or_null().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))))
}

fn whole_or_null() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::Integer, Type::Null]))
}
