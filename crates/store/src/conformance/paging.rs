//! Keyset paging: walking all pages, either way, gives exactly the sorted whole.

use std::cmp::Ordering;

use fieldstone_model::{Change, Filter, Query, Record, RecordId, Value, value::Key};
use jiff::{Timestamp, civil};

use super::{Fixture, Team, creation, deletion, list, listed, make, text};
use crate::{Store, decode_cursor, encode_cursor};

/// Deals with few different values, many ties and many gaps in every sortable field, and the accounts they belong to.
async fn crowd<S: Store>(team: &Team<S>) {
    let store = &team.member;
    let names = [
        "Öl", "ol", "Ola", "zebra", "Zebra", "éclair", "Apfel", "apfel ",
    ];
    let accounts: Vec<Change> = names
        .iter()
        .zip(0_i64..)
        .map(|(name, at)| {
            let mut pairs = vec![("name", text(*name))];
            if at % 2 == 0 {
                pairs.push(("annual_revenue", Value::Int(at % 3 * 1000)));
                pairs.push(("city", text(if at % 4 == 0 { "Lyon" } else { "lyón" })));
            }
            creation(store, "account", pairs)
        })
        .collect();
    store.apply(&accounts).await.unwrap();
    let stages = store.registry().stages().to_vec();
    let owners = [team.owner.user().id, store.user().id];
    let deals: Vec<Change> = (0..41_usize)
        .map(|at| {
            let number = i64::try_from(at).unwrap();
            let date = civil::date(2026, 1, i8::try_from(at % 5).unwrap() + 1);
            let mut pairs = vec![
                ("name", text(names[at * 3 % names.len()])),
                ("owner_id", Value::Id(owners[at % 2])),
                ("stage_id", Value::Id(stages[at % stages.len()].id)),
            ];
            let mut some = |of: usize, field: &'static str, value: Value| {
                if !at.is_multiple_of(of) {
                    pairs.push((field, value));
                }
            };
            some(
                4,
                "account_id",
                Value::Id(accounts[at % accounts.len()].id()),
            );
            some(3, "amount", Value::Int(number % 6 * 100 - 200));
            some(5, "close_date", Value::Date(date));
            some(7, "open_date", Value::Date(date));
            some(2, "source", text(["website", "partner", "email"][at % 3]));
            some(3, "next_step", text(names[at % names.len()]));
            some(2, "territory", text(names[at * 5 % names.len()]));
            some(3, "seats", Value::Int(number % 4 - 2));
            some(2, "contract_number", text(format!("C-{}", number * 7 % 41)));
            some(4, "margin", Value::Int(number % 3 * 1111));
            some(3, "renewal", Value::Date(date));
            some(5, "reviewed", Value::Bool(at % 2 == 0));
            let at_instant = Timestamp::from_second(number % 4 * 1000 - 2000).unwrap();
            some(4, "reviewed_at", Value::DateTime(at_instant));
            let hour = i8::try_from(at % 4).unwrap();
            some(3, "call_at", Value::Time(civil::time(hour, 0, 0, 0)));
            some(3, "tier", text(["gold", "tin"][at % 2]));
            creation(store, "deal", pairs)
        })
        .collect();
    store.apply(&deals).await.unwrap();
}

