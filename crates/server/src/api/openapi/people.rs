//! The shapes of members, invitations and memberships.

use utoipa::openapi::{ObjectBuilder, SchemaFormat, Type, schema::SchemaType};

use super::shapes::{
    Named, closed, id, instant, list, many, named, one, shape, text, text_or_null,
};

/// Every shape about people.
pub(super) fn all() -> Vec<Named> {
    vec![
        (
            "MemberList",
            shape(vec![
                ("members", many(list(named("Member")))),
                ("next", one(text_or_null())),
            ]),
        ),
        (
            "Member",
            shape(vec![
                ("id", id()),
                ("name", one(text())),
                ("email", one(email())),
                ("role", one(role())),
                ("active", one(boolean())),
                ("last_seen_at", one(instant_or_null())),
                ("second_factor", one(boolean())),
            ]),
        ),
        (
            "MemberChange",
            closed(
                Vec::new(),
                vec![("role", one(role())), ("active", one(boolean()))],
            ),
        ),
        (
            "InvitationList",
            shape(vec![("invitations", many(list(named("Invitation"))))]),
        ),
        (
            "Invitation",
            shape(vec![
                ("id", id()),
                ("email", one(email())),
                ("role", one(role())),
                (
                    "state",
                    one(text().enum_values(Some(["open", "expired", "accepted", "withdrawn"]))),
                ),
                ("invited_by", one(text_or_null())),
                ("sent_at", instant()),
                ("expires_at", instant()),
            ]),
        ),
        (
            "NewInvitations",
            closed(
                vec![("emails", many(list(email()))), ("role", one(role()))],
                vec![("language", one(text().enum_values(Some(["en", "de"]))))],
            ),
        ),
        (
            "CreatedInvitations",
            shape(vec![(
                "invitations",
                many(list(
                    ObjectBuilder::new()
                        .property("id", id())
                        .property("email", email()),
                )),
            )]),
        ),
        (
            "Membership",
            shape(vec![
                ("role", one(role())),
                ("email", one(email())),
                (
                    "email_change",
                    one(ObjectBuilder::new()
                        .schema_type(SchemaType::Array(vec![Type::Object, Type::Null]))),
                ),
            ]),
        ),
        (
            "NewEmail",
            closed(vec![("email", one(email()))], Vec::new()),
        ),
    ]
}

fn role() -> ObjectBuilder {
    text().enum_values(Some(["owner", "admin", "member", "viewer"]))
}

fn email() -> ObjectBuilder {
    text().format(Some(SchemaFormat::Custom("email".to_owned())))
}

fn boolean() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean)
}

fn instant_or_null() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
        .format(Some(SchemaFormat::KnownFormat(
            utoipa::openapi::KnownFormat::DateTime,
        )))
}
