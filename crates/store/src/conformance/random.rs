//! Random records, changes and queries: an implementation answers what the memory store answers.

use std::fmt::Debug;

use fieldstone_model::{
    Change, Comparison, Field, FieldType, Filter, Object, Order, Query, RecordId, SystemClock,
    Value, Values,
    query::{Path, Presence},
};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};

use super::{Fixture, Team, creation, list, paging::walk, text, values};
use crate::{Applied, MemoryStore, Store, StoreError, Workspace};

/// Workspaces filled at random.
const WORKSPACES: usize = 4;
/// Batches of changes applied to each.
const BATCHES: usize = 12;
/// Queries asked of each.
const QUERIES: usize = 80;

/// Texts that fold, sort and match in surprising ways.
const TEXTS: [&str; 16] = [
    "a",
    "A",
    "Á",
    "ab",
    "a b",
    "a  B",
    "b",
    "ß",
    "ss",
    "10% off",
    "10",
    "a_b",
    "Zoë 🌾",
    "ﬁne",
    "555-12 34",
    "\u{FFFD}end",
];

/// Fields that differ between any two stores because they say when.
const MOMENTS: [&str; 4] = ["created_at", "updated_at", "closed_at", "deleted_at"];

/// Paths of a deal that filters and orders are made of, with the field at their end.
fn paths(object: &Object, store: &impl Store) -> Vec<(Path, Field)> {
    let dotted = [
        "account.name",
        "account.city",
        "account.annual_revenue",
        "account.parent.name",
        "account.version",
        "owner.name",
        "stage.position",
        "stage.kind",
        "sponsor.account.city",
    ];
    object
        .fields
        .iter()
        .map(|field| field.name.as_ref())
        .filter(|name| !MOMENTS.contains(name))
        .chain(dotted)
        .map(|path| {
            let path = Path::from_text(path);
            let field = store
                .registry()
                .resolve(object, &path)
                .unwrap()
                .field
                .clone();
            (path, field)
        })
        .collect()
}

fn value(field: &Field, ids: &[RecordId]) -> BoxedStrategy<Value> {
    let ids = ids.to_vec();
    match &field.kind {
        FieldType::Text { .. } | FieldType::LongText { .. } => {
            prop::sample::select(&TEXTS[..]).prop_map(text).boxed()
        }
        FieldType::Email => Just(text("ada@example.com")).boxed(),
        FieldType::Phone => prop::sample::select(vec!["+49 30 12", "0049 (30) 12", "55"])
            .prop_map(text)
            .boxed(),
        FieldType::Url => Just(text("https://example.com")).boxed(),
        FieldType::Boolean => any::<bool>().prop_map(Value::Bool).boxed(),
        FieldType::Date => (0_i64..4)
            .prop_map(|days| {
                Value::Date(fieldstone_model::value::days_to_date(days * 40 - 40).unwrap())
            })
            .boxed(),
        FieldType::Time => (0_i8..4)
            .prop_map(|hour| Value::Time(jiff::civil::time(hour, 0, 0, 0)))
            .boxed(),
        FieldType::DateTime => (-2_i64..2)
            .prop_map(|second| Value::DateTime(jiff::Timestamp::from_second(second).unwrap()))
            .boxed(),
        FieldType::Choice { options } => {
            let options: Vec<_> = options
                .iter()
                .map(|option| option.value.to_string())
                .collect();
            prop::sample::select(options).prop_map(text).boxed()
        }
        FieldType::MultiChoice { options } => {
            let options: Vec<_> = options
                .iter()
                .map(|option| option.value.to_string())
                .collect();
            prop::sample::subsequence(options, 1..=2)
                .prop_map(Value::Choices)
                .boxed()
        }
        FieldType::Relation { .. } | FieldType::AnyRelation { .. } | FieldType::Id => {
            prop::sample::select(ids).prop_map(Value::Id).boxed()
        }
        _ => (-3_i64..4)
            .prop_map(|number| Value::Int(number * 100))
            .boxed(),
    }
}