/// The order as its definition says it, computed from the records' values alone.
fn sorted(mut records: Vec<Record>, query: &Query) -> Vec<RecordId> {
    let keys = |record: &Record| -> Vec<Option<Key>> {
        query
            .order
            .iter()
            .map(|order| {
                let name = order.path.to_string();
                let at = record.columns.position(&name).unwrap();
                let kind = &record.columns.iter().nth(at).unwrap().kind;
                record.values[at].key(kind)
            })
            .collect()
    };
    records.sort_by(|left, right| {
        let mut last_descends = query.order.is_empty();
        for ((order, left), right) in query.order.iter().zip(keys(left)).zip(keys(right)) {
            last_descends = order.descending;
            let ordering = match (left, right) {
                (Some(left), Some(right)) if order.descending => right.cmp(&left),
                (Some(left), Some(right)) => left.cmp(&right),
                (left, right) => left.is_none().cmp(&right.is_none()),
            };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
        if last_descends {
            right.id.cmp(&left.id)
        } else {
            left.id.cmp(&right.id)
        }
    });
    records.iter().map(|record| record.id).collect()
}

/// Ids of all pages by following `next`, then of all pages by following `previous` from the last one, turned round.
///
/// Cursors travel as text, as they do between the API and its callers.
pub(super) async fn walk<S: Store>(store: &S, query: &Query) -> (Vec<RecordId>, Vec<RecordId>) {
    let ids = |page: &crate::Page| {
        page.records
            .iter()
            .map(|record| record.id)
            .collect::<Vec<_>>()
    };
    let mut page = list(store, query).await;
    assert!(page.previous.is_none(), "nothing is before the first page");
    let mut forward = ids(&page);
    while let Some(cursor) = page.next {
        let cursor = decode_cursor(&encode_cursor(&cursor)).unwrap();
        let query = Query {
            cursor: Some(cursor),
            ..query.clone()
        };
        page = list(store, &query).await;
        assert!(!page.records.is_empty(), "a cursor led to an empty page");
        assert!(page.previous.is_some(), "the way back is missing");
        forward.extend(ids(&page));
    }
    let mut backward: Vec<Vec<RecordId>> = vec![ids(&page)];
    while let Some(cursor) = page.previous {
        let cursor = decode_cursor(&encode_cursor(&cursor)).unwrap();
        let query = Query {
            cursor: Some(cursor),
            ..query.clone()
        };
        page = list(store, &query).await;
        assert!(page.next.is_some(), "the way forth is missing");
        backward.push(ids(&page));
    }
    (forward, backward.into_iter().rev().flatten().collect())
}

async fn assert_pages<S: Store>(store: &S, query: Query) {
    let columns: Vec<String> = query
        .order
        .iter()
        .map(|order| order.path.to_string())
        .collect();
    let query = query.columns(columns.iter().map(String::as_str));
    let whole = list(store, &query.clone().limit(200)).await;
    let expected = sorted(whole.records.clone(), &query);
    let ids: Vec<_> = whole.records.iter().map(|record| record.id).collect();
    assert_eq!(ids, expected, "the order of {:?}", query.order);
    for limit in [1, 7, 40] {
        if limit == 1 && query.order.len() > 1 {
            continue;
        }
        let (forward, backward) = walk(store, &query.clone().limit(limit)).await;
        assert_eq!(forward, expected, "{:?} by {limit}", query.order);
        assert_eq!(backward, expected, "{:?} back by {limit}", query.order);
    }
}

/// Each sortable field of a deal, standard and custom, system fields included.
pub async fn every_sortable_field_pages_both_ways<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    crowd(&team).await;
    let deal = team.viewer.registry().object("deal").unwrap().clone();
    assert_pages(&team.viewer, Query::new("deal")).await;
    for field in deal.fields.iter().filter(|field| field.is_sortable()) {
        for descending in [false, true] {
            assert_pages(
                &team.viewer,
                Query::new("deal").order(&field.name, descending),
            )
            .await;
        }
    }
}

/// Orders of two and three fields, in both directions mixed.
pub async fn several_keys_with_ties_page_both_ways<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    crowd(&team).await;
    for fields in [
        [("amount", true), ("name", false), ("close_date", true)],
        [("status", false), ("amount", true), ("reviewed", true)],
        [("source", true), ("tier", false), ("seats", false)],
        [("name", false), ("name", true), ("id", true)],
    ] {
        for depth in [2, 3] {
            let query = fields[..depth]
                .iter()
                .fold(Query::new("deal"), |query, (field, descending)| {
                    query.order(field, *descending)
                });
            assert_pages(&team.viewer, query).await;
        }
    }
}

/// Fields of related records, and custom fields beside standard ones.
pub async fn custom_and_dotted_orders_page_both_ways<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    crowd(&team).await;
    for descending in [false, true] {
        for path in [
            "account.name",
            "account.annual_revenue",
            "account.city",
            "account.owner.name",
            "account.parent.name",
            "owner.name",
            "stage.position",
            "account.created_at",
        ] {
            assert_pages(&team.viewer, Query::new("deal").order(path, descending)).await;
        }
        let mixed = Query::new("deal")
            .order("account.city", descending)
            .order("margin", !descending)
            .order("name", descending);
        assert_pages(&team.viewer, mixed).await;
    }
}

/// Null order is explicit: nothing comes after everything, whichever way the rest is sorted.
pub async fn records_without_a_value_come_last_either_way<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    for (name, amount) in [("none", None), ("small", Some(-5)), ("large", Some(5))] {
        let mut pairs = vec![("name", text(name))];
        if let Some(amount) = amount {
            pairs.push(("amount", Value::Int(amount)));
            pairs.push(("seats", Value::Int(amount)));
        }
        make(&team.member, "deal", pairs).await;
    }
    for field in ["amount", "seats"] {
        let query = |descending| Query::new("deal").order(field, descending);
        assert_eq!(
            listed(&team.viewer, query(false)).await,
            ["small", "large", "none"]
        );
        assert_eq!(
            listed(&team.viewer, query(true)).await,
            ["large", "small", "none"]
        );
    }
}

