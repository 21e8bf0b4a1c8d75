//! However a search looks for its words, it finds the same records in the same order.

use fieldstone_model::query::{Cursor, Order, Path};
use fieldstone_model::{Change, Filter, Query, RecordId, Value, Values};
use fieldstone_server::database::pool::Step;
use fieldstone_server::store::PgStore;
use fieldstone_store::Store;
use fieldstone_store::compile::{Dialect, Param, Select, Words, phases};
use fieldstone_testkit::TestStores;
use tokio_postgres::types::ToSql;

const LIMIT: u32 = 40;

/// Accounts with words in every mixture; every third has employees, every seventh is deleted.
async fn accounts(store: &PgStore) -> Vec<RecordId> {
    let mut changes = Vec::new();
    let mut ids = Vec::new();
    for number in 0..210_i64 {
        let word = |bit: i64, word: &'static str| if number & bit == 0 { "" } else { word };
        let name = format!(
            "{} {} {} {number}",
            word(1, "Copper"),
            word(2, "Copse"),
            word(4, "Harbour")
        );
        let mut values = Values::new().with("name", Value::Text(name)).with(
            "city",
            Value::Text(["Bergen", "Turku"][usize::from(number % 5 == 0)].to_owned()),
        );
        if number % 3 == 0 {
            values.set("employees", Value::Int(number % 11));
        }
        let id = store.new_id("account").unwrap();
        ids.push(id);
        changes.push(Change::Create {
            object: "account".to_owned(),
            id,
            values,
        });
    }
    store.apply(&changes).await.unwrap();
    let gone = ids.iter().step_by(7).map(|id| Change::Delete {
        object: "account".to_owned(),
        id: *id,
        expected: None,
    });
    store.apply(&gone.collect::<Vec<_>>()).await.unwrap();
    ids
}

async fn found(
    database: &TestStores,
    store: &PgStore,
    query: &Query,
    words: &Words,
) -> Vec<Vec<String>> {
    let select = Select::new(Dialect::Postgres, store.registry(), query, &query.columns)
        .with_words(words.clone());
    let mut pages = Vec::new();
    for phase in phases(store.registry(), query).unwrap() {
        let sql = select.compile(&phase, LIMIT).unwrap();
        let params: Vec<Box<dyn ToSql + Sync>> = sql
            .params
            .into_iter()
            .map(|param| match param {
                Param::Int(number) => Box::new(number) as Box<dyn ToSql + Sync>,
                Param::Text(text) => Box::new(text),
                other => panic!("{other:?} isn't used here"),
            })
            .collect();
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(AsRef::as_ref).collect();
        let step = Step {
            sql: &sql.text,
            params: &params,
        };
        let rows = database
            .stores
            .pool()
            .flight(store.actor(), None, &[step])
            .await
            .unwrap();
        pages.push(rows[0].iter().map(|row| row.get(0)).collect());
    }
    pages
}

#[tokio::test]
async fn every_way_of_searching_finds_the_same() {
    let database = TestStores::new().await;
    let (_, store) = database.workspace("north").await;
    let (_, other) = database.workspace("south").await;
    let ids = accounts(&store).await;
    accounts(&other).await;

    let by = |path: &str, descending| {
        vec![Order {
            path: Path::from_text(path),
            descending,
        }]
    };
    let orders = [
        Vec::new(),
        by("employees", true),
        by("name", false),
        by("owner.name", false),
    ];
    let turku = Filter::equal("city", Value::Text("turku".to_owned()));
    let starts = [None, Some((100, false)), Some((100, true))];
    let mut nonempty = 0;
    for search in [
        "copper",
        "cop",
        "copper harbour",
        "harbour copse copper",
        "copper nowhere",
        "harbour 12",
    ] {
        let count = search.split(' ').count();
        for (order, filter, start) in orders.iter().flat_map(|order| {
            [Filter::All, turku.clone()]
                .into_iter()
                .flat_map(move |filter| starts.map(|start| (order, filter.clone(), start)))
        }) {
            let cursor = start.map(|(at, backward): (usize, bool)| Cursor {
                keys: Vec::new(),
                id: ids[at],
                backward,
            });
            if cursor.is_some() && !order.is_empty() {
                continue;
            }
            let query = Query {
                search: Some(search.to_owned()),
                order: order.clone(),
                filter,
                cursor,
                ..Query::new("account")
                    .columns(["name", "owner.name"])
                    .limit(LIMIT)
            };
            let tested = found(&database, &store, &query, &Words::Tested).await;
            nonempty += tested.iter().filter(|page| !page.is_empty()).count();
            let ways = (0..count)
                .map(|word| Words::Gathered(vec![word]))
                .chain([Words::Gathered((0..count).collect()), Words::Window(1_000)]);
            for way in ways {
                let same = found(&database, &store, &query, &way).await;
                assert_eq!(same, tested, "{way:?} of {query:?}");
            }
            // A window that is too small finds the first ones only.
            let some = found(&database, &store, &query, &Words::Window(30)).await;
            for (some, all) in some.iter().zip(&tested) {
                assert_eq!(some.as_slice(), &all[..some.len()], "{query:?}");
            }
        }
    }
    assert!(nonempty > 50, "only {nonempty} pages had records");
}
