//! How the workspace's people sign in: limits of sessions, and a second factor for everybody.

use axum::body::Body;
use fieldstone_server::database::connect;
use http::{Request, StatusCode, header};
use serde_json::json;

use super::two_step::Phone;
use crate::gate::{House, cookie_of, text_of};

#[tokio::test]
async fn shorter_limits_hold_for_sessions_that_have_begun() {
    let house = House::new().await;
    let owner = connect(&house.database.owner()).await.unwrap();
    let cookie = house.cookie().await;
    let page = house.page("/settings/sign-in", &cookie).await;
    assert!(
        page.contains("<option value=\"30\" selected>30 minutes</option>"),
        "{page}"
    );
    let begun = "UPDATE app.session SET created_at = now() - interval '50 minutes', last_seen_at = now() - interval '10 minutes'";
    owner.batch_execute(begun).await.unwrap();
    for (form, status) in [
        (
            "idle_minutes=60&absolute_minutes=30",
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "idle_minutes=1&absolute_minutes=60",
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "idle_minutes=x&absolute_minutes=60",
            StatusCode::BAD_REQUEST,
        ),
        ("idle_minutes=15&absolute_minutes=60", StatusCode::SEE_OTHER),
    ] {
        let answer = house.post("/settings/sign-in", &cookie, form).await;
        assert_eq!(answer.status(), status, "{form}");
    }
    let left = "SELECT extract(epoch FROM idle_expires_at - now())::int, extract(epoch FROM absolute_expires_at - now())::int FROM app.session";
    let row = owner.query_one(left, &[]).await.unwrap();
    assert!((240..=300).contains(&row.get::<_, i32>(0)), "{row:?}");
    assert!((540..=600).contains(&row.get::<_, i32>(1)), "{row:?}");
    // And for those that begin.
    house.cookie().await;
    let newest = "SELECT extract(epoch FROM idle_expires_at - created_at)::int, extract(epoch FROM absolute_expires_at - created_at)::int
        FROM app.session ORDER BY id DESC LIMIT 1";
    let row = owner.query_one(newest, &[]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, i32>(1)), (900, 3600));
}

#[tokio::test]
async fn without_a_required_factor_one_can_only_set_it_up() {
    let house = House::new().await;
    let ann = house.cookie().await;
    let refused = house
        .post(
            "/settings/sign-in",
            &ann,
            "idle_minutes=30&absolute_minutes=720&totp_required=true",
        )
        .await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        text_of(refused)
            .await
            .contains("Set it up for yourself first")
    );

    let bob = house.join("bob@north.example", "member").await;
    let token = house.token(&bob).await;
    assert_eq!(house.get("/deals", &bob).await, StatusCode::OK);
    assert_eq!(
        house.call("/api/v1/records/deal", &token).await,
        StatusCode::OK
    );

    let (phone, _, ann) = Phone::enrol(&house, &ann).await;
    let required = house
        .post(
            "/settings/sign-in",
            &ann,
            "idle_minutes=30&absolute_minutes=720&totp_required=true",
        )
        .await;
    assert_eq!(required.status(), StatusCode::SEE_OTHER);
    assert_eq!(house.get("/deals", &ann).await, StatusCode::OK);

    // Bob was remembered a moment ago: it counts at once all the same.
    for path in [
        "/",
        "/deals",
        "/deals/new",
        "/settings/profile",
        "/settings/sessions",
        "/nothing",
    ] {
        let request = Request::get(path).header(header::COOKIE, &bob);
        let answer = house.ask(request, Body::empty()).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        assert_eq!(
            answer.headers()[header::LOCATION],
            "/settings/two-step",
            "{path}"
        );
    }
    for path in [
        "/api/v1/records/deal",
        "/api/v1/tokens",
        "/api/v1/search?q=a",
        "/api/v1/sessions",
    ] {
        let request = Request::get(path).header(header::COOKIE, &bob);
        let answer = house.ask(request, Body::empty()).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        assert!(
            text_of(answer)
                .await
                .contains("urn:fieldstone:problem:enrolment-required")
        );
        assert_eq!(
            house.call(path, &token).await,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    // Nor does a new session, or the token's own session route, help.
    let again = house.cookie_as("bob@north.example").await;
    assert_eq!(house.get("/deals", &again).await, StatusCode::SEE_OTHER);
    assert_eq!(
        house.call("/api/v1/session", &token).await,
        StatusCode::FORBIDDEN
    );

    let (_, _, bob) = Phone::enrol(&house, &again).await;
    assert_eq!(house.get("/deals", &bob).await, StatusCode::OK);
    assert_eq!(
        house.call("/api/v1/records/deal", &token).await,
        StatusCode::OK
    );
    drop(phone);
}

#[tokio::test]
async fn another_owner_resets_a_lost_factor_and_nobody_below() {
    let house = House::new().await;
    let ann = house.cookie().await;
    let (_, _, ann) = Phone::enrol(&house, &ann).await;
    let bob = house.join("bob@north.example", "admin").await;
    let (_, _, bob) = Phone::enrol(&house, &bob).await;
    let carol = house.join("carol@north.example", "member").await;
    let reset = |cookie: String, who: String| {
        let house = &house;
        async move {
            let request = Request::post(format!("/api/v1/users/{who}/totp-reset"))
                .header("sec-fetch-site", "same-origin")
                .header(header::COOKIE, cookie)
                .header(header::CONTENT_TYPE, "application/json");
            house.ask(request, json!({}).to_string()).await.status()
        }
    };
    let (ann_id, bob_id) = (
        house.id_of("ann@north.example").await,
        house.id_of("bob@north.example").await,
    );
    let carol_id = house.id_of("carol@north.example").await;
    assert_eq!(
        reset(carol.clone(), bob_id.clone()).await,
        StatusCode::FORBIDDEN,
        "a member"
    );
    assert_eq!(
        reset(bob.clone(), bob_id.clone()).await,
        StatusCode::FORBIDDEN,
        "one's own"
    );
    assert_eq!(
        reset(bob.clone(), ann_id.clone()).await,
        StatusCode::FORBIDDEN,
        "above"
    );
    assert_eq!(
        reset(ann.clone(), carol_id).await,
        StatusCode::NOT_FOUND,
        "none there"
    );
    assert_eq!(
        reset(ann.clone(), bob_id.clone()).await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        house.get("/deals", &bob).await,
        StatusCode::SEE_OTHER,
        "his sessions ended"
    );
    let answer = house.sign_in_as("bob@north.example").await;
    assert_eq!(
        answer.headers()[header::LOCATION],
        "/",
        "the password alone"
    );
    assert_eq!(
        house.get("/deals", &cookie_of(&answer)).await,
        StatusCode::OK
    );
    let owner = connect(&house.database.owner()).await.unwrap();
    let event = "SELECT actor, target FROM app.audit_event WHERE action = 'totp.reset'";
    let row = owner.query_one(event, &[]).await.unwrap();
    assert_eq!(
        (row.get::<_, String>(0), row.get::<_, String>(1)),
        (ann_id, bob_id)
    );
}
