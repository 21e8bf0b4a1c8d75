//! A canary in fields, files, imports and exports, sought byte by byte in everything that lies on the disk: the database's storage, the
//! folder of files, the backups, the logs, the letters, the temporary files. Backups are packed, so what is in them is sought unpacked, too.
//!
//! The controls do the same without encryption, and find it: in tables, in values kept apart, in the log of changes, and in a backup made by
//! the same program with the same packing.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fieldstone_testkit::{Server, ServerOptions, binary, workspace_create};
use nix::sys::signal::Signal;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::storage::{Folder, holds};

const PASSWORD: &str = "four quiet herons 82";

/// Somebody who works on a server, through its interfaces alone.
pub(crate) struct Person<'a> {
    server: &'a Server,
    client: Client,
}

impl<'a> Person<'a> {
    /// The owner of a new workspace.
    pub(crate) async fn of(server: &'a Server) -> Self {
        let link = operate(
            server.data(),
            &workspace_create("canary", "Canary", ("Owner", "owner@canary.example")),
        );
        let secret = link.split("link=").nth(1).unwrap();
        let secret = secret.split_whitespace().next().unwrap();
        let person = Self::at_the_door(server);
        let password = PASSWORD.replace(' ', "+");
        let form = format!("link={secret}&password={password}&repeat={password}");
        let set_up = person.form("/set-up", form).await;
        assert!(set_up.status().is_redirection(), "{}", set_up.status());
        person.sign_in().await;
        person
    }

    /// The same owner, at a server that was restored.
    pub(crate) async fn again(server: &'a Server) -> Self {
        let person = Self::at_the_door(server);
        person.sign_in().await;
        person
    }

    fn at_the_door(server: &'a Server) -> Self {
        Self {
            server,
            client: server.client(),
        }
    }

    async fn sign_in(&self) {
        let credentials = json!({ "email": "owner@canary.example", "password": PASSWORD });
        self.json(Method::POST, "/api/v1/session", &credentials)
            .await;
    }

    /// Attaches a file to a record; answers where it is.
    pub(crate) async fn attach(&self, record: &str, name: &str, content: &str) -> String {
        let values = json!({ "name": name, "about_id": record });
        let file = self
            .json(Method::POST, "/api/v1/records/attachment", &values)
            .await;
        let path = format!(
            "/api/v1/records/attachment/{}",
            file["id"].as_str().unwrap()
        );
        let announced = json!({ "content_type": "text/plain", "size": content.len() });
        let upload = format!("{path}/upload");
        self.json(Method::POST, &upload, &announced).await;
        let part = self
            .client
            .put(format!("{}{upload}/parts/0", self.server.url()))
            .header("origin", self.server.url())
            .header("content-type", "application/octet-stream")
            .body(content.to_owned());
        answer(part, "the part").await;
        self.json(Method::POST, &format!("{upload}/completion"), &json!({}))
            .await;
        path
    }

