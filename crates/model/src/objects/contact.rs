//! Contacts: people, usually at an account.

use crate::{
    Field, FieldType, ObjectClass,
    object::{Facts, SeenBy},
};

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "contact",
    plural: "contacts",
    prefix: b"003",
    class: ObjectClass::Record,
    name_field: "name",
    salesforce: Some("Contact"),
    seen_by: SeenBy::Owner,
    fields: &[
        Field::text(10, "name", 255)
            .derived()
            .indexed()
            .searchable()
            .personal()
            .salesforce("Name"),
        Field::text(11, "first_name", 120)
            .personal()
            .salesforce("FirstName"),
        Field::text(12, "last_name", 120)
            .required()
            .indexed()
            .personal()
            .salesforce("LastName"),
        Field::relation(13, "account_id", "account").salesforce("AccountId"),
        Field::text(14, "job_title", 120).salesforce("Title"),
        Field::new(15, "email", FieldType::Email)
            .indexed()
            .searchable()
            .personal()
            .salesforce("Email"),
        Field::new(16, "phone", FieldType::Phone)
            .searchable()
            .personal()
            .salesforce("Phone"),
        Field::new(17, "mobile", FieldType::Phone)
            .searchable()
            .personal()
            .salesforce("MobilePhone"),
        Field::text(18, "street", 255)
            .personal()
            .salesforce("MailingStreet"),
        Field::text(19, "city", 120).salesforce("MailingCity"),
        Field::text(20, "postal_code", 20).salesforce("MailingPostalCode"),
        Field::text(21, "region", 120).salesforce("MailingState"),
        Field::text(22, "country", 120).salesforce("MailingCountry"),
        Field::new(23, "birthday", FieldType::Date)
            .personal()
            .salesforce("Birthdate"),
        Field::long_text(24, "description").salesforce("Description"),
        Field::text(25, "external_id", 255).unique().searchable(),
    ],
};
