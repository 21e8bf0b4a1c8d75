//! The signed context: what it opens, and everything that it must not open.

use std::time::Instant;

use fieldstone_model::Role;
use fieldstone_server::database::{Backend, ContextSigner};
use jiff::SignedDuration;

use super::workspaces::{Workspaces, actor, code, now, signer};

const USERS: &str = "SELECT count(*) FROM app.\"user\"";

#[tokio::test]
async fn a_context_shows_its_own_tenant_and_nothing_outlives_the_transaction() {
    let workspaces = Workspaces::new().await;
    let app = workspaces.app().await;
    assert_eq!(app.count(USERS).await.unwrap(), 0, "no context, no rows");
    app.begin(&actor("a", Role::Viewer)).await.unwrap();
    assert_eq!(app.count(USERS).await.unwrap(), 4);
    let row = app
        .client
        .query_one(
            "SELECT app.tenant_id(), app.user_id(), app.role(), app.can_write(), app.can_manage()",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "00D00000000000a");
    assert_eq!(row.get::<_, &str>(1), "005000000viewea");
    assert_eq!(
        (
            row.get::<_, &str>(2),
            row.get::<_, bool>(3),
            row.get::<_, bool>(4)
        ),
        ("viewer", false, false)
    );
    let write = app
        .client
        .execute("UPDATE app.workspace SET name = 'x'", &[])
        .await;
    assert_eq!(write.unwrap(), 0, "a viewer changes nothing");
    app.client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(
        app.count(USERS).await.unwrap(),
        0,
        "the context ended with the transaction"
    );
}

#[tokio::test]
async fn a_context_that_is_not_genuine_is_refused() {
    let workspaces = Workspaces::new().await;
    let (app, other) = (workspaces.app().await, workspaces.app().await);
    let member = actor("a", Role::Member);
    let signed = app.sign(&member);
    let reused_pid = Backend {
        start_us: app.backend.start_us - 1,
        ..app.backend
    };
    let past = now() - SignedDuration::from_secs(61);
    let future = now() + SignedDuration::from_secs(40);
    let cases = [
        ("empty", String::new()),
        ("no parts", "x".repeat(200)),
        (
            "another tenant",
            signed.replace("00D00000000000a", "00D00000000000b"),
        ),
        ("a higher role", signed.replace("|member|", "|owner|")),
        ("an unknown key", signed.replacen("1|1|", "1|9|", 1)),
        ("another connection's", other.sign(&member)),
        (
            "a former backend's with this pid",
            signer().sign(&member, &reused_pid, now()),
        ),
        ("expired", signer().sign(&member, &app.backend, past)),
        (
            "signed by a clock that is ahead",
            signer().sign(&member, &app.backend, future),
        ),
    ];
    for (name, text) in cases {
        app.client.batch_execute("BEGIN").await.unwrap();
        assert_eq!(code(&app.enter(&text, &member).await), "28000", "{name}");
        app.rollback().await;
    }
    app.begin(&member).await.unwrap();
    assert_eq!(
        app.count(USERS).await.unwrap(),
        4,
        "the connection still serves"
    );
}

#[tokio::test]
async fn changed_access_and_changed_schema_are_told_apart() {
    let workspaces = Workspaces::new().await;
    let owner = workspaces.connect("fieldstone_owner").await;
    let app = workspaces.app().await;
    let member = actor("a", Role::Member);
    owner
        .execute(
            "UPDATE app.\"user\" SET role = 'viewer' WHERE id = $1",
            &[&member.user.as_str()],
        )
        .await
        .unwrap();
    assert_eq!(code(&app.begin(&member).await), "FS001");
    app.rollback().await;

    let admin = actor("a", Role::Admin);
    let mut ended = admin.clone();
    ended.credential = Some("0SS000000000001".parse().unwrap());
    assert_eq!(
        code(&app.begin(&ended).await),
        "FS001",
        "a session that does not exist"
    );
    app.rollback().await;

    owner
        .execute(
            "UPDATE app.workspace SET schema_version = 2 WHERE tenant_id = $1",
            &[&admin.tenant.as_str()],
        )
        .await
        .unwrap();
    assert_eq!(code(&app.begin(&admin).await), "FS002");
    app.rollback().await;
    owner
        .execute(
            "UPDATE app.\"user\" SET active = false WHERE id = $1",
            &[&admin.user.as_str()],
        )
        .await
        .unwrap();
    assert_eq!(code(&app.begin(&admin).await), "FS001");
}

