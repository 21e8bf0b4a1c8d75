//! A disk that fills up under a server with its database: nothing that was acknowledged is lost, everybody is told, and it goes on by itself.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fieldstone_testkit::{Server, ServerOptions};
use nix::sys::signal::Signal;
use nix::sys::statvfs::statvfs;
use nix::unistd::geteuid;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::storage::{Folder, superuser};

/// A small disk of its own, mounted below a folder that takes it off again.
fn small_disk(folder: &Folder) -> PathBuf {
    assert!(
        geteuid().is_root(),
        "a disk is mounted by root: run this test as root"
    );
    let disk = folder.0.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=512m,mode=0711", "none"])
        .arg(&disk)
        .status();
    assert!(mounted.unwrap().success(), "a disk for the test");
    disk
}

fn free(disk: &Path) -> u64 {
    let facts = statvfs(disk).unwrap();
    facts.blocks_available() * facts.fragment_size()
}

/// Fills the disk until `rest` bytes are free.
fn fill(disk: &Path, rest: u64) {
    let mut file = fs::File::options()
        .create(true)
        .append(true)
        .open(disk.join("ballast"))
        .unwrap();
    let piece = vec![7; 64 << 10];
    while free(disk) > rest {
        if file.write_all(&piece).is_err() {
            return;
        }
    }
}

/// Somebody in the demo's first workspace.
struct Person<'a> {
    server: &'a Server,
    client: Client,
}

impl<'a> Person<'a> {
    async fn at(server: &'a Server) -> Self {
        let demo = server.demo();
        let users = demo["users"].as_array().unwrap();
        let owner = users.iter().find(|user| user["role"] == "owner").unwrap();
        let person = Self {
            server,
            client: server.client(),
        };
        let body = json!({ "email": owner["email"], "password": owner["password"], "workspace": owner["workspace"] });
        let (status, said) = person.json(Method::POST, "/api/v1/session", &body).await;
        assert!(status.is_success(), "{status} {said}");
        person
    }

    async fn json(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self
            .client
            .request(method, format!("{}{path}", self.server.url()))
            .header("origin", self.server.url())
            .json(body);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.json(Method::GET, path, &Value::Null).await
    }

    /// Makes a record; answers its id once that is acknowledged.
    async fn make(&self, name: &str) -> Result<String, (StatusCode, Value)> {
        let body = json!({ "name": name, "description": "x".repeat(20_000) });
        let (status, said) = self
            .json(Method::POST, "/api/v1/records/account", &body)
            .await;
        if status == StatusCode::CREATED {
            Ok(said["id"].as_str().unwrap().to_owned())
        } else {
            Err((status, said))
        }
    }

