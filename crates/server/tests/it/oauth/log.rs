//! What the audit log says of all this: everything, in sentences, and nothing secret.

use std::collections::BTreeSet;

use fieldstone_server::identity::audit::Action;
use http::{Request, StatusCode, header};
use serde_json::Value as Json;

use super::desk::{DEVICE, Desk, LOOPBACK, VERIFIER, encode};
use crate::gate::{PASSWORD, text_of};

const APP: &str = "https://app.example/cb";

/// Does everything that this part of the product logs; gives the secrets that came up on the way.
async fn live_through(desk: &Desk) -> Vec<String> {
    let app = desk.register("confidential", APP, &["records.read"]).await;
    let mut secrets = vec![app.secret.clone(), desk.cookie.clone()];
    let path = format!("/settings/applications/{}", app.client_id);
    let form = encode(&[
        ("name", "=Reports"),
        ("redirect_uris", APP),
        ("scope", "records.read"),
    ]);
    desk.house.post(&path, &desk.cookie, form).await;
    desk.house
        .post(&format!("{path}/secret"), &desk.cookie, "")
        .await;
    for active in ["no", "yes"] {
        let form = encode(&[("active", active)]);
        desk.house
            .post(&format!("{path}/activation"), &desk.cookie, form)
            .await;
    }
    let query = Desk::query(&app.client_id, APP, &[]);
    desk.decide(&query, "deny").await;
    desk.decide(&query, "allow").await;
    let withdrawal = format!("/settings/connected/{}/withdrawal", app.client_id);
    desk.house.post(&withdrawal, &desk.cookie, "").await;
    desk.house
        .post(&format!("{path}/deletion"), &desk.cookie, "")
        .await;

    let code = desk.code(DEVICE, LOOPBACK).await;
    desk.redeem(DEVICE, LOOPBACK, &code, &VERIFIER.replace('d', "e"))
        .await
        .refused("invalid_grant");
    let code = desk.code(DEVICE, LOOPBACK).await;
    let given = desk.redeem(DEVICE, LOOPBACK, &code, VERIFIER).await;
    desk.redeem(DEVICE, LOOPBACK, &code, VERIFIER)
        .await
        .refused("invalid_grant");
    secrets.extend([
        code,
        given.text("access_token"),
        given.text("refresh_token"),
    ]);
    let (access, refresh) = desk.device().await;
    let form = [("client_id", DEVICE), ("token", refresh.as_str())];
    desk.send("/oauth/revoke", &form, None).await;
    secrets.extend([access, refresh]);

    let form = encode(&[("name", "cron"), ("role", "viewer")]);
    let made = desk
        .house
        .post("/settings/service-accounts", &desk.cookie, form.clone())
        .await;
    let account = made.headers()[header::LOCATION]
        .to_str()
        .unwrap()
        .split('?')
        .next()
        .unwrap()
        .to_owned();
    desk.house.post(&account, &desk.cookie, form).await;
    for active in ["no", "yes"] {
        let form = encode(&[("active", active)]);
        desk.house
            .post(&format!("{account}/activation"), &desk.cookie, form)
            .await;
    }
    let form = encode(&[("name", "mine"), ("scope", "records.read"), ("days", "7")]);
    let page = desk
        .house
        .post("/settings/tokens", &desk.cookie, form)
        .await;
    let page = text_of(page).await;
    let token = page.split(">fst_").nth(1).unwrap();
    secrets.push(format!("fst_{}", token.split('<').next().unwrap()));
    let row = desk
        .owner
        .query_one("SELECT id FROM app.api_token", &[])
        .await
        .unwrap();
    let revocation = format!("/settings/tokens/{}/revocation", row.get::<_, &str>(0));
    desk.house.post(&revocation, &desk.cookie, "").await;
    let form = encode(&[("days", "30"), ("minutes", "15")]);
    desk.house
        .post("/settings/token-policy", &desk.cookie, form)
        .await;
    desk.house
        .post("/settings/audit/verification", &desk.cookie, "")
        .await;
    secrets
}

