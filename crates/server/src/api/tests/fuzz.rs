//! Whatever is sent, the answer is an answer: never a 5xx, never a panic, always JSON in the agreed form.

use axum::body::Body;
use http::{Method, Request};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{World, request};
use crate::api::{ROOT, ROUTES};

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "deal",
            "account",
            "lead",
            "pipeline",
            "user",
            "inspection",
            "stage",
            "nothing",
            "",
            "0060000000000Aa",
            "0010000000000Aa",
            "amount",
            "name",
            "territory",
            "%00",
            "%FF",
            "..",
            "%2F",
            "a b",
            "ä",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,12}",
    ]
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn query() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "filter", "search", "deleted", "order", "columns", "limit", "cursor", "q", "objects",
        "group", "measures", "before", "x",
    ]);
    let value = prop_oneof![
        word(),
        prop::sample::select(vec![
            "amount > 5",
            "name contains 'x' or not (owner_id = :me)",
            "close_date < :today+9999999999",
            "close_date < :today-800000",
            "territory = \"a\\\"b\"",
            "-amount,name",
            "account.name",
            "count,sum:amount",
            "close_date:month",
            "5",
            "0",
            "-1",
            "99999999999999999999",
            "only",
            "eyJrIjpbOTIyMzM3MjAzNjg1NDc3NTgwN10sImkiOiIwMDYwMDAwMDAwMDAwQWEifQ",
            "created_at > '9999-12-31T23:59:59Z'",
            "created_at < '-009999-01-01T00:00:00Z'",
            "status = 'a\u{0}b'",
            "interests contains gold",
            "amount in (1, 2, 3)",
            "amount is not null",
            "((((((((((((((((((((((((",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec((name, value), 0..4).prop_map(|pairs| {
        let pairs: Vec<_> = pairs
            .into_iter()
            .map(|(name, value)| format!("{name}={}", encode(&value)))
            .collect();
        pairs.join("&")
    })
}

fn json() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e30_f64..1e30).prop_map(Json::from),
        "\\PC{0,20}".prop_map(Json::from),
        prop::sample::select(vec![
            "2026-01-01",
            "0010000000000Aa",
            "gold",
            "create",
            "update",
            "delete",
            "x\u{0}y",
            "-009999-01-01T00:00:00Z",
            "99999999999999999"
        ])
        .prop_map(Json::from),
    ];
    let names = prop::sample::select(vec![
        "name",
        "amount",
        "owner_id",
        "close_date",
        "status",
        "interests",
        "seats",
        "email",
        "changes",
        "action",
        "id",
        "values",
        "version",
        "label",
        "type",
        "options",
        "to",
        "max",
        "plural",
        "account_id",
        "deal_name",
        "password",
        "last_name",
        "inspector",
        "$serde_json::private::Number",
        "x",
    ]);
    scalar.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|members| Json::Object(
                members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            )),
        ]
    })
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let name = prop::sample::select(vec![
        "if-match",
        "if-none-match",
        "idempotency-key",
        "prefer",
        "x-request-id",
    ]);
    let value = prop_oneof![
        prop::sample::select(vec![
            "\"1\"",
            "*",
            "W/\"1\"",
            "return=minimal",
            "k",
            "\"9223372036854775808\""
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,20}"
    ];
    prop::collection::vec((name, value), 0..3)
}

fn check(answer: &super::Answer, what: &str) {
    assert!(!answer.status.is_server_error(), "{what}: {answer:?}");
    if answer.body.is_empty() {
        return;
    }
    let body: Json = serde_json::from_str(&answer.body)
        .unwrap_or_else(|error| panic!("{what}: {error} {answer:?}"));
    if answer.status.is_client_error() {
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{what}"
        );
        assert_eq!(body["status"], answer.status.as_u16(), "{what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_request_is_answered(
        route in prop::sample::select(ROUTES.to_vec()),
        parts in prop::collection::vec(word(), 3),
        query in query(),
        headers in headers(),
        body in json(),
        raw in prop::option::weighted(0.2, prop::collection::vec(any::<u8>(), 0..60)),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            let account = world.make("account", json!({ "name": "Acme" })).await;
            let mut path = route.path.to_owned();
            for (name, part) in ["{object}", "{id}", "{field}"].into_iter().zip(&parts) {
                let part = match (name, part.len() % 3) {
                    ("{id}", 0) => account.to_string(),
                    ("{object}", 0) => "account".to_owned(),
                    _ => encode(part),
                };
                path = path.replace(name, &part);
            }
            let uri = format!("{ROOT}{path}?{query}");
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let request: Request<Body> = match raw {
                Some(bytes) => {
                    let mut request = request(route.method.clone(), &uri, &headers, Some(json!({})));
                    *request.body_mut() = Body::from(bytes);
                    request
                }
                None => request(route.method.clone(), &uri, &headers, Some(body.clone())),
            };
            let answer = world.send(Some(&world.team.owner), request).await;
            check(&answer, &format!("{} {uri} {body}", route.method));
        });
    }

    /// Values of the right fields and wrong kinds, as that is where the depth is.
    #[test]
    fn any_record_is_stored_or_refused(object in prop::sample::select(vec!["deal", "account", "contact", "task", "event", "inspection", "deal_line"]), values in prop::collection::vec((any::<prop::sample::Index>(), json()), 0..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            let fields = fieldstone_store::Store::registry(&world.team.member).object(object).unwrap().fields.clone();
            let members: serde_json::Map<String, Json> = values.iter().map(|(index, value)| (index.get(&fields).name.to_string(), value.clone())).collect();
            let path = format!("{ROOT}/records/{object}");
            let answer = world.ask(Method::POST, &path, &[], Some(Json::Object(members.clone()))).await;
            check(&answer, &format!("{object} {members:?}"));
            if answer.status.is_success() {
                let shown = world.get(answer.header("location")).await;
                assert_eq!(shown.body, answer.body);
            }
        });
    }
}