fn filter(paths: &[(Path, Field)], ids: &[RecordId]) -> BoxedStrategy<Filter> {
    let ids = ids.to_vec();
    let filterable: Vec<_> = paths
        .iter()
        .filter(|(_, field)| field.is_filterable())
        .cloned()
        .collect();
    let leaf = prop::sample::select(filterable).prop_flat_map(move |(path, field)| {
        let comparisons: Vec<Comparison> = [
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::Less,
            Comparison::LessOrEqual,
            Comparison::Greater,
            Comparison::GreaterOrEqual,
            Comparison::Contains,
            Comparison::StartsWith,
        ]
        .into_iter()
        .filter(|comparison| comparison.suits(&field.kind))
        .collect();
        let single = matches!(field.kind, FieldType::MultiChoice { .. });
        let wanted = if single {
            prop::sample::select(&super::schema::OPTIONS[..])
                .prop_map(text)
                .boxed()
        } else {
            value(&field, &ids)
        };
        let (of, among, empty) = (path.clone(), path.clone(), path);
        let compare = (prop::sample::select(comparisons), wanted.clone()).prop_map(
            move |(comparison, value)| Filter::Compare {
                path: of.clone(),
                comparison,
                value,
            },
        );
        let within = prop::collection::vec(wanted, 0..4).prop_map(move |values| Filter::In {
            path: among.clone(),
            values,
        });
        let empty = Just(Filter::Empty { path: empty });
        if single {
            prop_oneof![4 => compare, 1 => empty].boxed()
        } else {
            prop_oneof![6 => compare, 1 => within, 1 => empty].boxed()
        }
    });
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
    .boxed()
}

fn query(paths: &[(Path, Field)], ids: &[RecordId]) -> BoxedStrategy<Query> {
    let sortable: Vec<_> = paths
        .iter()
        .filter(|(_, field)| field.is_sortable())
        .map(|(path, _)| path.clone())
        .collect();
    let order = (prop::sample::select(sortable), any::<bool>())
        .prop_map(|(path, descending)| Order { path, descending });
    let filter = prop_oneof![1 => Just(Filter::All), 5 => filter(paths, ids)];
    let presence = prop_oneof![
        4 => Just(Presence::Living),
        1 => Just(Presence::Deleted),
        1 => Just(Presence::All)
    ];
    let search = prop_oneof![
        5 => Just(None),
        1 => prop::sample::select(&TEXTS[..]).prop_map(|text| Some(text.to_owned()))
    ];
    (
        filter,
        prop::collection::vec(order, 0..=3),
        presence,
        search,
        1_u32..9,
    )
        .prop_map(|(filter, order, presence, search, limit)| Query {
            filter,
            order,
            presence,
            search,
            limit,
            ..Query::new("deal")
        })
        .boxed()
}

/// Changes of deals, right and wrong ones: ids used twice, versions guessed, values of any kind the field has.
fn batch(object: &Object, deals: &[RecordId], ids: &[RecordId]) -> BoxedStrategy<Vec<Change>> {
    let writable: Vec<Field> = object
        .writable_fields()
        .filter(|field| field.name != "stage_id")
        .cloned()
        .collect();
    let ids = ids.to_vec();
    let one = prop::sample::select(writable).prop_flat_map(move |field| {
        let name = field.name.to_string();
        prop_oneof![4 => value(&field, &ids), 1 => Just(Value::Null)]
            .prop_map(move |value| (name.clone(), value))
    });
    let pairs =
        prop::collection::vec(one, 0..6).prop_map(|pairs| pairs.into_iter().collect::<Values>());
    let change = (
        prop::sample::select(deals.to_vec()),
        0..10,
        pairs,
        prop::option::weighted(0.2, 1_i64..4),
    )
        .prop_map(|(id, action, mut values, expected)| {
            let object = "deal".to_owned();
            match action {
                0..5 => {
                    if values.get("name").is_none() {
                        values.set("name", text("unnamed"));
                    }
                    Change::Create { object, id, values }
                }
                5..8 => Change::Update {
                    object,
                    id,
                    expected,
                    values,
                },
                8 => Change::Delete {
                    object,
                    id,
                    expected,
                },
                _ => Change::Restore { object, id },
            }
        });
    prop::collection::vec(change, 1..5).boxed()
}

/// A memory store with the same users, pipeline and stages.
async fn oracle<S: Store>(team: &Team<S>) -> MemoryStore {
    let store = &team.member;
    let workspace = Workspace::new(store.registry().clone(), SystemClock);
    for user in list(store, &Query::new("user")).await.records {
        let field = |name: &str| user.get(name).as_text().unwrap().to_owned();
        let role = field("role").parse().unwrap();
        workspace.adopt_user(user.id, &field("name"), &field("email"), role);
    }
    for object in ["pipeline", "stage"] {
        let declared = store.registry().object(object).unwrap().clone();
        for record in list(store, &Query::new(object)).await.records {
            let values = declared
                .writable_fields()
                .map(|field| (field.name.to_string(), record.get(&field.name).clone()))
                .collect();
            let change = Change::Create {
                object: object.to_owned(),
                id: record.id,
                values,
            };
            workspace.seed(&[change]).unwrap();
        }
    }
    workspace.store_of(store.user())
}

