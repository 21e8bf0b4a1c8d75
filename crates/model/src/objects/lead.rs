//! Leads: people who may become customers. A qualified lead is converted into an account, a contact and a deal.

use crate::{
    Change, Choice, Field, FieldError, FieldType, ObjectClass, Problem, RecordId, Value, Values,
    object::{Facts, SeenBy},
    objects::Draft,
};

/// Where a lead or deal came from.
pub(crate) const SOURCES: &[Choice] = &[
    Choice::new("website"),
    Choice::new("referral"),
    Choice::new("partner"),
    Choice::new("event"),
    Choice::new("phone"),
    Choice::new("email"),
    Choice::new("advertising"),
    Choice::new("other"),
];

const STATUSES: &[Choice] = &[
    Choice::new("new"),
    Choice::new("working"),
    Choice::new("qualified"),
    Choice::new("unqualified"),
    Choice::new("converted"),
];

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "lead",
    plural: "leads",
    prefix: b"00Q",
    class: ObjectClass::Record,
    name_field: "name",
    salesforce: Some("Lead"),
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
            .personal()
            .salesforce("LastName"),
        Field::text(13, "company", 255)
            .indexed()
            .searchable()
            .salesforce("Company"),
        Field::choice(14, "status", STATUSES)
            .required()
            .indexed()
            .salesforce("Status"),
        Field::choice(15, "source", SOURCES).salesforce("LeadSource"),
        Field::text(16, "job_title", 120).salesforce("Title"),
        Field::new(17, "email", FieldType::Email)
            .indexed()
            .searchable()
            .personal()
            .salesforce("Email"),
        Field::new(18, "phone", FieldType::Phone)
            .searchable()
            .personal()
            .salesforce("Phone"),
        Field::new(19, "website", FieldType::Url).salesforce("Website"),
        Field::text(20, "street", 255)
            .personal()
            .salesforce("Street"),
        Field::text(21, "city", 120).salesforce("City"),
        Field::text(22, "postal_code", 20).salesforce("PostalCode"),
        Field::text(23, "region", 120).salesforce("State"),
        Field::text(24, "country", 120).salesforce("Country"),
        Field::long_text(25, "description").salesforce("Description"),
        Field::text(26, "external_id", 255).unique().searchable(),
        Field::relation(27, "converted_account_id", "account").salesforce("ConvertedAccountId"),
        Field::relation(28, "converted_contact_id", "contact").salesforce("ConvertedContactId"),
        Field::relation(29, "converted_deal_id", "deal").salesforce("ConvertedOpportunityId"),
    ],
};

pub(crate) fn defaults() -> Values {
    Values::new().with("status", Value::Text("new".to_owned()))
}

/// A converted lead has its account; nothing else may claim to be converted, and a conversion is not taken back.
pub(crate) fn check(draft: &Draft<'_>) -> Vec<FieldError> {
    let converted = draft.get("status").as_text() == Some("converted");
    let has_account = !draft.get("converted_account_id").is_null();
    let was_converted = draft
        .before
        .and_then(|before| before.get("status"))
        .and_then(Value::as_text)
        == Some("converted");
    let rule = |code, advice| vec![FieldError::new("status", Problem::Rule { code, advice })];
    if was_converted && !converted {
        return rule(
            "lead_stays_converted",
            "This lead has been converted. Work with its contact and deal instead.",
        );
    }
    if converted != has_account {
        return rule(
            "lead_convert_instead",
            "Convert the lead to set this; it then gets its account, contact and deal.",
        );
    }
    Vec::new()
}

/// What a conversion makes, and what it uses.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// An account that exists already, or the id of the one to make.
    pub account: Target,
    /// The id of the contact to make.
    pub contact_id: RecordId,
    /// The id and name of the deal to make; `None` makes no deal.
    pub deal: Option<(RecordId, String)>,
}

/// An account to use or to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One that exists.
    Existing(RecordId),
    /// One to make under this id.
    New(RecordId),
}

/// The changes that convert `lead` (its values as stored) in one atomic step.
///
/// `expected` is the version the user saw: a lead that somebody else has converted meanwhile is a version conflict, not a second account.
pub fn conversion(
    lead_id: RecordId,
    expected: i64,
    lead: &Values,
    conversion: &Conversion,
) -> Vec<Change> {
    let take = |fields: &[(&str, &str)]| -> Values {
        fields
            .iter()
            .filter_map(|(from, to)| {
                lead.get(from)
                    .filter(|value| !value.is_null())
                    .map(|value| ((*to).to_owned(), value.clone()))
            })
            .collect()
    };
    let address = [
        ("street", "street"),
        ("city", "city"),
        ("postal_code", "postal_code"),
        ("region", "region"),
        ("country", "country"),
        ("owner_id", "owner_id"),
    ];
    let mut changes = Vec::new();
    let (Target::Existing(account_id) | Target::New(account_id)) = conversion.account;
    if let Target::New(id) = conversion.account {
        let mut values = take(
            &[
                &address[..],
                &[
                    ("company", "name"),
                    ("website", "website"),
                    ("phone", "phone"),
                ],
            ]
            .concat(),
        );
        if values.get("name").is_none() {
            values.set("name", lead.get("name").cloned().unwrap_or_default());
        }
        changes.push(Change::Create {
            object: "account".to_owned(),
            id,
            values,
        });
    }
    let person = [
        ("first_name", "first_name"),
        ("last_name", "last_name"),
        ("job_title", "job_title"),
        ("email", "email"),
        ("phone", "phone"),
        ("description", "description"),
    ];
    let contact = take(&[&address[..], &person].concat()).with("account_id", Value::Id(account_id));
    changes.push(Change::Create {
        object: "contact".to_owned(),
        id: conversion.contact_id,
        values: contact,
    });
    let mut lead_values = Values::new()
        .with("status", Value::Text("converted".to_owned()))
        .with("converted_account_id", Value::Id(account_id))
        .with("converted_contact_id", Value::Id(conversion.contact_id));
    if let Some((id, name)) = &conversion.deal {
        let deal = take(&[("owner_id", "owner_id"), ("source", "source")])
            .with("name", Value::Text(name.clone()))
            .with("account_id", Value::Id(account_id))
            .with("contact_id", Value::Id(conversion.contact_id));
        changes.push(Change::Create {
            object: "deal".to_owned(),
            id: *id,
            values: deal,
        });
        lead_values.set("converted_deal_id", Value::Id(*id));
    }
    changes.push(Change::Update {
        object: "lead".to_owned(),
        id: lead_id,
        expected: Some(expected),
        values: lead_values,
    });
    changes
}
