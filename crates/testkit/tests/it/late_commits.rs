//! Transactions that overlap: what commits late is not missed, nothing comes twice, and nobody waits for an unrelated transaction.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use fieldstone_model::{RecordId, SystemClock, clock::Clock as _};
use fieldstone_server::database::connect;
use fieldstone_store::Store as _;

use fieldstone_testkit::TestStores;

use crate::device::Device;

const WRITERS: u64 = 16;
const ROUNDS: u64 = 25;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missed_and_nothing_comes_twice() {
    let database = TestStores::new().await;
    let (tenant, owner) = database.workspace("late").await;
    let user = owner.user().id;
    let mut device = Device::register(&owner, 1).await;
    device.sync().await;

    // An unrelated transaction that stays open all the while, and has a number.
    let idle = connect(&database.database.owner()).await.unwrap();
    idle.batch_execute("BEGIN; SELECT pg_current_xact_id()")
        .await
        .unwrap();

    let writing = (0..WRITERS).map(|writer| {
        let config = database.database.owner();
        tokio::spawn(async move {
            let client = connect(&config).await.unwrap();
            let mut committed = Vec::new();
            for round in 0..ROUNDS {
                let id = RecordId::compose(*b"00T", SystemClock.now(), writer << 20 | round);
                client.batch_execute("BEGIN").await.unwrap();
                let insert = "INSERT INTO app.task (tenant_id, id, version, created_at, created_by_id, updated_at, updated_by_id, owner_id, subject, subject_key, status, priority) \
                    VALUES ($1, $2, 1, now(), $3, now(), $3, $3, 'x', 'x', 'open', 'normal')";
                // Every third goes through a savepoint, every tenth is given up.
                if round % 3 == 0 {
                    client.batch_execute("SAVEPOINT s").await.unwrap();
                }
                client.execute(insert, &[&tenant.as_str(), &id.as_str(), &user.as_str()]).await.unwrap();
                // What overlaps is the point of it: each transaction stays open for up to 30 ms.
                let held = Duration::from_millis((writer * 7 + round * 13) % 30);
                tokio::time::sleep(held).await;
                if round % 10 == 9 {
                    client.batch_execute("ROLLBACK").await.unwrap();
                } else {
                    client.batch_execute("COMMIT").await.unwrap();
                    committed.push(id);
                }
            }
            committed
        })
    });
    let writing: Vec<_> = writing.collect();
    let gathering = tokio::spawn(async move {
        let mut all = Vec::new();
        for writer in writing {
            all.extend(writer.await.unwrap());
        }
        all
    });
    let mut seen_while_writing = 0;
    while !gathering.is_finished() {
        device.sync().await;
        seen_while_writing = device.received.len();
    }
    device.sync().await;
    let committed = gathering.await.unwrap();
    let has: HashSet<RecordId> = device.local.base().keys().copied().collect();
    let missed: Vec<_> = committed.iter().filter(|id| !has.contains(id)).collect();
    assert!(
        missed.is_empty(),
        "{} of {} missed",
        missed.len(),
        committed.len()
    );
    let mut times: BTreeMap<RecordId, usize> = BTreeMap::new();
    for (id, _) in device
        .received
        .iter()
        .filter(|(id, _)| id.prefix() == "00T")
    {
        *times.entry(*id).or_default() += 1;
    }
    assert_eq!(times.len(), committed.len());
    assert!(times.values().all(|times| *times == 1), "a row came twice");
    assert!(
        seen_while_writing > committed.len() / 2,
        "it stalled behind the open transaction"
    );
    assert!(device.is_proven(), "{:?}", device.reports);
    idle.batch_execute("ROLLBACK").await.unwrap();
}
