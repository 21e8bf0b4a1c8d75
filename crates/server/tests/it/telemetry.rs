//! What the server tells of itself: numbers without names, and a log without secrets.

use std::fs;
use std::process::Command;

use fieldstone_testkit::{Server, ServerOptions, binary, free_port, workspace_create};
use reqwest::{Client, StatusCode};
use serde_json::{Value as Json, json};

pub(crate) const PASSWORD: &str = "planted-password-kestrel-71";
const WRONG: &str = "planted-wrong-password-heron-72";
const NEW: &str = "planted-new-password-osprey-73";
const VALUE: &str = "planted-value-of-a-field-merlin-74";
const SOUGHT: &str = "planted-search-harrier-75";
const BEARER: &str = "planted-bearer-goshawk-76";

/// A server with one owner, who has a password.
pub(crate) struct House {
    pub(crate) server: Server,
    metrics: u16,
    pub(crate) client: Client,
}

impl House {
    pub(crate) fn start() -> Self {
        Self::start_with(ServerOptions::empty())
    }

    pub(crate) fn start_with(options: ServerOptions) -> Self {
        let metrics = free_port();
        let address = format!("127.0.0.1:{metrics}");
        let options = options
            .with(&["--metrics", &address])
            .with_variable("FIELDSTONE_LOG", "json,trace");
        let server = Server::start(&options);
        let client = server.client();
        Self {
            server,
            metrics,
            client,
        }
    }

    pub(crate) fn operate(&self, arguments: &[&str]) -> String {
        let output = Command::new(binary())
            .args(arguments)
            .arg("--data")
            .arg(self.server.data())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) async fn call(
        &self,
        method: reqwest::Method,
        path: &str,
        body: &Json,
    ) -> (StatusCode, Json, Vec<String>) {
        let answer = self
            .client
            .request(method, format!("{}{path}", self.server.url()))
            .header("origin", self.server.url())
            .json(body)
            .send()
            .await
            .unwrap();
        let cookies = answer
            .cookies()
            .map(|cookie| cookie.value().to_owned())
            .collect();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (
            status,
            serde_json::from_str(&text).unwrap_or_default(),
            cookies,
        )
    }

    /// Makes the workspace and its owner; answers the secret of the link that let them in.
    pub(crate) async fn set_up(&self) -> String {
        let owner = ("Planted Owner", "planted@owner.example");
        let link = self.operate(&workspace_create(
            "planted-slug",
            "Planted Workspace",
            owner,
        ));
        let secret = link
            .split("link=")
            .nth(1)
            .unwrap_or_else(|| panic!("{link}"));
        let secret = secret.split_whitespace().next().unwrap().to_owned();
        let set_up = self
            .client
            .post(format!("{}/set-up", self.server.url()))
            .header("origin", self.server.url())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!(
                "link={secret}&password={PASSWORD}&repeat={PASSWORD}"
            ))
            .send()
            .await
            .unwrap();
        let status = set_up.status();
        assert_eq!(
            status,
            StatusCode::SEE_OTHER,
            "{}",
            set_up.text().await.unwrap()
        );
        secret
    }

    async fn numbers(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.metrics);
        self.client
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    }
}