/// Text sorts by its folded key, byte by byte, in every database alike.
pub async fn text_sorts_without_case_and_accents<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let names = [
        "zoo", "Éa", "eb", "EC", "Äpfel", "apfel2", "10", "9", "_x", "Straße", "strassf",
    ];
    for name in names {
        make(&team.member, "account", [("name", text(name))]).await;
    }
    let query = Query::new("account").order("name", false);
    assert_eq!(
        listed(&team.viewer, query).await,
        [
            "10", "9", "_x", "Äpfel", "apfel2", "Éa", "eb", "EC", "Straße", "strassf", "zoo"
        ]
    );
}

/// Records that were there all along are seen once each, whatever is added or removed around the cursor meanwhile.
pub async fn pages_stay_whole_while_records_are_added<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    crowd(&team).await;
    let query = Query::new("deal").order("amount", true).limit(5);
    let before: Vec<_> = walk(&team.viewer, &query).await.0;
    let mut page = list(&team.viewer, &query).await;
    let mut seen: Vec<RecordId> = page.records.iter().map(|record| record.id).collect();
    let mut added = Vec::new();
    let mut turn = 0_i64;
    while let Some(cursor) = page.next {
        for amount in [Some(1_000 - turn * 40), Some(-2_000), None] {
            let mut pairs = vec![("name", text("Late"))];
            pairs.extend(amount.map(|amount| ("amount", Value::Int(amount))));
            added.push(make(&team.member, "deal", pairs).await);
        }
        turn += 1;
        assert!(turn < 100, "paging never ends");
        page = list(
            &team.viewer,
            &Query {
                cursor: Some(cursor),
                limit: 20,
                ..query.clone()
            },
        )
        .await;
        seen.extend(page.records.iter().map(|record| record.id));
    }
    let old: Vec<_> = seen
        .iter()
        .copied()
        .filter(|id| !added.contains(id))
        .collect();
    assert_eq!(old, before);
    let mut unique = seen.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), seen.len(), "a record was seen twice");
    assert!(
        seen.len() > old.len(),
        "records added behind the cursor are met"
    );
}

/// The record a cursor was made from may be deleted or changed: the place stays.
pub async fn cursors_survive_the_loss_of_their_record<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    crowd(&team).await;
    let query = Query::new("deal").order("close_date", false).limit(10);
    let whole = walk(&team.viewer, &query).await.0;
    let page = list(&team.viewer, &query).await;
    team.member
        .apply(&[deletion("deal", whole[9]), deletion("deal", whole[10])])
        .await
        .unwrap();
    let next = Query {
        cursor: page.next,
        ..query.clone()
    };
    let page = list(&team.viewer, &next).await;
    let ids: Vec<_> = page.records.iter().map(|record| record.id).collect();
    assert_eq!(ids, whole[11..21]);
    let previous = Query {
        cursor: page.previous,
        ..query
    };
    let ids: Vec<_> = list(&team.viewer, &previous)
        .await
        .records
        .iter()
        .map(|record| record.id)
        .collect();
    assert_eq!(ids, whole[..9]);
}

/// Later pages are filtered and searched like the first.
pub async fn filters_and_search_hold_on_every_page<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    crowd(&team).await;
    let filter = Filter::Not(Box::new(Filter::equal("reviewed", Value::Bool(true))));
    let query = Query {
        search: Some("ol".to_owned()),
        ..Query::new("deal")
            .filter(filter)
            .order("amount", false)
            .column("reviewed")
    };
    let whole = list(&team.viewer, &query.clone().limit(200)).await;
    assert!(whole.records.len() > 6, "the test needs several pages");
    assert!(
        whole
            .records
            .iter()
            .all(|record| record.get("reviewed") != &Value::Bool(true))
    );
    let expected: Vec<_> = whole.records.iter().map(|record| record.id).collect();
    let (forward, backward) = walk(&team.viewer, &query.limit(3)).await;
    assert_eq!(forward, expected);
    assert_eq!(backward, expected);
}

/// A page that holds all there is promises no more.
pub async fn an_exactly_full_page_has_no_next<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let empty = list(&team.viewer, &Query::new("account")).await;
    assert_eq!(empty, crate::Page::default());
    for name in ["a", "b", "c", "d"] {
        make(&team.member, "account", [("name", text(name))]).await;
    }
    let query = Query::new("account").order("name", false);
    let page = list(&team.viewer, &query.clone().limit(4)).await;
    assert!(page.next.is_none() && page.previous.is_none());
    let first = list(&team.viewer, &query.clone().limit(2)).await;
    let second = Query {
        cursor: first.next,
        ..query.limit(2)
    };
    let second = list(&team.viewer, &second).await;
    assert_eq!(second.records.len(), 2);
    assert!(second.next.is_none());
}
