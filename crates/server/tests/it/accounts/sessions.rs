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
    // More rights don't end it, but ask for a proof.
    let demoted = "UPDATE app.\"user\" SET role = 'admin' WHERE email_key = 'ann@north.example'";
    owner.batch_execute(demoted).await.unwrap();
    let cookie = house.cookie().await;
    assert_eq!(
        house.get("/settings/sign-in", &cookie).await,
        StatusCode::OK
    );
    let promoted = "UPDATE app.\"user\" SET role = 'owner' WHERE email_key = 'ann@north.example'";
    owner.batch_execute(promoted).await.unwrap();
    assert_eq!(house.get("/deals", &cookie).await, StatusCode::OK);
    assert_eq!(
        house.get("/settings/sign-in", &cookie).await,
        StatusCode::SEE_OTHER
    );
}