    /// Waits until `/readyz` answers so; answers what it says.
    async fn until_ready(&self, wanted: bool) -> Value {
        let begun = Instant::now();
        loop {
            let (status, said) = self.get("/readyz").await;
            if status.is_success() == wanted {
                return said;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "{said}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn disk_reason(report: &Value) -> String {
    let checks = report["checks"].as_array().unwrap();
    let disk = checks.iter().find(|check| check["name"] == "disk").unwrap();
    assert_eq!(disk["ok"], false, "{report}");
    disk["reason"].as_str().unwrap().to_owned()
}

/// Fills the log of changes until the database can't write it any more.
async fn write_until_the_database_stops(client: &tokio_postgres::Client) {
    let sql = "SELECT count(pg_logical_emit_message(false, 'x', repeat('y', 1000000))) FROM generate_series(1, 20)";
    for _ in 0..200 {
        if client.batch_execute(sql).await.is_err() {
            return;
        }
    }
    panic!("the log of changes never fills the disk");
}

/// Whoever signs in, on a page or by the API, and whoever asks for a token.
async fn everybody_hears_of_the_disk(person: &Person<'_>) {
    let url = person.server.url();
    let body = json!({ "email": "ann@acme.example", "password": "a sentence of nobody's" });
    let (status, said) = person.json(Method::POST, "/api/v1/session", &body).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
    assert_eq!(said["type"], "urn:fieldstone:problem:no-room");
    let form = [
        ("/sign-in", "email=ann%40acme.example&password=a+sentence"),
        (
            "/oauth/token",
            "grant_type=refresh_token&refresh_token=x&client_id=fieldstone-device",
        ),
    ];
    for (path, form) in form {
        let request = person.server.client().post(format!("{url}{path}"));
        let answer = request
            .header("origin", url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .unwrap();
        assert!(
            answer.status().is_server_error(),
            "{path} {}",
            answer.status()
        );
        assert!(answer.headers().contains_key("retry-after"), "{path}");
        let text = answer.text().await.unwrap();
        assert!(text.contains("make room"), "{path}: {text}");
    }
    // A page that needs somebody is a page all the same.
    let page = person
        .client
        .get(format!("{url}/accounts"))
        .send()
        .await
        .unwrap();
    let text = page.text().await.unwrap();
    assert!(text.contains("<h1>The disk is full</h1>"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing_and_is_left_behind_by_itself() {
    let folder = Folder::new();
    let disk = small_disk(&folder);
    let data = disk.join("data");
    let server = Server::start(&ServerOptions::demo().on(&data));
    let person = Person::at(&server).await;
    let (_, before) = person.get("/api/v1/records/account/count").await;
    let before = before["count"].as_u64().unwrap();
    person.until_ready(true).await;

    // People write while somebody else's files take the room.
    let mut acknowledged = Vec::new();
    let refused = loop {
        // Less than what is needed, and enough for the database itself.
        fill(&disk, (free(&disk).saturating_sub(8 << 20)).max(40 << 20));
        match person.make(&format!("Kept {}", acknowledged.len())).await {
            Ok(id) => acknowledged.push(id),
            Err(refused) => break refused,
        }
        assert!(acknowledged.len() < 500, "the disk does not fill up");
    };
    assert!(!acknowledged.is_empty());
    let (status, problem) = refused;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE, "{problem}");
    assert_eq!(problem["type"], "urn:fieldstone:problem:no-room");
    let said = problem["detail"].as_str().unwrap();
    assert!(
        said.contains("disk") && said.contains("make room"),
        "{said}"
    );
    let reason = disk_reason(&person.until_ready(false).await);
    assert!(reason.contains("make room"), "{reason}");
    // On a page too, in its frame; a file isn't taken either; and what is there is read and can be removed.
    let page = person
        .client
        .post(format!("{}/accounts", server.url()))
        .header("origin", server.url())
        .header("content-type", "application/x-www-form-urlencoded")
        .body("name=Refused");
    let page = page.send().await.unwrap();
    assert_eq!(page.status(), StatusCode::INSUFFICIENT_STORAGE);
    let text = page.text().await.unwrap();
    assert!(
        text.contains("The disk is full") && text.contains("<nav"),
        "{text}"
    );
    let gone = acknowledged.pop().unwrap();
    let path = format!("/api/v1/records/account/{gone}");
    let (status, said) = person.json(Method::DELETE, &path, &Value::Null).await;
    assert!(status.is_success(), "{status} {said}");

    // Not even what was held back for the database is left: it can't write its log, and stops.
    let client = superuser(&data).await;
    fill(&disk, 0);
    write_until_the_database_stops(&client).await;
    fill(&disk, 0);
    let (status, said) = person.make("Refused").await.unwrap_err();
    assert!(status.is_server_error(), "{status} {said}");
    disk_reason(&person.until_ready(false).await);
    let begun = Instant::now();
    while !server.log().contains("the database has ended") {
        assert!(begun.elapsed() < Duration::from_mins(1), "{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Nobody can even be recognised; what is said is the reason, and not that somebody is busy.
    let (status, said) = person.get("/api/v1/records/account/count").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
    let detail = said["detail"].as_str().unwrap();
    assert!(
        detail.contains("The disk of this installation is full"),
        "{said}"
    );

    everybody_hears_of_the_disk(&person).await;

    // There is room again, and nobody does anything else.
    fs::remove_file(disk.join("ballast")).unwrap();
    let begun = Instant::now();
    while let Err((status, said)) = person.make("After").await {
        assert!(
            status == StatusCode::INSUFFICIENT_STORAGE || status == StatusCode::SERVICE_UNAVAILABLE,
            "{status} {said}"
        );
        assert!(begun.elapsed() < Duration::from_mins(2), "{said}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    person.until_ready(true).await;
    for id in &acknowledged {
        let (status, record) = person.get(&format!("/api/v1/records/account/{id}")).await;
        assert_eq!(status, StatusCode::OK, "{id}");
        assert_eq!(record["description"].as_str().unwrap().len(), 20_000);
    }
    let (_, after) = person.get("/api/v1/records/account/count").await;
    let expected = before + acknowledged.len() as u64 + 1;
    assert_eq!(after["count"], expected, "no half of anything");
    assert!(server.log().contains("There is room again"));
    drop(person);
    assert!(server.end(Signal::SIGTERM).success());
}
