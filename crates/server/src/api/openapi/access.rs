//! The shapes of what people prove themselves with, of sessions, teams and sight.

use utoipa::openapi::{
    KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type, schema::SchemaType,
};

use super::programs::instant_or_null;
use super::shapes::{
    Named, closed, id, instant, list, many, named, one, shape, text, text_or_null, whole,
};

/// Every shape about access.
pub(super) fn all() -> Vec<Named> {
    [proofs(), sessions(), teams(), files()].concat()
}

/// What people prove themselves with.
fn proofs() -> Vec<Named> {
    vec![
        (
            "Credentials",
            closed(
                vec![("email", one(text())), ("password", one(secret()))],
                [vec![("workspace", one(text_or_null()))], codes()].concat(),
            ),
        ),
        (
            "Proof",
            closed(
                vec![],
                vec![("password", one(secret())), ("totp", one(text()))],
            ),
        ),
        ("Nothing", closed(vec![], vec![])),
        (
            "NewPassword",
            closed(
                vec![("present", one(secret())), ("new", one(secret()))],
                vec![(
                    "end_tokens",
                    one(truth().description(Some("Whether the caller's API tokens end too."))),
                )],
            ),
        ),
        ("Code", closed(vec![("totp", one(text()))], vec![])),
        ("EitherCode", closed(vec![], codes())),
        (
            "FactorRemoval",
            closed(vec![("password", one(secret()))], codes()),
        ),
        (
            "SecondFactor",
            shape(vec![
                ("since", one(text_or_null())),
                ("recovery_codes", one(whole())),
                ("required", one(truth())),
            ]),
        ),
        (
            "Seed",
            shape(vec![("secret", one(text())), ("uri", one(text()))]),
        ),
        (
            "RecoveryCodes",
            shape(vec![("recovery_codes", many(list(text())))]),
        ),
        (
            "StartedSession",
            shape(vec![("user", shape(vec![("id", id())]))]),
        ),
    ]
}

/// A code of a second factor: one of the two.
fn codes() -> Vec<(&'static str, RefOr<Schema>)> {
    vec![
        ("totp", one(text_or_null())),
        ("recovery_code", one(text_or_null())),
    ]
}

fn truth() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::Boolean))
}

/// Uploads.
fn files() -> Vec<Named> {
    let upload = vec![
        ("content_type", one(text())),
        ("size", one(whole())),
        ("sha256", one(text_or_null())),
        ("part_size", one(whole())),
        ("parts", one(whole())),
        ("received", many(list(whole().build()))),
        ("stored_at", instant_or_null()),
    ];
    let announcement = vec![("content_type", one(text())), ("size", one(whole()))];
    vec![
        ("Upload", shape(upload)),
        (
            "Announcement",
            closed(announcement, vec![("sha256", one(text_or_null()))]),
        ),
    ]
}

/// Sessions, and how a workspace's people sign in.
fn sessions() -> Vec<Named> {
    let policy = || {
        vec![
            ("idle_minutes", one(whole())),
            ("absolute_minutes", one(whole())),
            ("totp_required", one(truth())),
        ]
    };
    vec![
        (
            "SessionList",
            shape(vec![("sessions", many(list(named("OpenSession"))))]),
        ),
        (
            "OpenSession",
            shape(vec![
                ("id", id()),
                ("created_at", instant()),
                ("last_seen_at", instant()),
                ("user_agent", one(text())),
                ("address", one(text())),
                ("this", one(truth())),
            ]),
        ),
        ("EndedSessions", shape(vec![("ended", one(whole()))])),
        ("SignInPolicy", shape(policy())),
        ("SignInPolicyChange", closed(vec![], policy())),
    ]
}

fn secret() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
}

/// Teams, and whose records people see.
fn teams() -> Vec<Named> {
    vec![
        (
            "TeamList",
            shape(vec![("teams", many(list(named("Team"))))]),
        ),
        (
            "Team",
            shape(vec![
                ("id", id()),
                ("name", one(text())),
                (
                    "parent_id",
                    one(text().description(Some("The team it is below of, or null."))),
                ),
                ("members", many(list(text()))),
            ]),
        ),
        (
            "NewTeam",
            closed(
                vec![("name", one(text().max_length(Some(80))))],
                vec![("parent_id", one(text()))],
            ),
        ),
        (
            "TeamPatch",
            closed(
                Vec::new(),
                vec![
                    ("name", one(text().max_length(Some(80)))),
                    ("parent_id", one(text())),
                ],
            ),
        ),
        (
            "VisibilityList",
            shape(vec![
                ("default", one(text())),
                (
                    "people",
                    many(list(shape(vec![
                        ("id", id()),
                        ("name", one(text())),
                        ("role", one(text())),
                        (
                            "visibility",
                            one(text().description(Some("`all`, `team` or `own`."))),
                        ),
                    ]))),
                ),
            ]),
        ),
        (
            "DefaultVisibility",
            closed(vec![("default", one(text()))], Vec::new()),
        ),
        (
            "PersonVisibility",
            closed(vec![("visibility", one(text()))], Vec::new()),
        ),
    ]
}
