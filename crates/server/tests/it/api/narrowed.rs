//! What somebody has in hand from before they saw less: cursors of lists, and answers to repeated requests.

use fieldstone_server::database::connect;
use http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use super::{Answer, Site};

/// Keeps a standard field of accounts from everybody below admins.
async fn hide(site: &Site, owner: &str, field: &str) {
    let path = format!("/objects/account/fields/{field}");
    let hidden = json!({ "read_role": "admin", "write_role": "admin" });
    let answer = site.with(owner, Method::PATCH, &path, Some(hidden)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.body["read_role"], "admin");
}

async fn list(site: &Site, cookie: &str, parameters: &str) -> Answer {
    let path = format!("/records/account?{parameters}");
    site.with(cookie, Method::GET, &path, None).await
}

#[tokio::test]
async fn a_cursor_tells_nothing_of_a_hidden_field() {
    let site = Site::new().await;
    let owner = site.sign_in("owner@north.example").await;
    for number in 0..6 {
        let account =
            json!({ "name": format!("Account {number}"), "annual_revenue": 1000 + number });
        let made = site
            .with(&owner, Method::POST, "/records/account", Some(account))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    }
    hide(&site, &owner, "annual_revenue").await;
    let of_owner = list(
        &site,
        &owner,
        "order=-annual_revenue&limit=2&columns=name,annual_revenue",
    )
    .await;
    assert_eq!(
        of_owner.body["records"][0]["annual_revenue"].to_string(),
        "1005.00"
    );
    let cursor = of_owner.body["next"].as_str().unwrap().to_owned();

    let member = site.sign_in("member@north.example").await;
    let described = site
        .with(&member, Method::GET, "/objects/account", None)
        .await
        .body;
    assert!(!described.to_string().contains("annual_revenue"));
    let whole = list(&site, &member, "limit=2").await;
    let own = whole.body["next"].as_str().unwrap().to_owned();
    // The field can't be named, with or without a cursor, and its cursor fits no other order.
    for parameters in [
        format!("order=-annual_revenue&limit=2&cursor={cursor}"),
        format!("limit=2&cursor={cursor}"),
        format!("order=name&limit=2&cursor={cursor}"),
        format!("order=-annual_revenue&limit=2&cursor={own}"),
        "filter=annual_revenue+%3E+1".to_owned(),
        "columns=annual_revenue".to_owned(),
    ] {
        let refused = list(&site, &member, &parameters).await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{parameters}: {}",
            refused.body
        );
    }
    // However a cursor is bent, it is refused or leads to what its holder sees.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for stem in [&cursor, &own] {
        for at in 0..stem.len() {
            let mut bent = stem.clone().into_bytes();
            bent[at] = alphabet[(usize::from(bent[at]) * 7 + at) % alphabet.len()];
            let bent = String::from_utf8(bent).unwrap();
            let answer = list(&site, &member, &format!("limit=2&cursor={bent}")).await;
            match answer.status {
                StatusCode::BAD_REQUEST => {}
                StatusCode::OK => {
                    let text = answer.body.to_string();
                    assert!(!text.contains("annual_revenue"), "{text}");
                }
                status => panic!("{bent}: {status} {}", answer.body),
            }
        }
    }
}

async fn create(site: &Site, cookie: &str, key: &str, body: &Json) -> Answer {
    let headers = [
        ("cookie", cookie),
        ("sec-fetch-site", "same-origin"),
        ("idempotency-key", key),
    ];
    site.send(
        Method::POST,
        "/records/account",
        &headers,
        Some(body.clone()),
    )
    .await
}

#[tokio::test]
async fn a_repeated_answer_shows_no_more_than_one_sees_now() {
    let site = Site::new().await;
    let owner = site.sign_in("owner@north.example").await;
    let member = site.sign_in("member@north.example").await;
    let account = json!({ "name": "Acme", "annual_revenue": 4711 });
    let first = create(&site, &member, "before", &account).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.body);
    assert_eq!(first.body["annual_revenue"].to_string(), "4711.00");
    let again = create(&site, &member, "before", &account).await;
    assert_eq!(again.body, first.body, "nothing has changed");

    hide(&site, &owner, "annual_revenue").await;
    let narrowed = create(&site, &member, "before", &account).await;
    assert_eq!(narrowed.headers["idempotency-replayed"], "true");
    assert_eq!(narrowed.status, first.status);
    assert_eq!(
        narrowed.body,
        Json::Null,
        "its effect stands, its body isn't repeated"
    );
    assert_eq!(narrowed.headers["location"], first.headers["location"]);
    let count = site
        .with(&owner, Method::GET, "/records/account/count", None)
        .await;
    assert_eq!(count.body["count"], 1, "there is one effect");

    // Made while all records were in sight, and handed to the owner, whom the member doesn't see any more.
    let handed = json!({ "name": "Handed over", "owner_id": owner_id(&site).await });
    let first = create(&site, &member, "handed", &handed).await;
    assert_eq!(first.body["name"], "Handed over", "{}", first.body);
    let database = connect(&site.database.owner()).await.unwrap();
    let narrow = "UPDATE app.\"user\" SET visibility = 'own' WHERE tenant_id = $1 AND email = 'member@north.example'";
    assert_eq!(
        database
            .execute(narrow, &[&site.tenant.as_str()])
            .await
            .unwrap(),
        1
    );
    let again = create(&site, &member, "handed", &handed).await;
    assert_eq!((again.status, &again.body), (first.status, &Json::Null));
    let location = first.headers["location"]
        .to_str()
        .unwrap()
        .trim_start_matches("/api/v1");
    let gone = site.with(&member, Method::GET, location, None).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

async fn owner_id(site: &Site) -> String {
    let database = connect(&site.database.owner()).await.unwrap();
    let sql = "SELECT id FROM app.\"user\" WHERE email = 'owner@north.example'";
    database.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_description_says_who_reads_and_sets_what_one_may_know_of() {
    let site = Site::new().await;
    let owner = site.sign_in("owner@north.example").await;
    hide(&site, &owner, "annual_revenue").await;
    let locked = json!({ "read_role": "viewer", "write_role": "admin" });
    site.with(
        &owner,
        Method::PATCH,
        "/objects/account/fields/employees",
        Some(locked),
    )
    .await;
    let fields = async |email: &str| {
        let cookie = site.sign_in(email).await;
        let described = site
            .with(&cookie, Method::GET, "/objects/account", None)
            .await
            .body;
        described["fields"].as_array().unwrap().clone()
    };
    let of =
        |fields: &[Json], name: &str| fields.iter().find(|field| field["name"] == name).cloned();
    let seen = fields("owner@north.example").await;
    let revenue = of(&seen, "annual_revenue").unwrap();
    assert_eq!(
        (&revenue["read_role"], &revenue["write_role"]),
        (&json!("admin"), &json!("admin"))
    );
    let id = of(&seen, "id").unwrap();
    assert_eq!(
        (&id["read_role"], id.get("write_role")),
        (&json!("viewer"), None)
    );
    for email in ["member@north.example", "viewer@north.example"] {
        let seen = fields(email).await;
        assert_eq!(of(&seen, "annual_revenue"), None, "{email}");
        let employees = of(&seen, "employees").unwrap();
        assert_eq!(
            (
                &employees["read_role"],
                &employees["write_role"],
                &employees["writable"]
            ),
            (&json!("viewer"), &json!("admin"), &json!(false))
        );
    }
}
