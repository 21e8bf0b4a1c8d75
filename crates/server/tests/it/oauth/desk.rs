//! An application at its desk: asks for access, gets codes and tokens, and uses them.

use aws_lc_rs::digest;
use axum::body::Body;
use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use fieldstone_server::database::connect;
use http::{Request, StatusCode, header};
use serde_json::Value as Json;
use tokio_postgres::Client;

use crate::gate::{House, text_of};

pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const DEVICE: &str = "fieldstone-device";
pub(super) const LOOPBACK: &str = "http://127.0.0.1:49152/callback";

/// A house with an application that is registered as `kind`.
pub(super) struct Desk {
    pub(super) house: House,
    pub(super) owner: Client,
    /// Ann's session; she owns the workspace.
    pub(super) cookie: String,
}

/// What the token endpoint answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Json,
}

impl Answer {
    #[track_caller]
    pub(super) fn text(&self, name: &str) -> String {
        let text = self.body[name].as_str();
        text.unwrap_or_else(|| panic!("no {name} in {self:?}"))
            .to_owned()
    }

    /// Checks that it is a refusal of this kind, in the form of the standard.
    #[track_caller]
    pub(super) fn refused(&self, error: &str) {
        let status = if error == "invalid_client" { 401 } else { 400 };
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.body["error"], error, "{self:?}");
        assert!(self.body.get("access_token").is_none(), "{self:?}");
    }
}

/// A confidential application.
pub(super) struct Registered {
    pub(super) client_id: String,
    pub(super) secret: String,
}

pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

pub(super) fn encode(pairs: &[(&str, &str)]) -> String {
    serde_urlencoded::to_string(pairs).unwrap()
}

/// The parameters of an address.
pub(super) fn parameters(address: &str) -> Vec<(String, String)> {
    let (_, query) = address.split_once('?').unwrap();
    serde_urlencoded::from_str(query).unwrap()
}

pub(super) fn parameter(address: &str, name: &str) -> Option<String> {
    let found = parameters(address)
        .into_iter()
        .find(|(known, _)| known == name);
    found.map(|(_, value)| value)
}

impl Desk {
    pub(super) async fn new() -> Self {
        let house = House::new().await;
        let cookie = house.cookie().await;
        let owner = connect(&house.database.owner()).await.unwrap();
        Self {
            house,
            owner,
            cookie,
        }
    }

    /// Registers an application on the page for it.
    pub(super) async fn register(&self, kind: &str, address: &str, scopes: &[&str]) -> Registered {
        let mut form = vec![
            ("name", "Reports"),
            ("kind", kind),
            ("redirect_uris", address),
        ];
        form.extend(scopes.iter().map(|scope| ("scope", *scope)));
        let response = self
            .house
            .post("/settings/applications", &self.cookie, encode(&form))
            .await;
        let status = response.status();
        let location = response
            .headers()
            .get(header::LOCATION)
            .map(|it| it.to_str().unwrap().to_owned());
        let page = text_of(response).await;
        let between = |before: &str| {
            let rest = page.split(before).nth(1);
            rest.and_then(|rest| rest.split('<').next())
                .unwrap_or_default()
                .to_owned()
        };
        if kind == "confidential" {
            assert_eq!(status, StatusCode::CREATED, "{page}");
            let secret = format!("fss_{}", between(">fss_"));
            let client_id = format!("0OC{}", between("<code>0OC"));
            Registered { client_id, secret }
        } else {
            assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
            let location = location.unwrap();
            let id = location.strip_prefix("/settings/applications/").unwrap();
            let client_id = id.split('?').next().unwrap().to_owned();
            Registered {
                client_id,
                secret: String::new(),
            }
        }
    }

    /// The query of a request in order, with some parameters changed or left out.
    pub(super) fn query(
        client_id: &str,
        address: &str,
        changes: &[(&str, Option<&str>)],
    ) -> String {
        let challenge = challenge(VERIFIER);
        let mut pairs = vec![
            ("client_id", client_id),
            ("redirect_uri", address),
            ("response_type", "code"),
            ("state", "st&te"),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            pairs.retain(|(known, _)| known != name);
            pairs.extend(value.map(|value| (*name, value)));
        }
        encode(&pairs)
    }

    pub(super) async fn ask(&self, query: &str) -> Response {
        let request =
            Request::get(format!("/oauth/authorize?{query}")).header(header::COOKIE, &self.cookie);
        self.house.ask(request, Body::empty()).await
    }

    /// The person's answer; gives where they are sent.
    pub(super) async fn decide(&self, query: &str, decision: &str) -> String {
        let form = format!("{query}&decision={decision}");
        let response = self
            .house
            .post("/oauth/authorize", &self.cookie, form)
            .await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        response.headers()[header::LOCATION]
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// A code that the person agreed to.
    pub(super) async fn code(&self, client_id: &str, address: &str) -> String {
        let location = self
            .decide(&Self::query(client_id, address, &[]), "allow")
            .await;
        parameter(&location, "code").unwrap_or_else(|| panic!("{location}"))
    }

    pub(super) async fn send(
        &self,
        path: &str,
        form: &[(&str, &str)],
        authorization: Option<&str>,
    ) -> Answer {
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let response = self.house.ask(request, encode(form)).await;
        let status = response.status();
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        let body = serde_json::from_str(&text_of(response).await).unwrap();
        Answer { status, body }
    }

    pub(super) async fn token(&self, form: &[(&str, &str)]) -> Answer {
        self.send("/oauth/token", form, None).await
    }

    pub(super) async fn redeem(
        &self,
        client_id: &str,
        address: &str,
        code: &str,
        verifier: &str,
    ) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client_id),
            ("redirect_uri", address),
            ("code", code),
            ("code_verifier", verifier),
        ];
        self.token(&form).await
    }

    pub(super) async fn refresh(&self, client_id: &str, token: &str) -> Answer {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", client_id),
            ("refresh_token", token),
        ];
        self.token(&form).await
    }

    /// The field app signed in: its access and refresh token.
    pub(super) async fn device(&self) -> (String, String) {
        let code = self.code(DEVICE, LOOPBACK).await;
        let answer = self.redeem(DEVICE, LOOPBACK, &code, VERIFIER).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        (answer.text("access_token"), answer.text("refresh_token"))
    }

    /// How the API answers a request with a bearer token.
    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: &str,
    ) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        let response = self.house.ask(request, body.to_owned()).await;
        (response.status(), text_of(response).await)
    }

    pub(super) async fn opens(&self, token: &str) -> StatusCode {
        self.call("GET", "/api/v1/records/account", token, "")
            .await
            .0
    }

    /// How often the log holds an action.
    pub(super) async fn logged(&self, action: &str) -> i64 {
        let sql = "SELECT count(*) FROM app.audit_event WHERE action = $1";
        self.owner.query_one(sql, &[&action]).await.unwrap().get(0)
    }

    pub(super) async fn sql(&self, sql: &str) {
        self.owner.execute(sql, &[]).await.unwrap();
    }
}