    /// The content of a file.
    pub(crate) async fn content(&self, path: &str) -> String {
        let kept = self
            .client
            .get(format!("{}{path}/content", self.server.url()))
            .send();
        kept.await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn json(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = self
            .client
            .request(method, format!("{}{path}", self.server.url()))
            .header("origin", self.server.url())
            .json(body);
        answer(request, path).await
    }

    async fn form(&self, path: &str, form: String) -> reqwest::Response {
        self.client
            .post(format!("{}{path}", self.server.url()))
            .header("origin", self.server.url())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .unwrap()
    }

    /// Brings a file to be imported; answers its page.
    async fn bring(&self, file: &str) -> String {
        let form = format!("object=contact&name=people.csv&size={}", file.len());
        let announced = self.form("/imports/files", form).await;
        let announced: Value = announced.json().await.unwrap();
        let id = announced["id"].as_str().unwrap();
        let part = self
            .client
            .post(format!("{}/imports/{id}/parts?number=0", self.server.url()))
            .header("origin", self.server.url())
            .body(file.to_owned());
        answer(part, "the part of a file").await;
        let arrival = format!("/imports/{id}/arrival");
        let arrived: Value = (self.form(&arrival, String::new()).await)
            .json()
            .await
            .unwrap();
        arrived["location"].as_str().unwrap().to_owned()
    }

    /// Imports a file with the canary in every row, some of which fail, and leaves another one that nothing was imported from.
    async fn import(&self, canary: &str) {
        let mut file = "first_name,last_name,email,notes\n".to_owned();
        for row in 0..400 {
            let email = if row % 4 == 0 { "none" } else { "" };
            writeln!(file, "{canary},Ray {row},{email},{canary} in an import").unwrap();
        }
        let page = self.bring(&file).await;
        self.bring(&file).await;
        let columns = "column-0=first_name&column-1=last_name&column-2=email&column-3=&then=start";
        let begun = self.form(&page, columns.to_owned()).await;
        assert!(begun.status().is_redirection(), "{}", begun.status());
        let get = async |path: &str| {
            let request = self.client.get(format!("{}{path}", self.server.url()));
            request.send().await.unwrap()
        };
        let started = Instant::now();
        while !get(&format!("{page}/progress"))
            .await
            .status()
            .is_redirection()
        {
            assert!(started.elapsed() < Duration::from_mins(2));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let failed = get(&format!("{page}/failed")).await.text().await.unwrap();
        assert_eq!(failed.lines().count(), 101, "{failed}");
        assert!(failed.contains(canary));
        let count = self
            .json(Method::GET, "/api/v1/records/contact/count", &Value::Null)
            .await;
        assert_eq!(count["count"], 300);
    }

    /// Puts the canary wherever a workspace can hold it. Each way is checked to have arrived.
    async fn plant(&self, canary: &str) {
        let many = |end: &str| {
            let lines: Vec<String> = (0..400)
                .map(|line| format!("{canary} {line} {end}"))
                .collect();
            lines.join("\n")
        };
        // A field that is short, and one that the database keeps apart and compressed.
        let account = self
            .json(
                Method::POST,
                "/api/v1/records/account",
                &json!({ "name": format!("{canary} Ltd"), "description": many("in a field") }),
            )
            .await;
        let account = account["id"].as_str().unwrap();
        // A file.
        let content = many("in a file");
        let path = self
            .attach(account, &format!("{canary}.txt"), &content)
            .await;
        assert_eq!(self.content(&path).await, content);
        self.import(canary).await;
        // A search, which keeps words of what it finds.
        let found = self
            .json(
                Method::GET,
                &format!("/api/v1/records/account/{account}"),
                &Value::Null,
            )
            .await;
        assert!(found.to_string().contains(canary));
        // Exports in both forms, one of which is put together in memory and packed.
        for format in ["csv", "xlsx"] {
            let export = self
                .form("/exports/accounts", format!("format={format}&query="))
                .await;
            assert_eq!(export.status(), 200, "{format}");
            let bytes = export.bytes().await.unwrap();
            if format == "csv" {
                assert!(String::from_utf8_lossy(&bytes).contains(canary));
            } else {
                assert!(bytes.len() > 2_000, "{}", bytes.len());
            }
        }
    }
}

async fn answer(request: reqwest::RequestBuilder, what: &str) -> Value {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{what}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

fn operate(data: &Path, arguments: &[&str]) -> String {
    let output = Command::new(binary())
        .args(arguments)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a backup, once the one that a new server makes by itself is done.
fn backed_up(data: &Path) {
    let begun = Instant::now();
    loop {
        let output = Command::new(binary())
            .args(["backup", "now", "--data"])
            .arg(data)
            .output()
            .unwrap();
        if output.status.success() {
            return;
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("under way") && begun.elapsed() < Duration::from_mins(3),
            "{said}"
        );
        thread::sleep(Duration::from_millis(200));
    }
}

/// The folder for temporary files of the server and of everything it starts.
fn temporary(folder: &Folder, name: &str) -> PathBuf {
    let temporary = folder.0.path().join(name);
    fs::create_dir(&temporary).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
    fs::set_permissions(&temporary, open).unwrap();
    temporary
}

fn files(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let count = |path: PathBuf| if path.is_dir() { files(&path) } else { 1 };
    entries.flatten().map(|entry| count(entry.path())).sum()
}

/// Whether something lies in a file below this folder that is packed as backups are (Zstandard).
fn holds_packed(place: &Path, text: &str) -> bool {
    let entries = fs::read_dir(place).unwrap();
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            return holds_packed(&path, text);
        }
        let packed = fs::read(&path).unwrap_or_default();
        let Ok(bytes) = zstd::decode_all(packed.as_slice()) else {
            return false;
        };
        bytes
            .windows(text.len())
            .any(|bytes| bytes == text.as_bytes())
    })
}

/// A backup of a stopped installation as the product makes it (`backup/repository.rs`), but into a repository without a cipher: its tables, and
/// those pieces of its log of changes that hold the canary.
fn plain_backup(folder: &Folder, data: &Path, canary: &str) -> PathBuf {
    let repository = temporary(folder, "repository-of-plain");
    let postgres = data.join("postgres");
    let config = folder.0.path().join("pgbackrest-of-plain.conf");
    let lines = [
        "[global]".to_owned(),
        format!("repo1-path={}", repository.display()),
        "repo1-retention-full=1".to_owned(),
        "compress-type=zst".to_owned(),
        "process-max=2".to_owned(),
        format!("lock-path={}", repository.join("lock").display()),
        "log-level-file=off".to_owned(),
        "log-level-console=warn".to_owned(),
        "[plain]".to_owned(),
        format!("pg1-path={}", postgres.display()),
    ];
    fs::write(&config, lines.join("\n")).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new("pgbackrest");
        // The database's files are its account's, and nobody else writes their backups.
        let owner = fs::metadata(&postgres).unwrap();
        if owner.uid() != nix::unistd::geteuid().as_raw() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let output = command
            .args(["--stanza=plain", "--config"])
            .arg(&config)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/")
            .output()
            .expect("pgbackrest runs; install the package pgbackrest");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{arguments:?}: {said}");
    };
    run(&["--no-online", "stanza-create"]);
    run(&["--no-online", "--type=full", "backup"]);
    let mut pushed = 0;
    for entry in fs::read_dir(postgres.join("pg_wal")).unwrap().flatten() {
        let path = entry.path();
        if path.is_file() && holds(&path, canary) {
            run(&["archive-push", path.to_str().unwrap()]);
            pushed += 1;
        }
    }
    assert!(pushed > 0, "the canary stood in the log of changes");
    repository
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_workspace_can_be_read_where_it_lies() {
    let folder = Folder::new();
    let data = folder.data();
    let (repository, scratch) = (
        folder.0.path().join("repository"),
        temporary(&folder, "scratch"),
    );
    let canary = format!("kestrel-{}-canary", std::process::id());
    let options = ServerOptions::empty()
        .on(&data)
        .with_variable("TMPDIR", scratch.to_str().unwrap())
        .with_variable("FIELDSTONE_LOG", "json,trace")
        .with(&[
            "--storage-encryption",
            "auto",
            "--backups",
            repository.to_str().unwrap(),
        ]);
    let server = Server::start(&options);
    Person::of(&server).await.plant(&canary).await;
    backed_up(&data);
    let log = server.log();
    assert!(server.end(Signal::SIGTERM).success());

    assert!(
        log.contains("/records/account"),
        "the log has its requests: {log}"
    );
    assert!(!log.contains(&canary), "the canary stands in the log");
    assert!(files(&data.join("objects")) > 0 && files(&repository) > 20);
    assert!(
        !holds_packed(&repository, &canary),
        "it lies packed in the backups"
    );
    for (place, what) in [
        (
            &data,
            "the data folder, with the storage's image, the files and what was brought to be imported",
        ),
        (&repository, "the backups"),
        (&scratch, "the temporary files"),
    ] {
        assert!(!holds(place, &canary), "the canary lies in {what}");
    }

    // The controls: the same search finds the same canary where nothing is encrypted.
    let plain = folder.0.path().join("plain");
    let scratch = temporary(&folder, "scratch-of-plain");
    let options = ServerOptions::empty()
        .on(&plain)
        .with_variable("TMPDIR", scratch.to_str().unwrap());
    let server = Server::start(&options);
    Person::of(&server).await.plant(&canary).await;
    assert!(server.end(Signal::SIGTERM).success());
    assert!(holds(&plain.join("postgres/base"), &canary), "in a table");
    assert!(
        holds(&plain.join("postgres/pg_wal"), &canary),
        "in the log of changes"
    );
    let bare = plain_backup(&folder, &plain, &canary);
    assert!(
        holds_packed(&bare.join("backup"), &canary),
        "in a backup of the tables"
    );
    assert!(
        holds_packed(&bare.join("archive"), &canary),
        "in the archived log of changes"
    );
    // Files are sealed wherever they lie; a copy that isn't is found.
    assert!(!holds(&plain.join("objects"), &canary));
    fs::write(plain.join("objects/copy"), format!("{canary} in a file")).unwrap();
    assert!(holds(&plain.join("objects"), &canary), "in a file");
}
