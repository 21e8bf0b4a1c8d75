//! Schemas: the standard objects from the registry, then the shapes around them.

use std::collections::HashMap;

use fieldstone_model::{
    Field, FieldType, Object, ObjectClass, Registry, Stage, StageKind, Value, Values, objects,
};
use jiff::Timestamp;
use serde_json::json;
use utoipa::openapi::{
    ArrayBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
    schema::{AdditionalProperties, AnyOfBuilder, SchemaType},
};

use super::shapes;

type Named = (String, RefOr<Schema>);

/// Every schema of the document.
pub(super) fn all(registry: &Registry) -> Vec<Named> {
    let mut schemas: Vec<Named> = Vec::new();
    let mut names = Vec::new();
    for object in registry.objects() {
        let name = pascal(&object.name);
        schemas.push((name.clone(), record(object)));
        if object.class != ObjectClass::Directory {
            schemas.push((format!("{name}Input"), input(object)));
        }
        names.push((name, object.class));
    }
    let any = |suffix: &str, names: &mut dyn Iterator<Item = &String>| {
        let any = names.fold(AnyOfBuilder::new(), |any, name| {
            any.item(Ref::from_schema_name(format!("{name}{suffix}")))
        });
        let custom = "The fields of one of the workspace's own objects.";
        let custom = ObjectBuilder::new()
            .description(Some(custom))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)));
        RefOr::from(Schema::from(any.item(custom).build()))
    };
    schemas.push((
        "Record".to_owned(),
        any("", &mut names.iter().map(|(name, _)| name)),
    ));
    let writable = names
        .iter()
        .filter(|(_, class)| *class != ObjectClass::Directory);
    schemas.push((
        "RecordInput".to_owned(),
        any("Input", &mut writable.map(|(name, _)| name)),
    ));
    let shapes = shapes::all().map(|(name, schema)| (name.to_owned(), schema));
    schemas.extend(shapes);
    schemas
}

/// `deal_line` → `DealLine`.
fn pascal(name: &str) -> String {
    let capital = |part: &str| {
        let mut chars = part.chars();
        chars
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + chars.as_str())
            .unwrap_or_default()
    };
    name.split('_').map(capital).collect()
}

/// A record with all its fields.
fn record(object: &Object) -> RefOr<Schema> {
    let mut builder =
        ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)));
    for field in &object.fields {
        builder = builder.property(field.name.as_ref(), value(field, !field.is_writable()));
    }
    Schema::from(builder.required("id").required("version").build()).into()
}

/// What people set. Fields that the rules fill in when they are left out aren't required.
fn input(object: &Object) -> RefOr<Schema> {
    let mut builder =
        ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)));
    let filled = filled(object);
    for field in object.writable_fields() {
        builder = builder.property(field.name.as_ref(), value(field, false));
    }
    let needed: Vec<&str> = object
        .writable_fields()
        .filter(|field| field.required && !filled.contains(&field.name.as_ref()))
        .map(|field| field.name.as_ref())
        .collect();
    if !needed.is_empty() {
        builder = builder.description(Some(format!("A new record needs: {}.", needed.join(", "))));
    }
    Schema::from(builder.build()).into()
}

/// Fields with defaults, worked out by the rules themselves.
fn filled(object: &Object) -> Vec<&str> {
    let (Ok(id), Ok(pipeline_id)) = ("01J000000000001".parse(), "fP0000000000001".parse()) else {
        return Vec::new();
    };
    let stage = Stage {
        id,
        pipeline_id,
        name: String::new(),
        kind: StageKind::Open,
        probability: 0,
        position: 0,
    };
    let registry = Registry::new(0, Vec::new(), HashMap::new(), vec![stage]);
    let start = Timestamp::UNIX_EPOCH;
    let written = Values::new().with("starts_at", Value::DateTime(start));
    let defaults = objects::defaults(&object.name, &written, &registry, start, id);
    let fields = object.fields.iter().map(|field| field.name.as_ref());
    fields
        .filter(|name| *name == "owner_id" || defaults.get(name).is_some())
        .collect()
}

/// The value of one field; null where it may be empty.
fn value(field: &Field, read_only: bool) -> Schema {
    let nullable = |kind: Type| {
        if field.required || matches!(field.name.as_ref(), "id" | "version") {
            SchemaType::Type(kind)
        } else {
            SchemaType::Array(vec![kind, Type::Null])
        }
    };
    let text = || ObjectBuilder::new().schema_type(nullable(Type::String));
    let known = |format| text().format(Some(SchemaFormat::KnownFormat(format)));
    let custom = |format: &str| text().format(Some(SchemaFormat::Custom(format.to_owned())));
    let id = || text().pattern(Some("^[0-9A-Za-z]{15}$"));
    let builder = match &field.kind {
        FieldType::Text { max } | FieldType::LongText { max } => {
            text().max_length(usize::try_from(*max).ok())
        }
        FieldType::Email => custom("email").max_length(Some(254)),
        FieldType::Phone => text().max_length(Some(40)),
        FieldType::Url => custom("uri").max_length(Some(1000)),
        FieldType::Integer => ObjectBuilder::new().schema_type(nullable(Type::Integer)),
        FieldType::Decimal { .. } | FieldType::Money | FieldType::Percent => {
            ObjectBuilder::new().schema_type(nullable(Type::Number))
        }
        FieldType::Boolean => ObjectBuilder::new().schema_type(nullable(Type::Boolean)),
        FieldType::Date => known(KnownFormat::Date),
        FieldType::Time => custom("time"),
        FieldType::DateTime => known(KnownFormat::DateTime),
        FieldType::Choice { options } => {
            let null = (!field.required).then_some(serde_json::Value::Null);
            let options = options.iter().map(|option| json!(option.value)).chain(null);
            text().enum_values(Some(options.collect::<Vec<_>>()))
        }
        FieldType::MultiChoice { options } => {
            let options = options.iter().map(|option| json!(option.value));
            let item = ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(options.collect::<Vec<_>>()));
            return Schema::from(
                ArrayBuilder::new()
                    .schema_type(nullable(Type::Array))
                    .items(item)
                    .build(),
            );
        }
        FieldType::Relation { to } => id().description(Some(format!("A record of `{to}`."))),
        FieldType::AnyRelation { to } => {
            id().description(Some(format!("A record of one of: {}.", to.join(", "))))
        }
        _ => id(),
    };
    let builder = if read_only {
        builder.read_only(true)
    } else {
        builder
    };
    Schema::from(builder.build())
}
