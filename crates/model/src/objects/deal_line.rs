//! Deal lines: the products of a deal, with quantity, price and discount.

use crate::{
    Field, FieldError, FieldType, ObjectClass, Problem, Value, Values,
    object::{Facts, SeenBy},
    objects::Draft,
    value::NUMBER_MAX,
};

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "deal_line",
    plural: "deal_lines",
    prefix: b"00k",
    class: ObjectClass::Record,
    name_field: "name",
    salesforce: Some("OpportunityLineItem"),
    seen_by: SeenBy::Parent("deal_id"),
    fields: &[
        Field::text(10, "name", 255)
            .required()
            .indexed()
            .searchable()
            .salesforce("Name"),
        Field::relation(11, "deal_id", "deal")
            .required()
            .salesforce("OpportunityId"),
        Field::relation(12, "product_id", "product").salesforce("Product2Id"),
        Field::new(13, "quantity", FieldType::Decimal { scale: 3 })
            .required()
            .salesforce("Quantity"),
        Field::new(14, "unit_price", FieldType::Money)
            .required()
            .salesforce("UnitPrice"),
        Field::new(15, "discount", FieldType::Percent).salesforce("Discount"),
        Field::new(16, "total", FieldType::Money)
            .derived()
            .salesforce("TotalPrice"),
        Field::text(17, "external_id", 255).unique().searchable(),
    ],
};

pub(crate) fn defaults(_draft: &Draft<'_>) -> Values {
    Values::new().with("quantity", Value::Int(1_000))
}

/// Quantity × unit price − discount, half up to a hundredth. `None` when it leaves the range of amounts.
fn total(draft: &Draft<'_>) -> Option<i64> {
    let number = |field: &str| i128::from(draft.get(field).as_int().unwrap_or(0));
    // quantity is in thousandths, discount in hundredths of a percent
    let exact = number("quantity") * number("unit_price") * (10_000 - number("discount"));
    let rounded = (exact + exact.signum() * 5_000_000) / 10_000_000;
    i64::try_from(rounded)
        .ok()
        .filter(|total| total.abs() <= NUMBER_MAX)
}

pub(crate) fn derived(draft: &Draft<'_>) -> Values {
    Values::new().with("total", total(draft).map_or(Value::Null, Value::Int))
}

pub(crate) fn check(draft: &Draft<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let discount = draft.get("discount").as_int().unwrap_or(0);
    if !(0..=10_000).contains(&discount) {
        errors.push(FieldError::new(
            "discount",
            Problem::OutOfRange {
                min: "0".to_owned(),
                max: "100".to_owned(),
            },
        ));
    }
    if total(draft).is_none() {
        errors.push(FieldError::new("quantity", Problem::Rule { code: "total_too_large", advice: "Lower the quantity or the price; the total is larger than an amount can be." }));
    }
    errors
}