fn outcome(answer: Result<Vec<Applied>, StoreError>) -> Result<Vec<Applied>, String> {
    answer.map_err(|error| format!("{error:?}"))
}

/// Every batch of changes is answered alike, and afterwards every query is.
pub async fn random_queries_agree_with_memory<F: Fixture>(fixture: &F) {
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::default()
    });
    for _ in 0..WORKSPACES {
        let team = fixture.workspace().await;
        let store = &team.member;
        let memory = oracle(&team).await;
        let object = store.registry().object("deal").unwrap().clone();
        let (deals, ids) = parents(store, &memory).await;
        for _ in 0..BATCHES {
            let changes = batch(&object, &deals, &ids)
                .new_tree(&mut runner)
                .unwrap()
                .current();
            let (ours, theirs) = (store.apply(&changes).await, memory.apply(&changes).await);
            assert_eq!(outcome(ours), outcome(theirs), "after {changes:#?}");
        }
        let queries = query(&paths(&object, store), &[ids, deals].concat());
        for _ in 0..QUERIES {
            let mut tree = queries.new_tree(&mut runner).unwrap();
            let mut complaint = disagreement(store, &memory, &tree.current()).await;
            let mut smallest = tree.current();
            let mut steps = 0;
            while complaint.is_some() && steps < 200 && tree.simplify() {
                steps += 1;
                while disagreement(store, &memory, &tree.current())
                    .await
                    .is_none()
                {
                    if !tree.complicate() {
                        break;
                    }
                }
                if let Some(found) = disagreement(store, &memory, &tree.current()).await {
                    complaint = Some(found);
                    smallest = tree.current();
                }
            }
            assert!(
                complaint.is_none(),
                "{smallest:#?}\n{}",
                complaint.unwrap_or_default()
            );
        }
    }
}

/// Ids for the deals to come, and ids of records in both stores that they may refer to, one of them wrong for every field.
async fn parents<S: Store>(store: &S, memory: &MemoryStore) -> (Vec<RecordId>, Vec<RecordId>) {
    let mut changes: Vec<Change> = Vec::new();
    for (at, city) in ["Lyon", "lyón", "Bern"].into_iter().enumerate() {
        let mut pairs = vec![("name", text(TEXTS[at * 2])), ("city", text(city))];
        if let Some(parent) = changes.last() {
            pairs.push(("parent_id", Value::Id(parent.id())));
            pairs.push(("annual_revenue", Value::Int(100)));
        }
        changes.push(creation(store, "account", pairs));
    }
    let account = changes[1].id();
    for (name, account) in [("Byron", Value::Id(account)), ("Noether", Value::Null)] {
        changes.push(Change::Create {
            object: "contact".to_owned(),
            id: store.new_id("contact").unwrap(),
            values: values([("last_name", text(name)), ("account_id", account)]),
        });
    }
    store.apply(&changes).await.unwrap();
    memory.apply(&changes).await.unwrap();
    let deals = (0..25).map(|_| store.new_id("deal").unwrap()).collect();
    let mut ids: Vec<RecordId> = changes.iter().map(Change::id).collect();
    ids.push(store.user().id);
    (deals, ids)
}

/// What the two answer differently, if anything: all pages both ways, the count, and the records themselves.
async fn disagreement<S: Store>(store: &S, memory: &MemoryStore, query: &Query) -> Option<String> {
    let differ = |what: &str, ours: &dyn Debug, theirs: &dyn Debug| {
        Some(format!("{what}: {ours:#?}\nbut in memory: {theirs:#?}"))
    };
    let (ours, theirs) = (walk(store, query).await, walk(memory, query).await);
    if ours != theirs {
        return differ("pages", &ours, &theirs);
    }
    let count = (
        store.count(query).await.unwrap(),
        memory.count(query).await.unwrap(),
    );
    if count.0 != count.1 {
        return differ("count", &count.0, &count.1);
    }
    let (ours, theirs) = (list(store, query).await, list(memory, query).await);
    for (ours, theirs) in ours.records.iter().zip(&theirs.records) {
        for ((column, ours), (_, theirs)) in ours.iter().zip(theirs.iter()) {
            let moment = MOMENTS.contains(&column.name.as_str());
            if ours != theirs && !moment {
                return differ(&column.name, ours, theirs);
            }
        }
    }
    None
}
