//! The audit log: complete, in the right name, and telling when it was tampered with.

use fieldstone_model::Role;
use fieldstone_server::identity::audit;
use serde_json::json;

use super::people::{People, SECRET};
use crate::tenancy::workspaces::{Connection, actor};

/// The actions of workspace `a` as its owner reads them, oldest first.
async fn log(app: &Connection) -> (Vec<(i64, String, String)>, Option<i64>) {
    app.begin(&actor("a", Role::Owner)).await.unwrap();
    let mut events = audit::list(&app.client, None, 100).await.unwrap();
    events.reverse();
    let broken = audit::first_break(&app.client).await.unwrap();
    app.rollback().await;
    (
        events
            .into_iter()
            .map(|event| (event.seq, event.actor, event.action))
            .collect(),
        broken,
    )
}

#[tokio::test]
async fn events_are_chained_per_workspace_and_tampering_shows() {
    let people = People::new().await;
    let (app, admin) = (
        people.workspaces.app().await,
        people.workspaces.admin().await,
    );
    for letter in ["a", "b", "a", "a"] {
        let member = actor(letter, Role::Member);
        app.begin(&member).await.unwrap();
        audit::record(
            &app.client,
            member.tenant,
            audit::Action::SessionEnd,
            "",
            &json!({"n": 1}),
        )
        .await
        .unwrap();
        app.client.batch_execute("COMMIT").await.unwrap();
    }
    let (events, broken) = log(&app).await;
    let user = actor("a", Role::Member).user.to_string();
    assert_eq!(
        events,
        (1..=3)
            .map(|seq| (seq, user.clone(), "session.end".to_owned()))
            .collect::<Vec<_>>()
    );
    assert_eq!(broken, None);

    for (tamper, at) in [
        (
            "UPDATE app.audit_event SET detail = '{\"n\": 2}' WHERE tenant_id = '00D00000000000a' AND seq = 2",
            2,
        ),
        (
            "UPDATE app.audit_event SET actor = 'operator' WHERE tenant_id = '00D00000000000a' AND seq = 1",
            1,
        ),
        (
            "DELETE FROM app.audit_event WHERE tenant_id = '00D00000000000a' AND seq = 2",
            3,
        ),
        (
            "DELETE FROM app.audit_event WHERE tenant_id = '00D00000000000a' AND seq = 1",
            2,
        ),
        (
            "DELETE FROM app.audit_event WHERE tenant_id = '00D00000000000a' AND seq = 3",
            3,
        ),
        (
            "DELETE FROM app.audit_event WHERE tenant_id = '00D00000000000a'",
            1,
        ),
    ] {
        admin
            .batch_execute("CREATE TABLE app.kept AS SELECT * FROM app.audit_event")
            .await
            .unwrap();
        admin.batch_execute(tamper).await.unwrap();
        assert_eq!(log(&app).await.1, Some(at), "{tamper}");
        admin
            .batch_execute(
                "ALTER TABLE app.audit_event DISABLE TRIGGER chain; DELETE FROM app.audit_event; INSERT INTO app.audit_event SELECT * FROM app.kept;
                 ALTER TABLE app.audit_event ENABLE TRIGGER chain; DROP TABLE app.kept",
            )
            .await
            .unwrap();
        assert_eq!(log(&app).await.1, None);
    }
}

#[tokio::test]
async fn nobody_writes_in_anothers_name_and_operators_leave_a_trace() {
    let mut people = People::new().await;
    let app = people.workspaces.app().await;
    app.begin(&actor("a", Role::Member)).await.unwrap();
    app.client
        .execute(
            "INSERT INTO app.audit_event (tenant_id, seq, at, actor, action, prev_hash, hash)
             VALUES ('00D00000000000a', 99, 'epoch', 'somebody else', 'forged', '', '')",
            &[],
        )
        .await
        .unwrap();
    app.client.batch_execute("COMMIT").await.unwrap();
    let (events, broken) = log(&app).await;
    assert_eq!(
        events,
        [(
            1,
            actor("a", Role::Member).user.to_string(),
            "forged".to_owned()
        )]
    );
    assert_eq!(broken, None);

    let (tenant, _) = people.workspace("acme", "ann@acme.example").await;
    people
        .sign_in("ann@acme.example", SECRET, None)
        .await
        .unwrap();
    let rows = people
        .owner
        .query("SELECT actor = 'operator', action FROM app.audit_event WHERE tenant_id = $1 ORDER BY seq", &[&tenant.as_str()])
        .await
        .unwrap();
    let seen: Vec<(bool, &str)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(
        seen,
        [
            (true, "workspace.create"),
            (true, "user.add"),
            (false, "session.start")
        ]
    );
}
