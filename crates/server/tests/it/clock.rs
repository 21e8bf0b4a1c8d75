//! A server whose clock is moved while it serves: it is taken away with the reason, what was acknowledged stays, and it goes on by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fieldstone_testkit::{Server, ServerOptions};
use nix::sys::signal::Signal;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

/// The library that tells a program another time, from the Debian package `faketime`.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten();
    folders
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.is_file())
        .expect("libfaketime: install the package faketime")
}

/// Moves the clock of the server that reads this file, by so many seconds.
fn move_clock(file: &Path, seconds: i32) {
    let next = file.with_extension("next");
    fs::write(&next, format!("{seconds:+}\n")).unwrap();
    fs::rename(&next, file).unwrap();
}

struct Person<'a> {
    server: &'a Server,
    client: Client,
}

impl Person<'_> {
    async fn send(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let url = self.server.url();
        let request = self.client.request(method, format!("{url}{path}"));
        let answer = request.header("origin", url).json(body).send();
        let answer = answer.await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// Makes records until `/readyz` answers so; those that were acknowledged are added to `made`.
    async fn work_until_ready(&self, wanted: bool, made: &mut Vec<String>) -> Value {
        let begun = Instant::now();
        loop {
            let values = json!({ "name": format!("Kept {}", made.len()) });
            let (status, said) = self
                .send(Method::POST, "/api/v1/records/account", &values)
                .await;
            if status == StatusCode::CREATED {
                made.push(said["id"].as_str().unwrap().to_owned());
            } else {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
            }
            let (status, report) = self.send(Method::GET, "/readyz", &Value::Null).await;
            if status.is_success() == wanted {
                return report;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "{report}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_moved_takes_the_server_away_until_it_is_right_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clock");
    move_clock(&file, 0);
    let options = ServerOptions::demo()
        .with_variable("LD_PRELOAD", library().to_str().unwrap())
        .with_variable("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap())
        .with_variable("FAKETIME_NO_CACHE", "1")
        .with_variable("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let server = Server::start(&options);
    let demo = server.demo();
    let users = demo["users"].as_array().unwrap();
    let member = users.iter().find(|user| user["role"] == "member").unwrap();
    let person = Person {
        server: &server,
        client: server.client(),
    };
    let who = json!({ "email": member["email"], "password": member["password"], "workspace": member["workspace"] });
    let (status, said) = person.send(Method::POST, "/api/v1/session", &who).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");

    let mut made = Vec::new();
    person.work_until_ready(true, &mut made).await;
    assert_eq!(made.len(), 1);
    // Ten minutes are less than a session may rest.
    for seconds in [-600, 600] {
        move_clock(&file, seconds);
        let report = person.work_until_ready(false, &mut made).await;
        let checks = report["checks"].as_array().unwrap();
        let wrong: Vec<_> = checks.iter().filter(|check| check["ok"] == false).collect();
        assert_eq!(wrong.len(), 1, "{report}");
        assert_eq!(wrong[0]["name"], "clock");
        let reason = wrong[0]["reason"].as_str().unwrap();
        assert!(reason.contains("differ by"), "{reason}");
        // Nothing is decided by such a clock.
        let (status, said) = person
            .send(Method::GET, "/api/v1/records/account/count", &Value::Null)
            .await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");

        move_clock(&file, 0);
        person.work_until_ready(true, &mut made).await;
    }
    for id in &made {
        let path = format!("/api/v1/records/account/{id}");
        let (status, said) = person.send(Method::GET, &path, &Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{said}");
    }
    let log = server.log();
    assert!(
        log.contains("clock: the clocks of server and database differ"),
        "{log}"
    );
    assert!(log.contains("clock: in order again"), "{log}");
    assert!(server.end(Signal::SIGTERM).success());
}
