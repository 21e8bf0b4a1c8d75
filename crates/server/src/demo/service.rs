//! The service company: lifts, what is wrong with them, and who looks after them.

use fieldstone_model::{Change, FieldType, RecordId, Registry, Value, Values};
use jiff::civil::Date;

use super::{
    activity::{Subject, activities},
    making::{Account, Making, Stages, shift, text},
    sales::case,
    words::{LIFT_CASES, LIFT_MODELS, STREETS},
};
use crate::schema::{NewField, NewObject};

const ACCOUNTS: usize = 150;
const CONTACTS: usize = 400;
const CASES: usize = 700;
const DEALS: usize = 120;
const LIFTS: usize = 260;
/// Tasks, events, calls, notes.
const ACTIVITIES: [usize; 4] = [800, 500, 250, 200];

const KINDS: &[(&str, u32)] = &[("customer", 88), ("prospect", 8), ("former", 4)];
const CONTRACTS: &[(&str, i64)] = &[
    ("Basic maintenance", 120_000),
    ("Full maintenance", 310_000),
    ("Modernisation survey", 95_000),
    ("Cabin refit", 1_450_000),
    ("Door drive replacement", 480_000),
    ("Emergency phone connection", 36_000),
];

/// The company's own object.
pub(super) fn lift() -> NewObject {
    NewObject {
        name: "lift".to_owned(),
        plural: "lifts".to_owned(),
        label: "Lift".to_owned(),
        plural_label: "Lifts".to_owned(),
    }
}

/// The fields of the company's own object.
pub(super) fn lift_fields() -> Vec<NewField> {
    let field = |name: &str, label: &str, kind| NewField {
        name: name.to_owned(),
        kind,
        label: label.to_owned(),
        help: None,
        required: false,
        unique: false,
        indexed: true,
        searchable: false,
        default: None,
        roll_up: None,
    };
    let options: Vec<_> = LIFT_MODELS
        .iter()
        .map(|model| fieldstone_model::Choice {
            value: model.to_lowercase().replace(' ', "_").into(),
            label: Some((*model).to_owned()),
        })
        .collect();
    let options = options.into();
    let to = "account".into();
    let mut account = field("account_id", "Account", FieldType::Relation { to });
    account.required = true;
    vec![
        account,
        field("model", "Model", FieldType::Choice { options }),
        field("floors", "Floors", FieldType::Integer),
        field("installed_on", "Installed on", FieldType::Date),
        field("next_inspection", "Next inspection", FieldType::Date),
        field("site", "Site", FieldType::Text { max: 255 }),
    ]
}

/// Two years of a company that services; without lifts where it has no such object, empty while it has no pipeline.
pub(super) fn changes(
    today: Date,
    registry: &Registry,
    owners: Vec<(RecordId, u32)>,
) -> Vec<Change> {
    let mut making = Making::new(0x5E7F_1CE0_11F7_5EED, today, registry, owners);
    let made = fill(&mut making);
    debug_assert!(made.is_some(), "the workspace has people and a pipeline");
    making.changes
}

fn fill(making: &mut Making<'_>) -> Option<()> {
    let stages = Stages::of(making.registry)?;
    for ((name, price), number) in CONTRACTS.iter().zip(1..) {
        let values = Values::new()
            .with("name", text(*name))
            .with("code", text(format!("SRV-{number:02}")))
            .with("family", text("Service"))
            .with("price", Value::Int(*price));
        making.add("product", making.day(-1_000), values)?;
    }
    let mut accounts = Vec::with_capacity(ACCOUNTS);
    for _ in 0..ACCOUNTS {
        accounts.push(making.account(KINDS)?);
    }
    for at in 0..CONTACTS {
        let place = if at < ACCOUNTS {
            at
        } else {
            making.random.below(ACCOUNTS)
        };
        making.contact(accounts.get_mut(place)?)?;
    }
    if making.registry.object("lift").is_some() {
        for number in 1..=LIFTS {
            one_lift(making, &accounts, number)?;
        }
    }
    let mut subjects: Vec<Subject> = Vec::new();
    for _ in 0..CASES {
        subjects.push(case(making, &accounts, LIFT_CASES, -720)?);
    }
    for _ in 0..DEALS {
        deal(making, &stages, &accounts)?;
    }
    activities(making, &subjects, ACTIVITIES)
}

fn one_lift(making: &mut Making<'_>, accounts: &[Account], number: usize) -> Option<()> {
    let account = making.random.pick(accounts)?.clone();
    let model = making.random.word(LIFT_MODELS);
    let age = making.random.range(60, 9_000);
    let inspection = making.random.range(-20, 330);
    let street = making.random.range(1, 120);
    let values = Values::new()
        .with("name", text(format!("{model} {number:04}")))
        .with("external_id", text(format!("QL-{number:05}")))
        .with("owner_id", Value::Id(account.owner))
        .with("account_id", Value::Id(account.id))
        .with("model", text(model.to_lowercase().replace(' ', "_")))
        .with("floors", Value::Int(making.random.range(2, 14)))
        .with("installed_on", Value::Date(making.day(-age)))
        .with("next_inspection", Value::Date(making.day(inspection)))
        .with(
            "site",
            text(format!("{street} {}", making.random.word(STREETS))),
        );
    let day = making.day(-age.min(900));
    making.add("lift", day, values).map(drop)
}

fn deal(making: &mut Making<'_>, stages: &Stages, accounts: &[Account]) -> Option<()> {
    let account = making.random.pick(accounts)?.clone();
    let (contract, price) = making.random.pick(CONTRACTS).copied()?;
    let days = making.random.range(-600, 60);
    let close = making.day(days);
    let open = shift(close, -making.random.range(10, 90)).min(making.day(-1));
    let stage = match close < making.today {
        true if making.random.chance(65) => stages.won,
        true => stages.lost,
        false => *making.random.pick(&stages.open)?,
    };
    let values = Values::new()
        .with("name", text(format!("{} – {contract}", account.name)))
        .with("account_id", Value::Id(account.id))
        .with("owner_id", Value::Id(account.owner))
        .with("stage_id", Value::Id(stage))
        .with("amount", Value::Int(price * making.random.range(1, 6)))
        .with("open_date", Value::Date(open))
        .with("close_date", Value::Date(close));
    making.add("deal", open, values).map(drop)
}