#[tokio::test]
async fn everything_is_logged_in_sentences_and_nothing_secret() {
    let desk = Desk::new().await;
    let secrets = live_through(&desk).await;
    let export = |format: &'static str| {
        let form = encode(&[("format", format)]);
        let (house, cookie) = (&desk.house, &desk.cookie);
        async move { house.post("/settings/audit/export", cookie, form).await }
    };
    let csv = export("csv").await;
    assert_eq!(csv.status(), StatusCode::OK);
    let disposition = csv.headers()[header::CONTENT_DISPOSITION].to_str().unwrap();
    assert!(disposition.starts_with("attachment; filename=\"audit-log-"));
    let csv = text_of(csv).await;
    let lines = text_of(export("jsonl").await).await;
    let events: Vec<Json> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.first().unwrap()["seq"], 1);
    assert_eq!(events.last().unwrap()["action"], "audit.export");
    let count = i64::try_from(events.len()).unwrap();
    assert_eq!(events.last().unwrap()["seq"], count, "none is missing");

    // Everything that this part of the product can log has been.
    let seen: BTreeSet<&str> = events
        .iter()
        .map(|event| event["action"].as_str().unwrap())
        .collect();
    let groups = [
        "api_token.",
        "service_account.",
        "application.",
        "consent.",
        "grant.",
        "audit.",
        "token_policy.",
    ];
    for action in Action::ALL {
        let name = action.name();
        let is_ours = groups.iter().any(|group| name.starts_with(group));
        assert!(!is_ours || seen.contains(name), "{name} is never logged");
    }

    // Nothing in it opens anything: no secret, no hash of one, no password.
    let everything = format!("{csv}{lines}");
    for secret in &secrets {
        let bare = secret.split_once('=').map_or(secret.as_str(), |it| it.1);
        assert!(!everything.contains(bare), "a secret is in the log");
    }
    for never in [PASSWORD, VERIFIER, "$argon2", "password_phc", "token_hash"] {
        assert!(!everything.contains(never), "{never} is in the log");
    }
    // A spreadsheet takes nothing of it for a formula.
    for cell in csv.lines().flat_map(|line| line.split(',')) {
        let cell = cell.trim_start_matches('"');
        assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
    }

    // Every event is told in a sentence, to those who manage people and to nobody else.
    let mut page = desk.house.page("/settings/audit", &desk.cookie).await;
    let mut told = 0;
    loop {
        let sentences = page.split("<li><p>").skip(1);
        for sentence in sentences.map(|rest| rest.split("</p>").next().unwrap()) {
            assert!(
                sentence.contains(' ') && !sentence.contains(['{', '$']),
                "{sentence}"
            );
            told += 1;
        }
        let Some(older) = page.split("href=\"/settings/audit?before=").nth(1) else {
            break;
        };
        let before = older.split('"').next().unwrap();
        let path = format!("/settings/audit?before={before}");
        page = desk.house.page(&path, &desk.cookie).await;
    }
    assert_eq!(told, count);
}

#[tokio::test]
async fn the_log_is_filtered_paged_and_checked() {
    let desk = Desk::new().await;
    for _ in 0..3 {
        desk.house.cookie().await;
    }
    let get = |query: &str| {
        let path = format!("/api/v1/audit-events?{query}");
        let (house, cookie) = (&desk.house, &desk.cookie);
        async move { serde_json::from_str::<Json>(&house.page(&path, cookie).await).unwrap() }
    };
    let started = get("action=session.start").await;
    assert_eq!(started["events"].as_array().unwrap().len(), 4);
    let first = get("action=session.start&limit=3").await;
    let cursor = first["next"].as_str().unwrap();
    let rest = get(&format!("action=session.start&limit=3&cursor={cursor}")).await;
    assert_eq!(
        (&rest["next"], rest["events"].as_array().unwrap().len()),
        (&Json::Null, 1)
    );
    let actor = started["events"][0]["actor"].as_str().unwrap();
    assert!(
        !get(&format!("actor={actor}&until=2100-01-01T00:00:00Z")).await["events"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert!(
        get("from=2100-01-01T00:00:00Z").await["events"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    for bad in [
        "action=nothing.known",
        "from=yesterday",
        "limit=0",
        "cursor=x",
        "actor=%00",
        "other=1",
    ] {
        assert_eq!(get(bad).await["status"], 400, "{bad}");
    }

    let verify = || async {
        let request = Request::post("/api/v1/audit-events/verification")
            .header("sec-fetch-site", "same-origin")
            .header(header::COOKIE, &desk.cookie);
        let answer = text_of(desk.house.ask(request, "").await).await;
        serde_json::from_str::<Json>(&answer).unwrap()
    };
    let verdict = verify().await;
    assert_eq!(
        (&verdict["whole"], &verdict["first_break"]),
        (&Json::Bool(true), &Json::Null)
    );
    let admin = fieldstone_server::database::connect(&desk.house.database.admin())
        .await
        .unwrap();
    admin
        .execute(
            "UPDATE app.audit_event SET detail = '{\"x\": 1}' WHERE seq = 2",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(verify().await["first_break"], 2);
    let page = desk
        .house
        .post("/settings/audit/verification", &desk.cookie, "")
        .await;
    assert!(
        text_of(page)
            .await
            .contains("Entry 2 isn’t as it was written")
    );
}
