//! What the workspaces of the suite are made of: custom fields, a custom object, a pipeline. And the memory store made of it.

use std::{borrow::Cow, collections::HashMap};

use fieldstone_model::{
    Change, Choice, Field, FieldType, Object, RecordId, Registry, Role, Stage, StageKind,
    SystemClock, Value,
};

use super::{Fixture, Team, text, values};
use crate::{MemoryStore, Workspace};

/// Name, kind, probability in hundredths of a percent, of each stage of the pipeline "Sales", in order.
pub const STAGES: [(&str, StageKind, i64); 5] = [
    ("New", StageKind::Open, 1_000),
    ("Talking", StageKind::Open, 2_550),
    ("Offered", StageKind::Open, 6_000),
    ("Won", StageKind::Won, 10_000),
    ("Lost", StageKind::Lost, 0),
];

/// Options of every choice the suite adds.
pub const OPTIONS: [&str; 4] = ["gold", "silver", "bronze", "tin"];

fn options() -> Cow<'static, [Choice]> {
    let option = |value| Choice {
        value: Cow::Borrowed(value),
        label: Some(format!("A {value} one")),
    };
    OPTIONS.into_iter().map(option).collect()
}

fn added(id: u16, name: &'static str, kind: FieldType) -> Field {
    Field {
        custom: true,
        label: Some(format!("The {name}")),
        ..Field::new(id, name, kind)
    }
}

/// The custom fields to add, by object; their numbers start at 1000.
pub fn custom_fields() -> HashMap<String, Vec<Field>> {
    let relation = |id, name, to| Field {
        custom: true,
        label: Some(format!("The {name}")),
        ..Field::relation(id, name, to)
    };
    let on_deal = vec![
        added(1000, "territory", FieldType::Text { max: 60 })
            .indexed()
            .searchable(),
        added(1001, "seats", FieldType::Integer).indexed(),
        added(1002, "contract_number", FieldType::Text { max: 40 }).unique(),
        added(
            1003,
            "interests",
            FieldType::MultiChoice { options: options() },
        )
        .indexed(),
        added(1004, "margin", FieldType::Decimal { scale: 3 }).indexed(),
        added(1005, "renewal", FieldType::Date).indexed(),
        added(1006, "reviewed", FieldType::Boolean).indexed(),
        added(1007, "reviewed_at", FieldType::DateTime).indexed(),
        added(1008, "call_at", FieldType::Time).indexed(),
        added(1009, "tier", FieldType::Choice { options: options() }).indexed(),
        added(1010, "remark", FieldType::Text { max: 100 }),
        added(1011, "story", FieldType::LongText { max: 2000 }),
        added(1012, "hotline", FieldType::Phone)
            .indexed()
            .searchable(),
        relation(1013, "sponsor_id", "contact"),
    ];
    let on_inspection = vec![
        relation(1000, "account_id", "account"),
        added(1001, "inspected_on", FieldType::Date).indexed(),
        added(1002, "result", FieldType::Choice { options: options() }).indexed(),
        added(1003, "fine", FieldType::Money).indexed(),
        added(1004, "findings", FieldType::LongText { max: 5000 }).searchable(),
        added(1005, "certificate", FieldType::Integer).unique(),
        Field {
            required: true,
            ..added(1006, "inspector", FieldType::Text { max: 80 })
        },
    ];
    HashMap::from([
        ("deal".to_owned(), on_deal),
        ("inspection".to_owned(), on_inspection),
    ])
}

/// The custom object to add, without the fields of [`custom_fields`]. Another prefix is fine.
pub fn custom_object() -> Object {
    Object::custom(
        "inspection".to_owned(),
        "inspections".to_owned(),
        *b"a00",
        "Inspection".to_owned(),
        "Inspections".to_owned(),
    )
}

/// The pipeline's stages, with ids of the caller's choice.
pub fn stages(pipeline_id: RecordId, mut id: impl FnMut(usize) -> RecordId) -> Vec<Stage> {
    let stage =
        |(position, (at, (name, kind, probability))): (i64, (usize, &(&str, _, _)))| Stage {
            id: id(at),
            pipeline_id,
            name: (*name).to_owned(),
            kind: *kind,
            probability: *probability,
            position,
        };
    (0..).zip(STAGES.iter().enumerate()).map(stage).collect()
}

/// The changes that make the pipeline "Sales" with these stages.
pub fn settings(stages: &[Stage]) -> Vec<Change> {
    let pipeline_id = stages[0].pipeline_id;
    let pipeline = Change::Create {
        object: "pipeline".to_owned(),
        id: pipeline_id,
        values: values([("name", text("Sales")), ("position", Value::Int(0))]),
    };
    let stages = stages.iter().map(|stage| Change::Create {
        object: "stage".to_owned(),
        id: stage.id,
        values: values([
            ("name", text(stage.name.clone())),
            ("pipeline_id", Value::Id(pipeline_id)),
            ("position", Value::Int(stage.position)),
            ("kind", text(stage.kind.name())),
            ("probability", Value::Int(stage.probability)),
        ]),
    });
    std::iter::once(pipeline).chain(stages).collect()
}

/// Name, e-mail address and role of each user, in the order of [`Team`].
pub const USERS: [(&str, &str, Role); 4] = [
    ("Olive Owner", "olive@example.com", Role::Owner),
    ("Adam Admin", "adam@example.com", Role::Admin),
    ("Mia Member", "mia@example.com", Role::Member),
    ("Vic Viewer", "vic@example.com", Role::Viewer),
];

/// The suite on the memory store.
#[derive(Debug, Clone, Copy)]
pub struct MemoryFixture;

impl Fixture for MemoryFixture {
    type Store = MemoryStore;

    async fn workspace(&self) -> Team<MemoryStore> {
        memory_team()
    }
}

/// A workspace in memory as every fixture makes it.
pub fn memory_team() -> Team<MemoryStore> {
    let pipeline_id = "fP00000000000Aa".parse().unwrap();
    let stages = stages(pipeline_id, |at| {
        format!("01J00000000000{at}").parse().unwrap()
    });
    let settings = settings(&stages);
    let registry = Registry::new(1, vec![custom_object()], custom_fields(), stages);
    let workspace = Workspace::new(registry, SystemClock);
    workspace.seed(&settings).unwrap();
    let [owner, admin, member, viewer] =
        USERS.map(|(name, email, role)| workspace.add_user(name, email, role));
    Team {
        owner,
        admin,
        member,
        viewer,
    }
}