#[tokio::test]
async fn two_keys_are_valid_while_they_rotate_and_a_third_ends_the_first() {
    let workspaces = Workspaces::new().await;
    let mut owner = workspaces.connect("fieldstone_owner").await;
    let (app, open) = (workspaces.app().await, workspaces.app().await);
    let member = actor("a", Role::Member);
    let mut rotating = ContextSigner::generate(now()).unwrap();
    rotating.install(&mut owner).await.unwrap();
    let enter = async |signed: &str| {
        app.client.batch_execute("BEGIN").await.unwrap();
        let entered = code(&app.enter(signed, &member).await);
        app.rollback().await;
        entered
    };
    assert_eq!(
        enter(&app.sign(&member)).await,
        "28000",
        "signed with a key that was replaced"
    );
    let first = rotating.sign(&member, &app.backend, now());
    assert_eq!(enter(&first).await, "");

    // A transaction that is open while keys change goes on.
    open.client.batch_execute("BEGIN").await.unwrap();
    open.enter(&rotating.sign(&member, &open.backend, now()), &member)
        .await
        .unwrap();
    rotating.rotate(now()).unwrap();
    rotating.install(&mut owner).await.unwrap();
    assert_eq!(open.count(USERS).await.unwrap(), 4);
    assert_eq!(enter(&first).await, "");
    assert_eq!(
        enter(&rotating.sign(&member, &app.backend, now())).await,
        ""
    );

    rotating.rotate(now()).unwrap();
    rotating.install(&mut owner).await.unwrap();
    assert_eq!(enter(&first).await, "28000");
    assert_eq!(
        enter(&rotating.sign(&member, &app.backend, now())).await,
        ""
    );

    // Installing the same keys again changes nothing, not even the seal.
    let seals = "SELECT count(*) FROM app.seal_key";
    let before: i64 = owner.query_one(seals, &[]).await.unwrap().get(0);
    ContextSigner::from_text(&rotating.to_text())
        .unwrap()
        .install(&mut owner)
        .await
        .unwrap();
    assert_eq!(
        owner.query_one(seals, &[]).await.unwrap().get::<_, i64>(0),
        before
    );
    owner
        .execute(
            "UPDATE app.context_key SET not_after = now() - interval '1 s'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(
        enter(&rotating.sign(&member, &app.backend, now())).await,
        "28000",
        "no key is for ever"
    );
}

/// Prints what the context costs. It fails only when a call is far beyond what the design counts on.
#[tokio::test]
async fn the_context_is_cheap() {
    const CALLS: u32 = 20_000;
    let workspaces = Workspaces::new().await;
    let app = workspaces.app().await;
    let member = actor("a", Role::Member);
    app.begin(&member).await.unwrap();
    let mut costs = Vec::new();
    for (name, expression) in [
        ("an empty loop", "1"),
        ("app.tenant_id()", "app.tenant_id()"),
        ("app.can_write()", "app.can_write()"),
    ] {
        let started = Instant::now();
        app.count(&format!(
            "SELECT count({expression}) FROM generate_series(1, {CALLS})"
        ))
        .await
        .unwrap();
        costs.push((name, started.elapsed() / CALLS));
    }
    app.rollback().await;
    app.client.batch_execute("BEGIN").await.unwrap();
    let started = Instant::now();
    app.client
        .execute(&format!("SELECT count(e) FROM generate_series(1, {CALLS}) g, LATERAL (SELECT app.enter($1, NULL, 1, 1 + 0 * g)::text AS e) x"), &[&app.sign(&member)])
        .await
        .unwrap();
    costs.push(("app.enter()", started.elapsed() / CALLS));
    for (name, cost) in &costs {
        eprintln!("{name}: {cost:?}");
    }
    assert!(
        costs.iter().all(|(_, cost)| cost.as_micros() < 1_000),
        "{costs:?}"
    );
}
