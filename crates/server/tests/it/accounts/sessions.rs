//! Where one is signed in: the list, ending one, ending all others, and what ends sessions by itself.

use fieldstone_server::database::connect;
use http::{Request, StatusCode, header};
use serde_json::Value as Json;

use crate::gate::{House, text_of};

async fn api(house: &House, method: &str, path: &str, cookie: &str) -> (StatusCode, Json) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("sec-fetch-site", "same-origin")
        .header(header::COOKIE, cookie);
    let answer = house.ask(request, axum::body::Body::empty()).await;
    let status = answer.status();
    let text = text_of(answer).await;
    (status, serde_json::from_str(&text).unwrap_or(Json::Null))
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let house = House::new().await;
    let (here, other) = (house.cookie().await, house.cookie().await);
    let page = house.page("/settings/sessions", &here).await;
    assert_eq!(page.matches("class=\"card\"").count(), 2, "{page}");
    assert_eq!(page.matches("This one").count(), 1);

    let (_, list) = api(&house, "GET", "/api/v1/sessions", &here).await;
    let id = |this: bool| {
        let sessions = list["sessions"].as_array().unwrap();
        let found = sessions.iter().find(|session| session["this"] == this);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    // Nobody ends somebody else's, or one that isn't there.
    let ended = house
        .post("/settings/sessions/end", &here, format!("id={}", id(false)))
        .await;
    assert_eq!(ended.status(), StatusCode::SEE_OTHER);
    assert_eq!(house.get("/deals", &other).await, StatusCode::SEE_OTHER);
    assert_eq!(house.get("/deals", &here).await, StatusCode::OK);
    let again = format!("/api/v1/sessions/{}", id(false));
    assert_eq!(
        api(&house, "DELETE", &again, &here).await.0,
        StatusCode::NOT_FOUND
    );
    let own = format!("/api/v1/sessions/{}", id(true));
    assert_eq!(
        api(&house, "DELETE", &own, &here).await.0,
        StatusCode::NOT_FOUND
    );

    let others = [house.cookie().await, house.cookie().await];
    let (status, ended) = api(&house, "DELETE", "/api/v1/sessions", &here).await;
    assert_eq!((status, &ended["ended"]), (StatusCode::OK, &Json::from(2)));
    for other in &others {
        assert_eq!(house.get("/deals", other).await, StatusCode::SEE_OTHER);
    }
    assert_eq!(house.get("/deals", &here).await, StatusCode::OK);
}

