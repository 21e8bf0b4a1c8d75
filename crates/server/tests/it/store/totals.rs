//! The totals that triggers keep of deals: the sum of what they noted is what is there, folded or not.

use fieldstone_model::{Change, Value, Values};
use fieldstone_server::{database::connect, schema::create_default_pipeline};
use fieldstone_store::Store as _;
use fieldstone_testkit::TestStores;
use tokio_postgres::Client;

/// Rows in which the totals and the deals themselves differ.
const DIFFERENCES: &str = "
    WITH kept AS (
        SELECT tenant_id, owner_id, pipeline_id, stage_id, status, probability, close_date::text AS at, sum(records) AS records, sum(amount) AS amount,
            sum(amounts) AS amounts FROM app.deal_total GROUP BY 1, 2, 3, 4, 5, 6, 7
        UNION ALL
        SELECT tenant_id, owner_id, pipeline_id, stage_id, status, probability, 'closed ' || (closed_at AT TIME ZONE 'UTC')::text, sum(records),
            sum(amount), sum(amounts) FROM app.deal_closed_total GROUP BY 1, 2, 3, 4, 5, 6, 7
    ), counted AS (
        SELECT tenant_id, owner_id, pipeline_id, stage_id, status, probability, date_trunc('month', close_date::timestamp)::date::text AS at,
            count(*) AS records, coalesce(sum(amount), 0) AS amount, count(amount) AS amounts
            FROM app.deal WHERE deleted_at IS NULL GROUP BY 1, 2, 3, 4, 5, 6, 7
        UNION ALL
        SELECT tenant_id, owner_id, pipeline_id, stage_id, status, probability, 'closed ' || date_trunc('day', closed_at AT TIME ZONE 'UTC')::text,
            count(*), coalesce(sum(amount), 0), count(amount)
            FROM app.deal WHERE deleted_at IS NULL AND closed_at IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7
    )
    SELECT count(*) FROM (
        (SELECT * FROM kept WHERE (records, amount, amounts) <> (0, 0, 0) EXCEPT SELECT * FROM counted)
        UNION ALL (SELECT * FROM counted EXCEPT SELECT * FROM kept)
    ) d";

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn totals_are_what_is_there_folded_or_not() {
    let database = TestStores::new().await;
    let (north, store) = database.workspace("north").await;
    let (_, south) = database.workspace("south").await;
    let client = connect(&database.database.admin()).await.unwrap();
    let fresh = "SELECT count(*) FROM app.deal_total WHERE NOT folded";
    for store in [&store, &south] {
        create_default_pipeline(store).await.unwrap();
        store.fresh_registry().await.unwrap();
        let store = database.reopen(store).await;
        let stages: Vec<_> = store.registry().stages().iter().map(|it| it.id).collect();
        let mut ids = Vec::new();
        for at in 0..90_usize {
            let stage = Value::Id(stages[at * 7 % stages.len()]);
            let mut values = Values::new().with("stage_id", stage);
            if at % 4 > 0 {
                values.set("amount", Value::Int(100 * i64::try_from(at).unwrap()));
            }
            let id = store.new_id("deal").unwrap();
            let object = "deal".to_owned();
            let change = match ids.get(at / 2) {
                Some(&id) if at % 9 == 5 => Change::Delete {
                    object,
                    id,
                    expected: None,
                },
                Some(&id) if at % 3 == 1 => Change::Update {
                    object,
                    id,
                    expected: None,
                    values,
                },
                _ => {
                    ids.push(id);
                    values.set("name", Value::Text("x".to_owned()));
                    Change::Create { object, id, values }
                }
            };
            // What was deleted isn't changed.
            let _ = store.apply(&[change]).await;
        }
    }
    assert!(number(&client, fresh).await > 128);
    assert_eq!(number(&client, DIFFERENCES).await, 0);

    // A change under way is left for the next time.
    let mut slow = connect(&database.database.admin()).await.unwrap();
    let transaction = slow.transaction().await.unwrap();
    let moved = "UPDATE app.deal SET amount = coalesce(amount, 0) + 1 WHERE tenant_id = $1";
    transaction
        .execute(moved, &[&north.to_string()])
        .await
        .unwrap();
    assert!(number(&client, "SELECT app.fold_deal_totals()").await > 1);
    assert_eq!(number(&client, DIFFERENCES).await, 0);
    assert_eq!(number(&client, fresh).await, 0);
    transaction.commit().await.unwrap();
    assert!(number(&client, fresh).await > 0);
    assert_eq!(number(&client, DIFFERENCES).await, 0);
    assert_eq!(
        number(&client, "SELECT app.fold_deal_totals()").await,
        0,
        "so few can wait"
    );

    client
        .batch_execute(
            "DELETE FROM app.deal_total WHERE owner_id <> ''; SELECT app.total_deals_anew()",
        )
        .await
        .unwrap();
    assert_eq!(number(&client, DIFFERENCES).await, 0);

    // Deals that are gone for good.
    let some = "DELETE FROM app.deal WHERE tenant_id = $1 AND id IN (SELECT id FROM app.deal WHERE tenant_id = $1 LIMIT 9)";
    for purged in [some, "DELETE FROM app.deal WHERE tenant_id = $1"] {
        let gone = client.execute(purged, &[&north.to_string()]).await.unwrap();
        assert!(gone > 0);
        assert_eq!(number(&client, DIFFERENCES).await, 0);
    }
}
