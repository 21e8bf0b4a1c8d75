//! Tests of demo data over the memory store.

use std::collections::{HashMap, HashSet};

use fieldstone_model::{
    Field, Object, RecordId, Registry, Role, Stage, StageKind, Value, Values, clock::FixedClock,
};
use fieldstone_store::{MemoryStore, Store as _, Workspace};
use jiff::civil::date;

use super::*;

fn stages() -> Vec<Stage> {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    [
        ("Prospecting", StageKind::Open),
        ("Proposal", StageKind::Open),
        ("Won", StageKind::Won),
        ("Lost", StageKind::Lost),
    ]
    .into_iter()
    .zip(1..)
    .map(|((name, kind), at)| Stage {
        id: RecordId::compose(*b"01J", now, at),
        pipeline_id: RecordId::compose(*b"fP0", now, 1),
        name: name.to_owned(),
        kind,
        probability: 0,
        position: i64::try_from(at).unwrap(),
    })
    .collect()
}

fn registry() -> Registry {
    let lift = service::lift();
    let object = Object::custom(
        lift.name,
        lift.plural,
        *b"a00",
        lift.label,
        lift.plural_label,
    );
    let fields = service::lift_fields()
        .into_iter()
        .zip(1_000..)
        .map(|(new, id)| {
            let mut field = Field::new(id, "", new.kind);
            field.name = new.name.into();
            field.required = new.required;
            field.indexed = new.indexed;
            field.custom = true;
            field
        });
    let fields = HashMap::from([("lift".to_owned(), fields.collect())]);
    Registry::new(1, vec![object], fields, stages())
}

/// A workspace with the company's people and the pipeline.
fn workspace(company: &Company) -> (MemoryStore, Vec<RecordId>) {
    let workspace = Workspace::new(
        registry(),
        FixedClock("2026-03-02T09:00:00Z".parse().unwrap()),
    );
    let text = |text: &str| Value::Text(text.to_owned());
    let create = |object: &str, id, values| Change::Create {
        object: object.to_owned(),
        id,
        values,
    };
    let pipeline = Values::new()
        .with("name", text("Sales"))
        .with("position", Value::Int(1));
    let mut seed = vec![create("pipeline", stages()[0].pipeline_id, pipeline)];
    seed.extend(stages().into_iter().map(|stage| {
        let values = Values::new()
            .with("name", text(&stage.name))
            .with("pipeline_id", Value::Id(stage.pipeline_id))
            .with("position", Value::Int(stage.position))
            .with("kind", text(stage.kind.name()))
            .with("probability", Value::Int(0));
        create("stage", stage.id, values)
    }));
    workspace.seed(&seed).unwrap();
    let stores: Vec<MemoryStore> = company
        .people
        .iter()
        .map(|person| workspace.add_user(person.name, &person.email(company), person.role))
        .collect();
    let ids = stores.iter().map(|store| store.user().id).collect();
    (stores[0].clone(), ids)
}

fn count(changes: &[Change], object: &str) -> usize {
    changes
        .iter()
        .filter(|change| change.object() == object)
        .count()
}

#[tokio::test]
async fn everything_can_be_stored() {
    for company in &COMPANIES {
        let (store, users) = workspace(company);
        let changes = changes(company, date(2026, 3, 2), store.registry(), &users);
        let applied = store.apply(&changes).await.unwrap();
        assert_eq!(applied.len(), changes.len());
        let viewer = company
            .people
            .iter()
            .zip(&users)
            .find(|(person, _)| person.role == Role::Viewer);
        let viewer = Value::Id(*viewer.unwrap().1);
        for change in &changes {
            let Change::Create { values, .. } = change else {
                unreachable!()
            };
            assert!(
                values.get("owner_id") != Some(&viewer),
                "a viewer owns nothing"
            );
        }
    }
}

#[test]
fn the_same_day_makes_the_same_data() {
    for company in &COMPANIES {
        let (store, users) = workspace(company);
        let on = |day| changes(company, day, store.registry(), &users);
        let today = date(2026, 3, 2);
        assert_eq!(on(today), on(today));
        assert_ne!(on(today), on(date(2026, 3, 3)));
        let ids: HashSet<RecordId> = on(today).iter().map(Change::id).collect();
        assert_eq!(ids.len(), on(today).len(), "ids are different");
    }
}

#[test]
fn the_sales_company_is_believable() {
    let company = &COMPANIES[0];
    let (store, users) = workspace(company);
    let today = date(2026, 3, 2);
    let changes = changes(company, today, store.registry(), &users);
    assert_eq!(count(&changes, "deal"), 10_000);
    assert_eq!(count(&changes, "account"), 900);
    assert_eq!(count(&changes, "contact"), 2_500);
    assert_eq!(count(&changes, "product"), 40);
    assert!(
        (5_800..=6_000).contains(&count(&changes, "deal_line")),
        "{}",
        count(&changes, "deal_line")
    );
    assert!(
        (24_000..27_000).contains(&changes.len()),
        "{}",
        changes.len()
    );

    let mut by_stage: HashMap<RecordId, Vec<i64>> = HashMap::new();
    let (mut first, mut last) = (today, today);
    for change in &changes {
        let Change::Create { object, values, .. } = change else {
            unreachable!()
        };
        if object != "deal" {
            continue;
        }
        let stage = values.get("stage_id").and_then(Value::as_id).unwrap();
        let amount = values.get("amount").and_then(Value::as_int).unwrap();
        assert!(amount > 0);
        by_stage.entry(stage).or_default().push(amount);
        let (Some(Value::Date(open)), Some(Value::Date(close))) =
            (values.get("open_date"), values.get("close_date"))
        else {
            unreachable!()
        };
        assert!(open <= close && *open < today);
        (first, last) = (first.min(*close), last.max(*close));
    }
    assert!(
        first < date(2024, 3, 20) && last > date(2026, 5, 15),
        "{first} {last}"
    );
    let stages = stages();
    let deals = |at: usize| by_stage[&stages[at].id].len();
    let (ongoing, victories, defeats) = (deals(0) + deals(1), deals(2), deals(3));
    assert!((800..2_500).contains(&ongoing), "{ongoing}");
    let rate = victories * 100 / (victories + defeats);
    assert!((30..45).contains(&rate), "{rate}");
    let mut amounts = by_stage.into_values().flatten().collect::<Vec<_>>();
    amounts.sort_unstable();
    let median = amounts[amounts.len() / 2];
    assert!((400_000..1_600_000).contains(&median), "{median}");
}

#[test]
fn amounts_are_the_sum_of_their_lines() {
    let company = &COMPANIES[0];
    let (store, users) = workspace(company);
    let changes = changes(company, date(2026, 3, 2), store.registry(), &users);
    let mut sums: HashMap<RecordId, i64> = HashMap::new();
    let mut amounts: HashMap<RecordId, i64> = HashMap::new();
    for change in &changes {
        let Change::Create { object, id, values } = change else {
            unreachable!()
        };
        let number = |field: &str| values.get(field).and_then(Value::as_int).unwrap();
        match object.as_str() {
            "deal" => {
                amounts.insert(*id, number("amount"));
            }
            "deal_line" => {
                let total = (number("quantity") / 1_000
                    * number("unit_price")
                    * (10_000 - number("discount"))
                    + 5_000)
                    / 10_000;
                *sums
                    .entry(values.get("deal_id").and_then(Value::as_id).unwrap())
                    .or_default() += total;
            }
            _ => {}
        }
    }
    assert!(sums.len() > 2_000);
    for (deal, sum) in sums {
        assert_eq!(amounts[&deal], sum);
    }
}
