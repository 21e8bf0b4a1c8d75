//! The embedded database: made, started, taken over, stopped.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use fieldstone_server::cluster::{Cluster, ClusterOptions};
use fieldstone_server::data_dir::DataDir;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

fn folder() -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("fieldstone-embedded-")
        .tempdir_in("/tmp")
        .unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

async fn start(data_dir: &DataDir) -> Cluster {
    Cluster::start_with(data_dir, &ClusterOptions::DISPOSABLE)
        .await
        .unwrap()
}

async fn connect(cluster: &Cluster) -> Client {
    let (client, connection) = cluster.admin_config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn setting(client: &Client, name: &str) -> String {
    client
        .query_one("SELECT current_setting($1)", &[&name])
        .await
        .unwrap()
        .get(0)
}

fn postmaster(data_dir: &DataDir) -> Pid {
    let text = fs::read_to_string(data_dir.postgres().join("postmaster.pid")).unwrap();
    Pid::from_raw(text.lines().next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn it_starts_keeps_what_it_was_given_and_leaves_nothing_running() {
    let folder = folder();
    let data_dir = DataDir::open(folder.path()).unwrap();
    let cluster = start(&data_dir).await;
    let client = connect(&cluster).await;
    for (name, value) in [
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("data_checksums", "on"),
        ("password_encryption", "scram-sha-256"),
        ("log_parameter_max_length", "0"),
        ("log_parameter_max_length_on_error", "0"),
        ("log_min_error_statement", "panic"),
        ("log_error_verbosity", "terse"),
    ] {
        assert_eq!(setting(&client, name).await, value, "{name}");
    }
    client
        .batch_execute("CREATE TABLE kept AS SELECT 42 AS answer")
        .await
        .unwrap();
    let pid = postmaster(&data_dir);
    cluster.stop().await.unwrap();
    assert!(kill(pid, None).is_err(), "the database still runs");

    let again = Instant::now();
    let cluster = start(&data_dir).await;
    let took = again.elapsed();
    let client = connect(&cluster).await;
    assert_eq!(
        client
            .query_one("SELECT answer FROM kept", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        42
    );
    eprintln!("a later start took {took:?}");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn it_writes_no_value_into_its_log() {
    let folder = folder();
    let data_dir = DataDir::open(folder.path()).unwrap();
    let cluster = start(&data_dir).await;
    let client = connect(&cluster).await;
    client
        .batch_execute("CREATE TABLE person (email text PRIMARY KEY, age int)")
        .await
        .unwrap();
    for _ in 0..2 {
        let _ = client
            .execute("INSERT INTO person VALUES ($1, 1)", &[&"secret-value"])
            .await;
    }
    client
        .batch_execute("INSERT INTO person VALUES ('secret-value', 2)")
        .await
        .unwrap_err();
    client
        .execute("SELECT $1::text::int", &[&"secret-value"])
        .await
        .unwrap_err();
    cluster.stop().await.unwrap();
    let mut logs = String::new();
    for entry in fs::read_dir(data_dir.log()).unwrap() {
        logs += &fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    assert!(
        logs.contains("duplicate key"),
        "the errors are logged at all: {logs}"
    );
    let quoting = logs
        .lines()
        .filter(|line| line.contains("secret-value"))
        .collect::<Vec<_>>();
    // A cast quotes its input in the message itself; nothing but the message may.
    assert!(
        quoting
            .iter()
            .all(|line| line.contains("invalid input syntax")),
        "{quoting:?}"
    );
}

#[tokio::test]
async fn what_a_killed_server_left_running_is_replaced() {
    let folder = folder();
    let data_dir = DataDir::open(folder.path()).unwrap();
    let first = start(&data_dir).await;
    let left_over = postmaster(&data_dir);
    // As after kill -9: nobody told the database anything.
    std::mem::forget(first);
    let second = start(&data_dir).await;
    assert_ne!(postmaster(&data_dir), left_over);
    connect(&second).await;
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_database_recovers() {
    let folder = folder();
    let data_dir = DataDir::open(folder.path()).unwrap();
    let mut first = start(&data_dir).await;
    connect(&first)
        .await
        .batch_execute("CREATE TABLE kept AS SELECT 42 AS answer")
        .await
        .unwrap();
    kill(postmaster(&data_dir), Signal::SIGKILL).unwrap();
    let status = tokio::time::timeout(Duration::from_secs(10), first.ended())
        .await
        .unwrap()
        .unwrap();
    assert!(!status.success());
    let second = start(&data_dir).await;
    connect(&second)
        .await
        .query_one("SELECT 1", &[])
        .await
        .unwrap();
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_stale_pid_file_that_names_a_stranger_is_no_obstacle() {
    let folder = folder();
    let data_dir = DataDir::open(folder.path()).unwrap();
    start(&data_dir).await.stop().await.unwrap();
    // A process of the database's own account, so that PostgreSQL can't tell that it isn't one of its kind.
    let owner = fs::metadata(data_dir.postgres()).unwrap();
    let mut stranger = Command::new("sleep")
        .arg("600")
        .uid(owner.uid())
        .gid(owner.gid())
        .spawn()
        .unwrap();
    let stale = format!(
        "{}\n{}\n1700000000\n5432\n\n\n\nready\n",
        stranger.id(),
        data_dir.postgres().display()
    );
    fs::write(data_dir.postgres().join("postmaster.pid"), stale).unwrap();
    start(&data_dir).await.stop().await.unwrap();
    assert!(
        stranger.try_wait().unwrap().is_none(),
        "the stranger was harmed"
    );
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn an_interrupted_first_start_is_begun_again() {
    let folder = folder();
    let data_dir = DataDir::open(folder.path()).unwrap();
    let partial = data_dir.postgres().with_extension("new");
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("PG_VERSION"), "15\n").unwrap();
    start(&data_dir).await.stop().await.unwrap();
    assert!(!partial.exists());
}

#[tokio::test]
async fn a_long_path_works_too() {
    let folder = folder();
    let deep = folder.path().join("d".repeat(120));
    let data_dir = DataDir::open(&deep).unwrap();
    let cluster = start(&data_dir).await;
    let client = connect(&cluster).await;
    let sockets = setting(&client, "unix_socket_directories").await;
    assert!(sockets.len() < 90, "{sockets}");
    assert_eq!(fs::metadata(&sockets).unwrap().mode() & 0o777, 0o700);
    cluster.stop().await.unwrap();
    fs::remove_dir_all(&sockets).unwrap();
}
