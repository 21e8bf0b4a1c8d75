//! Backups of `fieldstone up`: made, listed, practised, restored to a second; and what is said when one of these can't be.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use fieldstone_server::cluster::admin_config;
use fieldstone_server::data_dir::DataDir;
use fieldstone_testkit::{Server, ServerOptions, binary};
use jiff::Timestamp;
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::canary::Person;

/// The content of a file that is read from a copy.
const CONTRACT: &str = "Signed by both sides.";

fn folder() -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("fieldstone-backup-")
        .tempdir_in("/tmp")
        .unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

/// A server that makes backups into `repository`.
fn backed_up(data: &Path, repository: &Path) -> ServerOptions {
    ServerOptions::empty()
        .on(data)
        .with(&["--backups", repository.to_str().unwrap()])
}

fn fieldstone(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().unwrap()
}

fn done(arguments: &[&str]) -> String {
    let output = fieldstone(arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{arguments:?}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

fn refused(arguments: &[&str]) -> String {
    let output = fieldstone(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said.lines()
        .find_map(|line| line.strip_prefix("fieldstone: "))
        .unwrap()
        .to_owned()
}

async fn database(data: &Path) -> Client {
    let mut config = admin_config(&DataDir::open(data).unwrap()).unwrap();
    config.dbname("fieldstone");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Waits for what the server does by itself in the background.
async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "it didn't happen within two minutes"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn first_backup(data: &Path) {
    let client = database(data).await;
    until(async || {
        let row = client
            .query_one(
                "SELECT count(*) FROM app.operation WHERE kind = 'backup' AND ok",
                &[],
            )
            .await
            .unwrap();
        (row.get::<_, i64>(0) > 0).then_some(())
    })
    .await;
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_server_makes_backups_by_itself_practises_and_restores_to_the_very_second() {
    let folder = folder();
    let (data, repository) = (folder.path().join("data"), folder.path().join("repository"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let server = Server::start(&backed_up(&data, &repository));
    first_backup(&data).await;
    let client = database(&data).await;

    // A file, to be read from a copy.
    let owner = Person::of(&server).await;
    let account = owner
        .json(
            Method::POST,
            "/api/v1/records/account",
            &json!({ "name": "Acme" }),
        )
        .await;
    let account = account["id"].as_str().unwrap();
    let file = owner.attach(account, "contract.txt", CONTRACT).await;

    // A row each second, with the second that it was committed after.
    client
        .batch_execute(
            "CREATE TABLE app.tick (number int PRIMARY KEY, at timestamptz NOT NULL);
             SELECT app.protect('app.tick', 'system')",
        )
        .await
        .unwrap();
    let mut moments: Vec<Timestamp> = Vec::new();
    let mut pulse = tokio::time::interval(Duration::from_secs(1));
    for number in 0..8_i32 {
        pulse.tick().await;
        client
            .execute(
                "INSERT INTO app.tick VALUES ($1, clock_timestamp())",
                &[&number],
            )
            .await
            .unwrap();
        moments.push(
            client
                .query_one("SELECT clock_timestamp()", &[])
                .await
                .unwrap()
                .get(0),
        );
    }
    let mut random = [0_u8; 1];
    aws_random(&mut random);
    let last = usize::from(random[0]) % 6 + 1;
    let into = folder.path().join("restored");
    let said = done(&[
        "restore",
        "--to",
        &moments[last].to_string(),
        "--into",
        &text(&into),
        "--data",
        &text(&data),
        "--storage-encryption",
        "none",
    ]);
    assert!(said.contains("fieldstone up --data"), "{said}");
    // The server it was taken from never stopped.
    assert_eq!(
        client
            .query_one("SELECT count(*) FROM app.tick", &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        8
    );
    let restored = Server::start(&ServerOptions::empty().on(&into));
    let row = database(&into)
        .await
        .query_one("SELECT max(number), count(*) FROM app.tick", &[])
        .await
        .unwrap();
    assert_eq!(
        (row.get::<_, i32>(0), row.get::<_, i64>(1)),
        (
            i32::try_from(last).unwrap(),
            i64::try_from(last).unwrap() + 1
        )
    );
    assert_eq!(
        Person::again(&restored).await.content(&file).await,
        CONTRACT
    );
    assert!(restored.end(Signal::SIGTERM).success());
    assert!(
        refused(&["restore", "--into", &text(&into), "--data", &text(&data)])
            .contains("holds data already")
    );

    // A folder that holds anything is never touched, least of all the one that was backed up.
    let secrets = || fs::read_dir(data.join("secrets")).unwrap().count();
    let before = secrets();
    for occupied in [&data, &into] {
        let said = refused(&["restore", "--into", &text(occupied), "--data", &text(&data)]);
        assert!(
            said.contains("holds data already") || said.contains("already running"),
            "{said}"
        );
    }
    assert_eq!(secrets(), before);

    // The drill, which the server has practised by itself, and what it writes down.
    until(async || {
        let row = client
            .query_one(
                "SELECT count(*) FROM app.operation WHERE kind = 'drill' AND ok",
                &[],
            )
            .await
            .unwrap();
        (row.get::<_, i64>(0) > 0).then_some(())
    })
    .await;
    let drilled: Value = serde_json::from_str(&done(&[
        "backup",
        "drill",
        "--json",
        "--data",
        &text(&data),
    ]))
    .unwrap();
    assert!(
        drilled["indexes_checked"].as_u64().unwrap() > 50,
        "{drilled}"
    );
    assert_eq!(drilled["files_opened"], 1, "{drilled}");
    assert!(
        drilled["workspaces"].as_u64() >= Some(1) && drilled["rpo_seconds"].as_u64() <= Some(60),
        "{drilled}"
    );
    let rows = client
        .query("SELECT ok FROM app.operation WHERE kind = 'drill'", &[])
        .await
        .unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row.get::<_, bool>(0)));
    assert!(!data.join("scratch/drill").exists());

    // More of them, and the list.
    assert!(done(&["backup", "now", "--data", &text(&data)]).contains("diff"));
    let listed: Value =
        serde_json::from_str(&done(&["backup", "list", "--json", "--data", &text(&data)])).unwrap();
    let kinds: Vec<_> = listed["backups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|backup| backup["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["full", "diff"]);

    // Times that no backup covers.
    let nowhere = folder.path().join("nowhere");
    let sooner = refused(&[
        "restore",
        "--to",
        "2020-01-01T00:00:00Z",
        "--into",
        &text(&nowhere),
        "--data",
        &text(&data),
    ]);
    assert!(
        sooner.contains("no backup from before that time"),
        "{sooner}"
    );
    let beyond = refused(&[
        "restore",
        "--to",
        "2100-01-01T00:00:00Z",
        "--into",
        &text(&nowhere),
        "--data",
        &text(&data),
        "--storage-encryption",
        "none",
    ]);
    assert!(
        beyond.contains("The backups end before that time"),
        "{beyond}"
    );

    // Nothing in the repository can be read: every file begins as pgBackRest's encrypted ones do.
    let mut found = Vec::new();
    files(&repository, &mut found);
    assert!(found.len() > 20, "{}", found.len());
    for file in &found {
        let bytes = fs::read(file).unwrap();
        assert!(
            bytes.is_empty() || bytes.starts_with(b"Salted__"),
            "{}",
            file.display()
        );
    }
    assert!(server.end(Signal::SIGTERM).success());

    // Also without the server, and with what it wrote last.
    let into = folder.path().join("latest");
    done(&[
        "restore",
        "--into",
        &text(&into),
        "--data",
        &text(&data),
        "--storage-encryption",
        "none",
    ]);
    let restored = Server::start(&ServerOptions::empty().on(&into));
    let row = database(&into)
        .await
        .query_one("SELECT count(*) FROM app.tick", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 8);
    drop(restored);
}

fn aws_random(bytes: &mut [u8]) {
    use std::io::Read as _;
    fs::File::open("/dev/urandom")
        .unwrap()
        .read_exact(bytes)
        .unwrap();
}

#[tokio::test]
async fn a_lost_or_wrong_passphrase_and_a_lost_repository_are_named() {
    let folder = folder();
    let (data, repository) = (folder.path().join("data"), folder.path().join("repository"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let server = Server::start(&backed_up(&data, &repository));
    first_backup(&data).await;
    let secret = data.join("secrets/backup");
    let good = fs::read(&secret).unwrap();
    fs::write(&secret, "another passphrase").unwrap();
    let said = refused(&["backup", "now", "--data", &text(&data)]);
    assert!(said.contains("made with another passphrase"), "{said}");
    fs::remove_file(&secret).unwrap();
    let said = refused(&["backup", "list", "--data", &text(&data)]);
    assert!(
        said.contains("passphrase of the backups") && said.contains("is missing"),
        "{said}"
    );
    assert!(!secret.exists());
    fs::write(&secret, good).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    done(&["backup", "now", "--data", &text(&data)]);

    // Writing on fails while nobody can write there, is said, and goes on by itself afterwards.
    let away = folder.path().join("away");
    fs::rename(&repository, &away).unwrap();
    fs::write(&repository, "in the way").unwrap();
    let said = refused(&["backup", "now", "--data", &text(&data)]);
    assert!(said.contains("can't be used"), "{said}");
    fs::remove_file(&repository).unwrap();
    fs::rename(&away, &repository).unwrap();
    done(&["backup", "now", "--full", "--data", &text(&data)]);
    drop(server);
}

#[test]
fn a_folder_without_backups_says_so() {
    let folder = folder();
    let data = folder.path().join("data");
    let server = Server::start(&ServerOptions::empty().on(&data));
    let said = refused(&["backup", "list", "--data", data.to_str().unwrap()]);
    assert!(said.contains("No backups are made"), "{said}");
    drop(server);
    assert!(refused(&["backup", "list", "--data", "/tmp/nothing-here"]).contains("no Fieldstone"));
}
