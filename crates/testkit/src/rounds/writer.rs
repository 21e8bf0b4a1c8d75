//! Somebody who makes records over the API, one after the other, while everything around ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::{Person, Server};

/// Their session, good for as long as the workspace lets one be.
#[derive(Debug, Clone)]
pub(super) struct Session {
    client: Client,
    url: String,
    cookie: String,
}

/// What is made until it is told to stop.
pub(super) struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work)
}

impl Session {
    pub(super) fn begin(server: &Server, person: &Person) -> Self {
        let (client, url) = (server.client(), server.url().to_owned());
        let who = json!({ "email": person.email, "password": person.password, "workspace": person.workspace });
        let cookie = run(async {
            let request = client.post(format!("{url}/api/v1/session"));
            let answer = request.header("origin", &url).json(&who).send().await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status(), StatusCode::CREATED, "signing in");
            let cookie = answer.headers().get("set-cookie").expect("a cookie");
            let cookie = cookie.to_str().expect("a text");
            cookie.split(';').next().unwrap_or_default().to_owned()
        });
        Self {
            client,
            url,
            cookie,
        }
    }

    /// Makes a record; its id when that is acknowledged.
    async fn post(&self) -> Option<String> {
        let request = self
            .client
            .post(format!("{}/api/v1/records/account", self.url));
        let answer = request
            .header("origin", &self.url)
            .header("cookie", &self.cookie)
            .timeout(Duration::from_secs(10))
            .json(&json!({ "name": "posted" }))
            .send()
            .await
            .ok()?;
        let status = answer.status();
        let body: Value = answer.json().await.ok()?;
        if status != StatusCode::CREATED {
            assert!(status.is_server_error(), "{status} {body}");
            return None;
        }
        Some(body.get("id")?.as_str()?.to_owned())
    }
}

impl Writer {
    pub(super) fn start(session: Session) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            run(async {
                let mut acknowledged = Vec::new();
                while !stopped.load(Ordering::Relaxed) {
                    match session.post().await {
                        Some(id) => acknowledged.push(id),
                        None => tokio::time::sleep(Duration::from_millis(5)).await,
                    }
                }
                acknowledged
            })
        });
        Self { stop, thread }
    }

    /// The ids of everything that was acknowledged.
    pub(super) fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer")
    }
}
