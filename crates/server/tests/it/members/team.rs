//! A workspace with people in it, and whoever sends its letters.

use std::{collections::BTreeSet, fs, sync::Arc};

use axum::response::Response;
use fieldstone_model::{IdSource, RecordId, Role, SystemClock};
use fieldstone_server::database::{connect, serving};
use fieldstone_server::identity::workspace::{self, NewUser};
use fieldstone_server::mail::{MailSettings, Mailer};
use http::{Request, StatusCode, header};
use mail_parser::MessageParser;
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::gate::{House, PASSWORD, cookie_of, text_of};
use crate::tenancy::workspaces::now;

/// The workspace's owner, and who else is in it.
pub(super) struct Team {
    pub(super) house: House,
    pub(super) owner: Client,
    pub(super) tenant: RecordId,
    mailer: Mailer,
    worker: Client,
    outbox: TempDir,
    seen: BTreeSet<String>,
}

/// A letter as its reader sees it.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) text: String,
    /// Path and query of its link.
    pub(super) link: Option<String>,
}

impl Letter {
    pub(super) fn link(&self) -> &str {
        self.link.as_deref().expect("a link")
    }

    /// The secret of its link.
    pub(super) fn secret(&self) -> &str {
        self.link().split_once("?link=").unwrap().1
    }
}

impl Team {
    pub(super) async fn new() -> Self {
        let house = House::new().await;
        let owner = connect(&house.database.owner()).await.unwrap();
        let tenant = workspace::find(&owner, "north").await.unwrap().id;
        let outbox = tempfile::tempdir().unwrap();
        let settings = MailSettings::into_outbox(outbox.path().join("letters"));
        let mailer = Mailer::new(
            settings.open().unwrap(),
            "https://crm.example".to_owned(),
            Arc::new(SystemClock),
        );
        let worker = connect(&serving(house.database.worker())).await.unwrap();
        Self {
            house,
            owner,
            tenant,
            mailer,
            worker,
            outbox,
            seen: BTreeSet::new(),
        }
    }

    /// One more person, who signs in as everybody here does.
    pub(super) async fn add(&mut self, name: &str, role: Role) -> RecordId {
        let phc: String = self
            .owner
            .query_one("SELECT password_phc FROM app.user_secret LIMIT 1", &[])
            .await
            .unwrap()
            .get(0);
        let new = NewUser {
            email: &format!("{name}@north.example"),
            name,
            role,
            password_phc: Some(&phc),
            locale: "en",
            time_zone: "UTC",
        };
        workspace::add_user(
            &mut self.owner,
            &IdSource::default(),
            self.tenant,
            &new,
            now(),
        )
        .await
        .unwrap()
    }

    /// The session of somebody who signs in.
    pub(super) async fn cookie(&self, name: &str) -> String {
        let response = self
            .try_sign_in(&format!("{name}@north.example"), PASSWORD)
            .await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{name}");
        cookie_of(&response)
    }

    pub(super) async fn try_sign_in(&self, email: &str, password: &str) -> Response {
        let form = serde_urlencoded::to_string([("email", email), ("password", password)]).unwrap();
        self.house.sign_in(form).await
    }

    /// Sends what waits; answers the letters that had not been sent before, by recipient.
    pub(super) async fn letters(&mut self) -> Vec<Letter> {
        self.mailer
            .send_waiting(&self.worker, || true)
            .await
            .unwrap();
        let Ok(files) = fs::read_dir(self.outbox.path().join("letters")) else {
            return Vec::new();
        };
        let mut letters = Vec::new();
        for file in files {
            let path = file.unwrap().path();
            if !self.seen.insert(path.display().to_string()) {
                continue;
            }
            let bytes = fs::read(path).unwrap();
            let read = MessageParser::default().parse(&bytes).unwrap();
            let text = read.body_text(0).unwrap().replace("\r\n", "\n");
            let link = text
                .lines()
                .find_map(|line| {
                    line.strip_prefix("https://crm.example/")?
                        .contains("?link=")
                        .then_some(line)
                })
                .map(|line| line.trim_start_matches("https://crm.example").to_owned());
            letters.push(Letter {
                to: read
                    .to()
                    .unwrap()
                    .first()
                    .unwrap()
                    .address()
                    .unwrap()
                    .to_owned(),
                subject: read.subject().unwrap().to_owned(),
                text,
                link,
            });
        }
        letters.sort_by(|a, b| (&a.to, &a.subject).cmp(&(&b.to, &b.subject)));
        letters
    }

    /// The one letter that waits.
    pub(super) async fn letter(&mut self) -> Letter {
        let mut letters = self.letters().await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        letters.remove(0)
    }

    /// Opens an address as nobody.
    pub(super) async fn open(&self, path: &str) -> Response {
        self.house.ask(Request::get(path), "").await
    }

    /// Sends a form as nobody.
    pub(super) async fn send(&self, path: &str, pairs: &[(&str, &str)]) -> Response {
        let form = serde_urlencoded::to_string(pairs).unwrap();
        self.house.post(path, "", form).await
    }

    /// Sends a form as somebody.
    pub(super) async fn submit(
        &self,
        cookie: &str,
        path: &str,
        pairs: &[(&str, &str)],
    ) -> Response {
        let form = serde_urlencoded::to_string(pairs).unwrap();
        self.house.post(path, cookie, form).await
    }

    /// Calls the API as somebody.
    pub(super) async fn call(
        &self,
        cookie: &str,
        method: &str,
        path: &str,
        body: Json,
    ) -> (StatusCode, Json) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/json")
            .header("sec-fetch-site", "same-origin");
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let response = self.house.ask(request, body).await;
        let status = response.status();
        let text = text_of(response).await;
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// What an SQL query answers, as text.
    pub(super) async fn text(&self, sql: &str) -> String {
        let rows = self.owner.query(sql, &[]).await.unwrap();
        rows[0].get::<_, Option<String>>(0).unwrap_or_default()
    }

    /// The last events of the log, newest first.
    pub(super) async fn events(&self, count: usize) -> Vec<String> {
        let rows = self
            .owner
            .query(
                "SELECT action FROM app.audit_event WHERE tenant_id = $1 ORDER BY seq DESC",
                &[&self.tenant.as_str()],
            )
            .await
            .unwrap();
        rows.iter().take(count).map(|row| row.get(0)).collect()
    }
}

/// Where an answer sends to.
pub(super) fn location(response: &Response) -> &str {
    response.headers()[header::LOCATION].to_str().unwrap()
}
