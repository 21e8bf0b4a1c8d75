//! Whatever is sent to the authorization server, it answers: never with an error of its own, and nobody is led astray.

use http::{Request, header};

use super::desk::{DEVICE, Desk, LOOPBACK, VERIFIER, challenge, encode};

const NAMES: [&str; 16] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "grant_type",
    "code",
    "code_verifier",
    "refresh_token",
    "client_secret",
    "token",
    "request",
    "decision",
];

/// Numbers that follow each other in no order, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

#[tokio::test]
async fn whatever_is_sent_the_answer_is_an_answer() {
    let desk = Desk::new().await;
    let challenge = challenge(VERIFIER);
    let long = "x".repeat(3000);
    let secret = format!("fsr_{}", "A".repeat(43));
    let values = [
        "",
        DEVICE,
        LOOPBACK,
        "code",
        "token",
        "S256",
        "plain",
        "allow",
        "deny",
        "query",
        "\0",
        "\r\nx: y",
        "ä\u{202e}",
        "'; --",
        "authorization_code",
        "refresh_token",
        "records.read",
        "records.read  users.manage",
        "https://evil.example/",
        "javascript:alert(1)",
        "http://127.0.0.1:1/callback",
        &challenge,
        VERIFIER,
        &long,
        &secret,
    ];
    let mut dice = Dice(7);
    for round in 0..240 {
        let pairs: Vec<(&str, &str)> = (0..dice.roll(9))
            .map(|_| {
                (
                    NAMES[dice.roll(NAMES.len())],
                    values[dice.roll(values.len())],
                )
            })
            .collect();
        let text = encode(&pairs);
        let form = |path: &str| {
            Request::post(path)
                .header("sec-fetch-site", "same-origin")
                .header(header::COOKIE, &desk.cookie)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        };
        let (request, body) = match round % 4 {
            0 => (
                Request::get(format!("/oauth/authorize?{text}"))
                    .header(header::COOKIE, &desk.cookie),
                String::new(),
            ),
            1 => (form("/oauth/authorize"), text),
            2 => (form("/oauth/token"), text),
            _ => (form("/oauth/revoke"), text),
        };
        let response = desk.house.ask(request, body).await;
        let status = response.status();
        assert!(!status.is_server_error(), "{status}: {pairs:?}");
        if let Some(location) = response.headers().get(header::LOCATION) {
            let location = location.to_str().unwrap();
            let is_home = ["/confirm", "/sign-in", "http://127.0.0.1:"];
            assert!(
                is_home.iter().any(|home| location.starts_with(home)),
                "{location}: {pairs:?}"
            );
        }
    }
}
