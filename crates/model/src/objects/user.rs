//! Users: the people of a workspace, as everyone in it sees them. Identity keeps them; records refer to them.

use crate::{
    Choice, Field, FieldType, ObjectClass,
    object::{Facts, SeenBy},
};

const ROLES: &[Choice] = &[
    Choice::new("owner"),
    Choice::new("admin"),
    Choice::new("member"),
    Choice::new("viewer"),
];

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "user",
    plural: "users",
    prefix: b"005",
    class: ObjectClass::Directory,
    name_field: "name",
    salesforce: Some("User"),
    seen_by: SeenBy::Everybody,
    fields: &[
        Field::text(10, "name", 255)
            .required()
            .indexed()
            .searchable()
            .salesforce("Name"),
        Field::new(11, "email", FieldType::Email)
            .required()
            .unique()
            .salesforce("Email"),
        Field::choice(12, "role", ROLES).required(),
        Field::new(13, "active", FieldType::Boolean)
            .required()
            .salesforce("IsActive"),
    ],
};