#[tokio::test]
async fn losing_rights_ends_sessions_at_once_whoever_writes_it() {
    let house = House::new().await;
    let owner = connect(&house.database.owner()).await.unwrap();
    // Somebody else owns the workspace too, so that Ann can lose it.
    owner
        .batch_execute(
            "INSERT INTO app.\"user\" (tenant_id, id, email, email_key, name, name_key, role, created_at, updated_at)
             SELECT tenant_id, '005000000000zzz', 'b@b.example', 'b@b.example', 'B', 'b', 'owner', now(), now() FROM app.workspace",
        )
        .await
        .unwrap();
    for loss in ["role = 'admin'", "active = false"] {
        let restore = "UPDATE app.\"user\" SET role = 'owner', active = true WHERE email_key = 'ann@north.example'";
        owner.batch_execute(restore).await.unwrap();
        let cookie = house.cookie().await;
        assert_eq!(house.get("/deals", &cookie).await, StatusCode::OK);
        owner
            .batch_execute(&format!(
                "UPDATE app.\"user\" SET {loss} WHERE email_key = 'ann@north.example'"
            ))
            .await
            .unwrap();
        assert_eq!(
            house.get("/deals", &cookie).await,
            StatusCode::SEE_OTHER,
            "{loss}"
        );
        // Nor does it come back with the rights.
        owner.batch_execute(restore).await.unwrap();
        assert_eq!(
            house.get("/deals", &cookie).await,
            StatusCode::SEE_OTHER,
            "{loss}"
        );
    }
    // More rights don't end it: it goes on under another secret, and what it had proven counts no more.
    let demoted = "UPDATE app.\"user\" SET role = 'admin' WHERE email_key = 'ann@north.example'";
    owner.batch_execute(demoted).await.unwrap();
    let cookie = house.cookie().await;
    assert_eq!(
        house.get("/settings/sign-in", &cookie).await,
        StatusCode::OK
    );
    let promoted = "UPDATE app.\"user\" SET role = 'owner' WHERE email_key = 'ann@north.example'";
    owner.batch_execute(promoted).await.unwrap();
    let open = async |cookie: &str, header: (&str, &str)| {
        let request = Request::get("/deals").header(header::COOKIE, cookie);
        let response = house
            .ask(
                request.header(header.0, header.1),
                axum::body::Body::empty(),
            )
            .await;
        assert_eq!(response.status(), StatusCode::OK);
        response
    };
    let navigation = ("sec-fetch-mode", "navigate");
    // What a page asks for while it stays: its next question still has the old secret.
    for stays in [("hx-request", "true"), ("sec-fetch-mode", "cors")] {
        let part = open(&cookie, stays).await;
        assert!(
            !part.headers().contains_key(header::SET_COOKIE),
            "{stays:?}"
        );
    }
    let renewed = crate::gate::cookie_of(&open(&cookie, navigation).await);
    assert_ne!(renewed, cookie);
    assert_eq!(house.get("/deals", &cookie).await, StatusCode::SEE_OTHER);
    let next = open(&renewed, navigation).await;
    assert!(!next.headers().contains_key(header::SET_COOKIE));
    assert_eq!(
        house.get("/settings/sign-in", &renewed).await,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn signing_in_again_ends_the_session_that_the_browser_had() {
    let house = House::new().await;
    let (before, elsewhere) = (house.cookie().await, house.cookie().await);
    let form = "email=ann%40north.example&password=correct+horse+battery";
    let again = house.post("/sign-in", &before, form).await;
    assert_eq!(again.status(), StatusCode::SEE_OTHER);
    let now = crate::gate::cookie_of(&again);
    assert_ne!(now, before);
    assert_eq!(house.get("/deals", &before).await, StatusCode::SEE_OTHER);
    assert_eq!(house.get("/deals", &now).await, StatusCode::OK);
    assert_eq!(house.get("/deals", &elsewhere).await, StatusCode::OK);
    // A wrong password leaves whoever is signed in where they are.
    let wrong = house
        .post("/sign-in", &now, "email=ann%40north.example&password=wrong")
        .await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(house.get("/deals", &now).await, StatusCode::OK);
}

/// The secret of a calendar's address, which only whoever makes it sees.
async fn calendar(house: &House, cookie: &str) -> String {
    let page = text_of(house.post("/settings/calendar", cookie, "").await).await;
    let start = page.find("/calendar.ics?feed=").expect("an address");
    page[start..]
        .chars()
        .take("/calendar.ics?feed=".len() + 43)
        .collect()
}

#[tokio::test]
async fn a_calendar_ends_with_what_it_rests_on() {
    let house = House::new().await;
    let owner = connect(&house.database.owner()).await.unwrap();
    let sql = async |text: &str| owner.batch_execute(text).await.unwrap();
    let reads = async |address: &str| house.get(address, "").await == StatusCode::OK;
    let bob = house.join("bob@north.example", "member").await;
    let bob_id = house.id_of("bob@north.example").await;

    // It takes a proof, as every secret does.
    sql("UPDATE app.session SET proved_at = now() - interval '11 minutes'").await;
    let stale = house.restarted();
    let asked = stale.post("/settings/calendar", &bob, "").await;
    let to = asked.headers()[header::LOCATION].to_str().unwrap();
    assert!(to.starts_with("/confirm?"), "{to}");
    sql("UPDATE app.session SET proved_at = now()").await;
    let house = house.restarted();

    for end in [
        "UPDATE app.user_secret SET changed_at = now() WHERE user_id = '{}'",
        "INSERT INTO app.totp (tenant_id, user_id, seed, created_at, confirmed_at) SELECT tenant_id, id, decode(repeat('00', 40), 'hex'), now(), now() FROM app.\"user\" WHERE id = '{}';
         DELETE FROM app.totp WHERE user_id = '{}'",
        "UPDATE app.calendar_feed SET made_at = now() - interval '91 days', read_at = NULL WHERE user_id = '{}'",
    ] {
        let address = calendar(&house, &bob).await;
        assert!(reads(&address).await || end.contains("made_at"), "{end}");
        sql(&end.replace("{}", &bob_id)).await;
        assert!(!reads(&address).await, "{end}");
    }
    // Asked for a second factor, nobody reads around that.
    let address = calendar(&house, &bob).await;
    sql("UPDATE app.workspace SET totp_required = true").await;
    assert!(!reads(&address).await);
    sql("UPDATE app.workspace SET totp_required = false").await;
    assert!(reads(&address).await);
    // Who comes back doesn't get it back.
    sql(&format!(
        "UPDATE app.\"user\" SET active = false WHERE id = '{bob_id}'"
    ))
    .await;
    assert!(!reads(&address).await);
    sql(&format!(
        "UPDATE app.\"user\" SET active = true WHERE id = '{bob_id}'"
    ))
    .await;
    assert!(!reads(&address).await);
}
