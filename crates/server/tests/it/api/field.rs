//! What devices bring about, by the API: which records they carry, and what waits for a decision.

use fieldstone_server::database::connect;
use http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use super::{Answer, Site};

const SETS: &str = "/record-sets";

async fn ask(site: &Site, cookie: &str, method: Method, path: &str, body: Option<Json>) -> Answer {
    site.with(cookie, method, path, body).await
}

fn mine() -> Json {
    json!({
        "name": "My deals", "role": "member", "interval_s": 300, "root": "deal", "filter": "owner_id = :me",
        "tree": [{ "via": "account_id", "tree": [{ "via": "contact.account_id" }] }],
    })
}

#[tokio::test]
async fn record_sets_are_previewed_published_and_taken_back() {
    let site = Site::new().await;
    let owner = site.sign_in("owner@north.example").await;
    let empty = ask(&site, &owner, Method::GET, SETS, None).await;
    assert_eq!(empty.body, json!({ "record_sets": [] }));
    let preview = format!("{SETS}/preview");
    let figures = ask(&site, &owner, Method::POST, &preview, Some(mine())).await;
    assert_eq!(figures.status, StatusCode::OK, "{}", figures.body);
    assert_eq!(figures.body["figures"][0]["count"], 0);

    let made = ask(&site, &owner, Method::POST, SETS, Some(mine())).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(made.headers["etag"], "\"1\"");
    let place = made.headers["location"].to_str().unwrap().to_owned();
    let place = place.strip_prefix("/api/v1").unwrap();
    let shown = ask(&site, &owner, Method::GET, place, None).await;
    assert_eq!(shown.body, made.body);
    for (member, value) in mine().as_object().unwrap() {
        if member != "tree" {
            assert_eq!(&shown.body[member], value, "{member}");
        }
    }
    assert_eq!(
        shown.body["tree"][0]["tree"][0]["via"],
        "contact.account_id"
    );
    // The standard ones have become the workspace's own.
    let all = ask(&site, &owner, Method::GET, SETS, None).await;
    assert!(all.body["record_sets"].as_array().unwrap().len() > 5);

    let mut next = mine();
    next["filter"] = json!("owner_id = :me and status = \"open\"");
    let headers = [
        ("cookie", owner.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("if-match", "\"9\""),
    ];
    let stale = site
        .send(Method::PUT, place, &headers, Some(next.clone()))
        .await;
    assert_eq!(
        stale.status,
        StatusCode::PRECONDITION_FAILED,
        "{}",
        stale.body
    );
    let changed = ask(&site, &owner, Method::PUT, place, Some(next)).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    assert_eq!(changed.headers["etag"], "\"2\"");
    assert_eq!(
        changed.body["filter"],
        "owner_id = :me and status = \"open\""
    );

    let removed = ask(&site, &owner, Method::DELETE, place, None).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    let gone = ask(&site, &owner, Method::DELETE, place, None).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_record_set_that_leads_nowhere_is_refused_where_it_is_wrong() {
    let site = Site::new().await;
    let owner = site.sign_in("owner@north.example").await;
    for (member, wrong) in [
        ("name", json!("")),
        ("name", json!(7)),
        ("root", json!("moon")),
        ("filter", json!("owner_id =")),
        ("filter", json!("colour = 1")),
        ("tree", json!([{ "via": "stage_id.moon" }])),
        ("tree", json!("account_id")),
        ("role", json!("king")),
        ("interval_s", json!(1)),
        ("interval_s", json!("soon")),
        ("person_id", json!("nobody")),
        ("colour", json!("red")),
    ] {
        let mut body = mine();
        if member == "person_id" {
            body.as_object_mut().unwrap().remove("role");
        }
        body[member] = wrong.clone();
        let refused = ask(&site, &owner, Method::POST, SETS, Some(body)).await;
        assert_eq!(
            refused.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{member} {wrong}: {}",
            refused.body
        );
        assert_eq!(
            refused.body["errors"][0]["pointer"],
            format!("/{member}"),
            "{wrong}: {}",
            refused.body
        );
    }
    let empty = ask(&site, &owner, Method::GET, SETS, None).await;
    assert_eq!(empty.body, json!({ "record_sets": [] }));
}

#[tokio::test]
async fn a_conflict_is_settled_by_its_person_and_by_nobody_elses() {
    let site = Site::new().await;
    let member = site.sign_in("member@north.example").await;
    let account = json!({ "name": "Harbour works", "city": "Halle" });
    let made = ask(
        &site,
        &member,
        Method::POST,
        "/records/account",
        Some(account),
    )
    .await;
    let account = made.body["id"].as_str().unwrap().to_owned();
    let database = connect(&site.database.owner()).await.unwrap();
    let sql = "INSERT INTO app.sync_conflict (tenant_id, user_id, id, object, record_id, kind, fields, created_at) \
        SELECT u.tenant_id, u.id, $1, 'account', $2, 'edit', $3::text::jsonb, now() FROM app.\"user\" u WHERE u.email = 'member@north.example'";
    let fields = json!([{ "field": "city", "seen": null, "current": "Halle", "wanted": "Leuna" }])
        .to_string();
    let id = "fX00000000000Ab";
    database
        .execute(sql, &[&id, &account, &fields])
        .await
        .unwrap();

    let listed = ask(&site, &member, Method::GET, "/conflicts", None).await;
    assert_eq!(listed.status, StatusCode::OK, "{}", listed.body);
    let conflict = &listed.body["conflicts"][0];
    assert_eq!(
        (&conflict["id"], &conflict["record_id"]),
        (&json!(id), &json!(account))
    );
    let expected = json!({ "field": "city", "seen": null, "theirs": "Halle", "mine": "Leuna" });
    assert_eq!(conflict["fields"], json!([expected]));
    let place = format!("/conflicts/{id}");
    let shown = ask(&site, &member, Method::GET, &place, None).await;
    assert_eq!(&shown.body, conflict);

    let viewer = site.sign_in("viewer@north.example").await;
    let south = site.sign_in("owner@south.example").await;
    let settlement = format!("{place}/settlement");
    let each = |city: Json| Some(json!({ "choose": "each", "values": { "city": city } }));
    for (other, status) in [
        (&viewer, StatusCode::FORBIDDEN),
        (&south, StatusCode::NOT_FOUND),
    ] {
        let settled = ask(&site, other, Method::POST, &settlement, each(json!("Ulm"))).await;
        assert_eq!(settled.status, status, "{}", settled.body);
    }
    let everybodys = ask(&site, &member, Method::GET, "/conflicts?of=everybody", None).await;
    assert_eq!(everybodys.status, StatusCode::FORBIDDEN);
    let owner = site.sign_in("owner@north.example").await;
    let everybodys = ask(&site, &owner, Method::GET, "/conflicts?of=everybody", None).await;
    assert_eq!(everybodys.body["conflicts"][0]["id"], id);

    for wrong in [
        json!({}),
        json!({ "choose": "none" }),
        json!({ "choose": "each", "values": { "moon": 1 } }),
        json!({ "choose": "each", "values": { "city": 7 } }),
        json!({ "choose": "each", "values": { "city": "x".repeat(10_000) } }),
        json!({ "choose": "each", "values": [] }),
    ] {
        let refused = ask(
            &site,
            &member,
            Method::POST,
            &settlement,
            Some(wrong.clone()),
        )
        .await;
        assert_eq!(
            refused.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{wrong}: {}",
            refused.body
        );
    }
    let settled = ask(
        &site,
        &member,
        Method::POST,
        &settlement,
        each(json!("Merseburg")),
    )
    .await;
    assert_eq!(settled.status, StatusCode::NO_CONTENT, "{}", settled.body);
    let shown = ask(
        &site,
        &member,
        Method::GET,
        &format!("/records/account/{account}"),
        None,
    )
    .await;
    assert_eq!(shown.body["city"], "Merseburg");
    let again = ask(
        &site,
        &member,
        Method::POST,
        &settlement,
        each(json!("Ulm")),
    )
    .await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}
