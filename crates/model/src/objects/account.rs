//! Accounts: organisations and households that business is done with.

use crate::{
    Choice, Field, FieldType, ObjectClass,
    object::{Facts, SeenBy},
};

const INDUSTRIES: &[Choice] = &[
    Choice::new("agriculture"),
    Choice::new("construction"),
    Choice::new("education"),
    Choice::new("energy"),
    Choice::new("entertainment"),
    Choice::new("finance"),
    Choice::new("government"),
    Choice::new("healthcare"),
    Choice::new("hospitality"),
    Choice::new("manufacturing"),
    Choice::new("marketing"),
    Choice::new("nonprofit"),
    Choice::new("retail"),
    Choice::new("services"),
    Choice::new("software"),
    Choice::new("technology"),
    Choice::new("telecommunications"),
    Choice::new("transport"),
    Choice::new("other"),
];

const KINDS: &[Choice] = &[
    Choice::new("prospect"),
    Choice::new("customer"),
    Choice::new("partner"),
    Choice::new("supplier"),
    Choice::new("former"),
];

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "account",
    plural: "accounts",
    prefix: b"001",
    class: ObjectClass::Record,
    name_field: "name",
    salesforce: Some("Account"),
    seen_by: SeenBy::Owner,
    fields: &[
        Field::text(10, "name", 255)
            .required()
            .indexed()
            .searchable()
            .salesforce("Name"),
        Field::choice(11, "kind", KINDS).salesforce("Type"),
        Field::choice(12, "industry", INDUSTRIES)
            .indexed()
            .salesforce("Industry"),
        Field::new(13, "phone", FieldType::Phone)
            .searchable()
            .salesforce("Phone"),
        Field::new(14, "email", FieldType::Email).searchable(),
        Field::new(15, "website", FieldType::Url).salesforce("Website"),
        Field::relation(16, "parent_id", "account").salesforce("ParentId"),
        Field::new(17, "annual_revenue", FieldType::Money)
            .indexed()
            .salesforce("AnnualRevenue"),
        Field::new(18, "employees", FieldType::Integer).salesforce("NumberOfEmployees"),
        Field::new(19, "founded", FieldType::Integer).salesforce("YearStarted"),
        Field::text(20, "street", 255).salesforce("BillingStreet"),
        Field::text(21, "city", 120)
            .indexed()
            .searchable()
            .salesforce("BillingCity"),
        Field::text(22, "postal_code", 20).salesforce("BillingPostalCode"),
        Field::text(23, "region", 120).salesforce("BillingState"),
        Field::text(24, "country", 120).salesforce("BillingCountry"),
        Field::long_text(25, "description").salesforce("Description"),
        Field::text(26, "external_id", 255).unique().searchable(),
    ],
};
