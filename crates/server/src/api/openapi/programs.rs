//! The shapes around programs that act for people, and around the audit log.

use utoipa::openapi::{
    KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type, schema::SchemaType,
};

use super::shapes::{
    Named, closed, flag, free, id, instant, list, many, named, one, shape, shape_with, text,
    text_or_null, whole,
};

/// Every shape about programs and the audit log.
pub(super) fn programs() -> Vec<Named> {
    [managed(), acting()].concat()
}

/// What those who manage the workspace keep: service accounts, applications, the life of tokens.
fn managed() -> Vec<Named> {
    let account = || {
        vec![
            ("id", id()),
            ("name", one(text())),
            ("role", one(text().enum_values(Some(SERVICE_ROLES)))),
            ("active", one(flag())),
            ("created_at", instant()),
            ("last_seen_at", instant_or_null()),
            ("tokens", one(whole())),
        ]
    };
    let described = || {
        vec![
            ("name", one(text().max_length(Some(255)))),
            ("redirect_uris", many(list(text()))),
            ("scopes", many(list(text()))),
        ]
    };
    let application = || {
        [
            vec![("id", id()), ("client_id", one(text()))],
            described(),
            vec![
                ("built_in", one(flag())),
                ("confidential", one(flag())),
                ("active", one(flag())),
            ],
        ]
        .concat()
    };
    let policy = || {
        vec![
            ("api_token_days_max", one(whole())),
            ("oauth_access_minutes", one(whole())),
        ]
    };
    vec![
        (
            "ServiceAccountList",
            shape(vec![(
                "service_accounts",
                many(list(named("ServiceAccount"))),
            )]),
        ),
        ("ServiceAccount", shape(account())),
        (
            "NewServiceAccount",
            closed(
                vec![("name", one(text().max_length(Some(255))))],
                vec![("role", one(text().enum_values(Some(SERVICE_ROLES))))],
            ),
        ),
        (
            "ServiceAccountChange",
            closed(
                Vec::new(),
                vec![
                    ("name", one(text().max_length(Some(255)))),
                    ("role", one(text().enum_values(Some(SERVICE_ROLES)))),
                    ("active", one(flag())),
                ],
            ),
        ),
        (
            "ApplicationList",
            shape(vec![("applications", many(list(named("Application"))))]),
        ),
        ("Application", shape(application())),
        (
            "NewApplication",
            closed(described(), vec![("confidential", one(flag()))]),
        ),
        (
            "CreatedApplication",
            shape_with(
                application(),
                vec![(
                    "client_secret",
                    one(text().description(Some("Of a confidential application; shown this once."))),
                )],
            ),
        ),
        (
            "ApplicationChange",
            closed(
                Vec::new(),
                [described(), vec![("active", one(flag()))]].concat(),
            ),
        ),
        (
            "ClientSecret",
            shape(vec![
                ("client_id", one(text())),
                ("client_secret", one(text())),
            ]),
        ),
        ("TokenPolicy", shape(policy())),
        ("TokenPolicyChange", closed(Vec::new(), policy())),
    ]
}

/// Roles that a service account can have.
const SERVICE_ROLES: [&str; 3] = ["viewer", "member", "admin"];

/// Programs that act for people, and the audit log.
fn acting() -> Vec<Named> {
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

pub(super) fn whole_or_null() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::Integer, Type::Null]))
}