/// The seed's code of now.
pub(crate) fn code(seed: &str) -> String {
    let output = Command::new("oathtool")
        .args(["--totp", "--base32", seed])
        .output()
        .expect("oathtool runs; install the package oathtool");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, and what may not be told of it"
)]
async fn secrets_are_in_no_log_and_names_in_no_number() {
    use reqwest::Method;

    let house = House::start();
    let secret = house.set_up().await;

    let credentials = json!({"email": "planted@owner.example", "password": PASSWORD});
    let wrong = json!({"email": "planted@owner.example", "password": WRONG});
    assert_eq!(
        house.call(Method::POST, "/api/v1/session", &wrong).await.0,
        StatusCode::UNAUTHORIZED
    );
    let (status, _, mut planted) = house
        .call(Method::POST, "/api/v1/session", &credentials)
        .await;
    assert_eq!(status, StatusCode::CREATED);

    let (status, token, _) = house
        .call(
            Method::POST,
            "/api/v1/tokens",
            &json!({"name": "planted-token-name"}),
        )
        .await;
    assert_eq!(status, StatusCode::CREATED, "{token}");
    let token = token["token"].as_str().unwrap().to_owned();
    let account = json!({"name": VALUE});
    let (status, made, _) = house
        .call(Method::POST, "/api/v1/records/account", &account)
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let with_token = |token: &str, path: &str| {
        let request = house
            .server
            .client()
            .get(format!("{}{path}", house.server.url()));
        request.bearer_auth(token).send()
    };
    let found = with_token(&token, &format!("/api/v1/search?q={SOUGHT}"))
        .await
        .unwrap();
    assert_eq!(found.status(), StatusCode::OK);
    let list = with_token(&token, "/api/v1/records/account").await.unwrap();
    assert!(list.text().await.unwrap().contains(VALUE));
    assert_eq!(
        with_token(BEARER, "/api/v1/records/account")
            .await
            .unwrap()
            .status(),
        StatusCode::UNAUTHORIZED
    );

    let (status, factor, _) = house
        .call(Method::POST, "/api/v1/session/totp", &json!({}))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{factor}");
    let seed = factor["secret"].as_str().unwrap().to_owned();
    let typed = code(&seed);
    let (status, codes, renewed) = house
        .call(
            Method::POST,
            "/api/v1/session/totp/confirmation",
            &json!({"totp": typed}),
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{codes}");
    planted.extend(renewed);
    let recovery = codes["recovery_codes"][0].as_str().unwrap().to_owned();
    let change = json!({"present": PASSWORD, "new": NEW});
    let (status, said, _) = house
        .call(Method::POST, "/api/v1/session/password", &change)
        .await;
    assert!(status.is_success(), "{status}: {said}");
    let with_recovery =
        json!({"email": "planted@owner.example", "password": NEW, "recovery_code": recovery});
    house
        .call(Method::POST, "/api/v1/session", &with_recovery)
        .await;

    // Numbers: patterns and statuses, and no names.
    let numbers = house.numbers().await;
    for expected in [
        "fieldstone_http_requests_total{method=\"POST\",route=\"/api/v1/session\",status=\"401\"} 1",
        "fieldstone_http_request_seconds_bucket{method=\"GET\",route=\"/api/v1/records/{object}\",le=",
        "fieldstone_sign_in_refusals_total{reason=\"password\"}",
        "fieldstone_database_connections{pool=\"serving\",state=\"most\"} 24",
        "fieldstone_database_connections{pool=\"sign-in\"",
        "fieldstone_job_runs_total{job=\"purge\",outcome=\"done\"}",
        "fieldstone_ready 1",
        "fieldstone_check{check=\"database\"} 1",
        "fieldstone_check{check=\"backup\"} 0",
        "fieldstone_disk_bytes{of=\"free\"}",
        "fieldstone_build_info{version=",
    ] {
        assert!(numbers.contains(expected), "{expected}:\n{numbers}");
    }
    let elsewhere = house
        .client
        .get(format!("http://127.0.0.1:{}/", house.metrics))
        .send()
        .await
        .unwrap();
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);

    planted.extend(
        [
            PASSWORD,
            WRONG,
            NEW,
            VALUE,
            SOUGHT,
            BEARER,
            "planted-slug",
            "Planted Workspace",
            "planted@owner.example",
            "Planted Owner",
            "planted-token-name",
        ]
        .map(str::to_owned),
    );
    planted.extend([token, seed, recovery, secret]);
    for secret in &planted {
        assert!(
            !numbers.contains(secret.as_str()),
            "{secret} is among the numbers"
        );
    }

    // Kept whole: the log of the server until its end, and the database's own.
    let log_of_database = house.server.data().join("log");
    let said = house.server.log();
    let traced = said
        .lines()
        .filter(|line| line.contains("\"level\":\"DEBUG\"") || line.contains("\"level\":\"TRACE\""))
        .count();
    assert!(traced > 10, "the log is talkative: {said}");
    assert!(
        said.lines()
            .any(|line| line.contains("\"id\":") && line.contains("/api/v1/session")),
        "with the request's id"
    );
    let mut logs = said;
    for entry in fs::read_dir(log_of_database).unwrap().flatten() {
        logs.push_str(&fs::read_to_string(entry.path()).unwrap());
    }
    for secret in &planted {
        assert!(!logs.contains(secret.as_str()), "{secret} is in a log");
    }
    let alone = |text: &str, at: usize| {
        let near = |at: Option<usize>| {
            at.and_then(|at| text.as_bytes().get(at))
                .is_some_and(u8::is_ascii_alphanumeric)
        };
        !near(at.checked_sub(1)) && !near(Some(at + typed.len()))
    };
    let told = logs.match_indices(&typed).any(|(at, _)| alone(&logs, at));
    assert!(!told, "the code {typed} is in a log");
}
