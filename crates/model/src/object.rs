//! Objects: the kinds of record there are.

use std::borrow::Cow;

use crate::{Field, FieldType};

/// One kind of record. Standard objects are constants in [`crate::objects`]; custom ones are made from the tenant's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// API name, singular: `deal`.
    pub name: Cow<'static, str>,
    /// Plural API name, also the segment of page addresses: `deals`.
    pub plural: Cow<'static, str>,
    /// First three characters of its ids.
    pub prefix: [u8; 3],
    /// Who may write it.
    pub class: ObjectClass,
    /// The field that names a record: `name`, or `subject`.
    pub name_field: Cow<'static, str>,
    /// Name in Salesforce.
    pub salesforce: Option<&'static str>,
    /// Label of a custom object; standard ones are labelled by the catalogue of texts.
    pub label: Option<String>,
    /// Plural label of a custom object.
    pub plural_label: Option<String>,
    /// All fields, system fields first.
    pub fields: Vec<Field>,
    /// Whether it is the tenant's own.
    pub custom: bool,
    /// Whose records a person sees who doesn't see everybody's.
    pub seen_by: SeenBy,
}

/// Whose records a person sees who doesn't see everybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenBy {
    /// Everybody sees all of them: what all work with, such as products.
    Everybody,
    /// Those who see their owner.
    Owner,
    /// Those who see the record that this relation leads to, such as a line's deal.
    Parent(&'static str),
}

/// Who may write an object's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectClass {
    /// Everyone with `records.write`.
    Record,
    /// Everyone with `schema.manage`: settings that are records (pipelines, stages).
    Managed,
    /// Nobody through the store: kept by another part of the product (users).
    Directory,
}

/// The facts of a standard object, as its file states them.
#[derive(Debug)]
pub struct Facts {
    /// API name, singular.
    pub name: &'static str,
    /// Plural API name.
    pub plural: &'static str,
    /// First three characters of its ids.
    pub prefix: &'static [u8; 3],
    /// Who may write it.
    pub class: ObjectClass,
    /// The field that names a record.
    pub name_field: &'static str,
    /// Name in Salesforce.
    pub salesforce: Option<&'static str>,
    /// Whose records a person sees who doesn't see everybody's.
    pub seen_by: SeenBy,
    /// Its own fields; the system fields are added by [`Object::standard`].
    pub fields: &'static [Field],
}

/// Fields that every object has. `owner_id` is for records only.
pub const SYSTEM_FIELDS: [Field; 7] = [
    Field::new(1, "id", FieldType::Id)
        .system()
        .indexed()
        .salesforce("Id"),
    Field::new(2, "version", FieldType::Integer).system(),
    Field::new(3, "created_at", FieldType::DateTime)
        .system()
        .indexed()
        .salesforce("CreatedDate"),
    Field::relation(4, "created_by_id", "user")
        .system()
        .salesforce("CreatedById"),
    Field::new(5, "updated_at", FieldType::DateTime)
        .system()
        .indexed()
        .salesforce("LastModifiedDate"),
    Field::relation(6, "updated_by_id", "user")
        .system()
        .salesforce("LastModifiedById"),
    Field::new(7, "deleted_at", FieldType::DateTime).system(),
];

/// The person responsible for a record.
pub const OWNER_FIELD: Field = Field::relation(8, "owner_id", "user")
    .required()
    .salesforce("OwnerId");

impl Object {
    /// A standard object from its facts.
    pub fn standard(facts: &Facts) -> Self {
        let mut fields = SYSTEM_FIELDS.to_vec();
        if facts.class == ObjectClass::Record {
            fields.push(OWNER_FIELD);
        }
        fields.extend_from_slice(facts.fields);
        Self {
            name: Cow::Borrowed(facts.name),
            plural: Cow::Borrowed(facts.plural),
            prefix: *facts.prefix,
            class: facts.class,
            name_field: Cow::Borrowed(facts.name_field),
            salesforce: facts.salesforce,
            label: None,
            plural_label: None,
            fields,
            custom: false,
            seen_by: facts.seen_by,
        }
    }

    /// A custom object: a name, an owner, and the fields that its tenant adds.
    pub fn custom(
        name: String,
        plural: String,
        prefix: [u8; 3],
        label: String,
        plural_label: String,
    ) -> Self {
        let mut fields = SYSTEM_FIELDS.to_vec();
        fields.push(OWNER_FIELD);
        fields.push(
            Field::text(10, "name", 255)
                .required()
                .indexed()
                .searchable(),
        );
        fields.push(Field::text(11, "external_id", 255).unique().searchable());
        Self {
            name: Cow::Owned(name),
            plural: Cow::Owned(plural),
            prefix,
            class: ObjectClass::Record,
            name_field: Cow::Borrowed("name"),
            salesforce: None,
            label: Some(label),
            plural_label: Some(plural_label),
            fields,
            custom: true,
            seen_by: SeenBy::Owner,
        }
    }

    /// The field of this API name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The field that names a record.
    pub fn name_field(&self) -> Option<&Field> {
        self.field(&self.name_field)
    }

    /// The single relation read through as `relation` in dotted paths.
    pub fn relation(&self, relation: &str) -> Option<&Field> {
        self.fields
            .iter()
            .find(|field| field.relation_name() == Some(relation))
    }

    /// Fields that people may set.
    pub fn writable_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.is_writable())
    }

    /// Fields whose words search finds.
    pub fn searchable_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.searchable)
    }

    /// The prefix as text.
    pub fn prefix_str(&self) -> &str {
        std::str::from_utf8(&self.prefix).unwrap_or_default()
    }
}
