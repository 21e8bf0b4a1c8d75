//! Products: what can be sold.

use crate::{
    Field, FieldType, ObjectClass, Value, Values,
    object::{Facts, SeenBy},
};

/// The facts. A published field id is never reused: devices in the field still hold it.
pub(crate) const FACTS: Facts = Facts {
    name: "product",
    plural: "products",
    prefix: b"01t",
    class: ObjectClass::Record,
    name_field: "name",
    salesforce: Some("Product2"),
    seen_by: SeenBy::Everybody,
    fields: &[
        Field::text(10, "name", 255)
            .required()
            .indexed()
            .searchable()
            .salesforce("Name"),
        Field::text(11, "code", 120)
            .unique()
            .searchable()
            .salesforce("ProductCode"),
        Field::text(12, "family", 120)
            .indexed()
            .salesforce("Family"),
        Field::new(13, "price", FieldType::Money),
        Field::new(14, "active", FieldType::Boolean)
            .required()
            .salesforce("IsActive"),
        Field::long_text(15, "description").salesforce("Description"),
        Field::text(16, "external_id", 255).unique().searchable(),
    ],
};

pub(crate) fn defaults() -> Values {
    Values::new().with("active", Value::Bool(true))
}
