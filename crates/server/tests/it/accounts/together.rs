//! What happens at the same moment as a new password, and what several servers count together.

use fieldstone_server::database::connect;
use http::{StatusCode, header};
use tokio_postgres::Client;

use crate::gate::{House, cookie_of};

const PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaA";

/// Ann's workspace, id, session and the version of her membership.
async fn ann(owner: &Client) -> (String, String, String, i64) {
    let sql = "SELECT u.tenant_id, u.id, s.id, u.member_version FROM app.\"user\" u JOIN app.session s ON s.user_id = u.id WHERE s.ended_at IS NULL";
    let row = owner.query_one(sql, &[]).await.unwrap();
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

async fn living(owner: &Client, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM app.{table} WHERE ended_at IS NULL");
    owner.query_one(&sql, &[]).await.unwrap().get(0)
}

/// Runs `under_way` in a transaction of the sign-in pool, lets a new password wait for it, and lets both end.
async fn meets_a_new_password(house: &House, under_way: &str) {
    let owner = connect(&house.database.owner()).await.unwrap();
    let other = connect(&house.database.owner()).await.unwrap();
    let auth = connect(&house.database.auth()).await.unwrap();
    let (tenant, user, ..) = ann(&owner).await;
    auth.batch_execute(&format!("BEGIN; {under_way}"))
        .await
        .unwrap();
    let admin = connect(&house.database.admin()).await.unwrap();
    let pid: i32 = other
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    let change = tokio::spawn(async move {
        let set = "SELECT app.set_password($1, $2, $3)";
        other.execute(set, &[&tenant, &user, &PHC]).await.unwrap();
    });
    let waiting = "SELECT cardinality(pg_blocking_pids($1)) > 0";
    while !admin
        .query_one(waiting, &[&pid])
        .await
        .unwrap()
        .get::<_, bool>(0)
    {
        assert!(!change.is_finished(), "nothing held the person");
        tokio::task::yield_now().await;
    }
    auth.batch_execute("COMMIT").await.unwrap();
    change.await.unwrap();
}

#[tokio::test]
async fn a_sign_in_that_waited_its_turn_does_not_outlive_the_password() {
    let house = House::new().await;
    house.cookie().await;
    let owner = connect(&house.database.owner()).await.unwrap();
    let auth = connect(&house.database.auth()).await.unwrap();
    let (tenant, user, _, seen) = ann(&owner).await;
    let start = async |id: &str, seen: Option<i64>| {
        let sql = "SELECT app.start_session($1, $2, $3, $4, sha256($2::text::bytea), '', '')";
        let row = auth.query_one(sql, &[&tenant, &id, &user, &seen]).await;
        row.unwrap().get::<_, bool>(0)
    };
    assert!(start("0SS0000000first", Some(seen)).await);
    let set = "SELECT app.set_password($1, $2, $3)";
    owner.execute(set, &[&tenant, &user, &PHC]).await.unwrap();
    // The password was right when its hash was read, and isn't any more.
    assert!(!start("0SS0000000later", Some(seen)).await);
    assert_eq!(living(&owner, "session").await, 0);
    owner.batch_execute("UPDATE app.\"user\" SET role = 'owner'; INSERT INTO app.\"user\" (tenant_id, id, email, email_key, name, name_key, role, created_at, updated_at) SELECT tenant_id, '0050000000other', 'o@x.example', 'o@x.example', 'o', 'o', 'owner', now(), now() FROM app.workspace").await.unwrap();
    let shut = "UPDATE app.\"user\" SET active = false WHERE id = $1";
    owner.execute(shut, &[&user]).await.unwrap();
    assert!(
        !start("0SS000000closed", None).await,
        "nor somebody who is shut out"
    );
}

#[tokio::test]
async fn a_session_that_is_being_replaced_ends_all_the_same() {
    let house = House::new().await;
    house.cookie().await;
    let owner = connect(&house.database.owner()).await.unwrap();
    let (tenant, _, session, _) = ann(&owner).await;
    let rotate = format!(
        "SELECT app.rotate_session('{tenant}', '{session}', '0SS000000newone', sha256('x'), false)"
    );
    meets_a_new_password(&house, &rotate).await;
    assert_eq!(living(&owner, "session").await, 0);
}

#[tokio::test]
async fn a_session_that_is_just_beginning_ends_all_the_same() {
    let house = House::new().await;
    house.cookie().await;
    let owner = connect(&house.database.owner()).await.unwrap();
    let (tenant, user, _, seen) = ann(&owner).await;
    let start = format!(
        "SELECT app.start_session('{tenant}', '0SS000000newone', '{user}', {seen}, sha256('x'), '', '')"
    );
    meets_a_new_password(&house, &start).await;
    assert_eq!(living(&owner, "session").await, 0);
}

#[tokio::test]
async fn an_application_that_is_just_signing_in_is_signed_out_all_the_same() {
    let house = House::new().await;
    house.cookie().await;
    let owner = connect(&house.database.owner()).await.unwrap();
    let (tenant, user, session, _) = ann(&owner).await;
    let code = format!(
        "INSERT INTO app.oauth_code (tenant_id, id, code_hash, client, user_id, session_id, redirect_uri, challenge, scopes, created_at, expires_at)
         VALUES ('{tenant}', '0OD000000000001', sha256('code'), '0OC000000device', '{user}', '{session}', 'http://127.0.0.1/callback', repeat('c', 43), '{{records.read}}', now(), now() + interval '1 minute')"
    );
    owner.batch_execute(&code).await.unwrap();
    let redeem = "SELECT app.redeem_code(sha256('code'), 'fieldstone-device', 'http://127.0.0.1/callback', repeat('c', 43), '0OG000000000001', '', '', \
        '0OT000000000001', sha256('access'), '0OT000000000002', sha256('refresh'))";
    meets_a_new_password(&house, redeem).await;
    let grants: i64 = owner
        .query_one("SELECT count(*) FROM app.oauth_grant", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!((grants, living(&owner, "oauth_grant").await), (1, 0));
}

#[tokio::test]
async fn servers_count_attempts_together_whoever_they_are_for() {
    let house = House::new().await;
    for email in ["ann%40north.example", "nobody%40north.example"] {
        let house = house.rested().await;
        let wrong = format!("email={email}&password=not+the+password");
        for attempt in 0..10 {
            // Another server each time.
            let answer = house.restarted().sign_in(wrong.clone()).await;
            assert_eq!(
                answer.status(),
                StatusCode::UNAUTHORIZED,
                "{email} {attempt}"
            );
        }
        for form in [
            wrong.clone(),
            format!("email={email}&password=correct+horse+battery"),
        ] {
            let refused = house.restarted().sign_in(form).await;
            assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "{email}");
            let wait = refused.headers()[header::RETRY_AFTER].to_str().unwrap();
            assert!((1..=60).contains(&wait.parse::<u32>().unwrap()), "{wait}");
        }
    }
}

#[tokio::test]
async fn right_passwords_use_nobodys_attempts_up() {
    let house = House::new().await;
    for _ in 0..15 {
        let answer = house.sign_in_as("ann@north.example").await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert!(cookie_of(&answer).starts_with("__Host-fieldstone="));
    }
    let owner = connect(&house.database.owner()).await.unwrap();
    // What is left is the pace of one attempt at most, for as long as it takes.
    let sql = "SELECT count(*) FROM app.attempt WHERE used_until > transaction_timestamp() + interval '1 second'";
    assert_eq!(owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0);
    let worker = connect(&house.database.worker()).await.unwrap();
    owner
        .batch_execute("UPDATE app.attempt SET used_until = now() - interval '1 second'")
        .await
        .unwrap();
    worker
        .execute("SELECT app.forget_attempts()", &[])
        .await
        .unwrap();
    let left = "SELECT count(*) FROM app.attempt";
    assert_eq!(
        owner.query_one(left, &[]).await.unwrap().get::<_, i64>(0),
        0
    );
}
