//! The process: started, refused, killed, stopped, and spoken to in the wrong way.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use fieldstone_testkit::{Server, ServerOptions, binary, free_port, workspace_create};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A folder that the database's account can pass through.
fn folder() -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("fieldstone-process-")
        .tempdir_in("/tmp")
        .unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

/// Runs `up` where it should be refused.
fn refused(data: &Path, port: u16) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = ServerOptions::empty().command(data, port).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stdout.is_empty(), "nothing is ready");
    let sentences = stderr
        .lines()
        .filter(|line| line.starts_with("fieldstone: "))
        .collect::<Vec<_>>();
    assert_eq!(sentences.len(), 1, "{stderr}");
    sentences[0].to_owned()
}

/// The processes that work on this folder.
fn processes(data: &Path) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let command_line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command_line).contains(&*data.to_string_lossy()) {
            found.push(pid);
        }
    }
    found
}

async fn status(server: &Server, path: &str) -> u16 {
    server
        .client()
        .get(format!("{}{path}", server.url()))
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn a_second_server_on_the_folder_is_refused_and_the_first_serves_on() {
    let folder = folder();
    let data = folder.path().join("data");
    let server = Server::start(&ServerOptions::empty().on(&data));
    let sentence = refused(&data, free_port());
    assert!(
        sentence.contains("already running") && sentence.contains(&*data.to_string_lossy()),
        "{sentence}"
    );
    assert_eq!(status(&server, "/readyz").await, 200);
}

#[test]
fn a_busy_port_is_refused_before_anything_is_started() {
    let folder = folder();
    let data = folder.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let sentence = refused(&data, port);
    assert!(
        sentence.contains(&format!("127.0.0.1:{port} is in use")),
        "{sentence}"
    );
    assert!(!data.join("postgres").exists(), "no database was made");
}

#[test]
fn a_folder_that_can_not_be_used_is_refused() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.txt"), "mine").unwrap();
    for (data, expected) in [
        (file.as_path(), "can't be used"),
        (&file.join("below"), "can't be used"),
        // Nobody makes folders there, not even root.
        (Path::new("/proc/fieldstone"), "can't be used"),
        (&foreign, "was not made by fieldstone"),
    ] {
        let sentence = refused(data, free_port());
        assert!(
            sentence.contains(expected),
            "{}: {sentence}",
            data.display()
        );
    }
    assert_eq!(
        fs::read_to_string(foreign.join("thesis.txt")).unwrap(),
        "mine"
    );
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);
}

#[test]
fn a_folder_behind_a_closed_one_is_refused_when_the_database_runs_as_another_user() {
    if !nix::unistd::geteuid().is_root() {
        // The database then runs as the same user, and there is nothing to pass through.
        return;
    }
    let folder = folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let sentence = refused(&folder.path().join("data"), free_port());
    assert!(
        sentence.contains("can't pass through")
            && sentence.contains(&*folder.path().to_string_lossy()),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_database_newer_than_the_program_is_left_alone() {
    let folder = folder();
    let data = folder.path().join("data");
    let server = Server::start(&ServerOptions::empty().on(&data));
    assert!(server.end(Signal::SIGTERM).success());
    change_history(&data, "INSERT INTO app.schema_history (version, name, applied_on, checksum) VALUES (9999, 'later', now()::text, '0')").await;
    let sentence = refused(&data, free_port());
    assert!(
        sentence.contains("newer") && sentence.contains("9999"),
        "{sentence}"
    );
    assert!(
        processes(&data).is_empty(),
        "the database was stopped again"
    );
    change_history(&data, "DELETE FROM app.schema_history WHERE version = 9999").await;
    let server = Server::start(&ServerOptions::empty().on(&data));
    assert_eq!(status(&server, "/readyz").await, 200);
}

/// Runs a statement as superuser in the database of a folder that no server works on.
async fn change_history(data: &Path, statement: &str) {
    use fieldstone_server::cluster::Cluster;
    use fieldstone_server::data_dir::DataDir;
    let cluster = Cluster::start(&DataDir::open(data).unwrap()).await.unwrap();
    let mut config = cluster.admin_config();
    config.dbname("fieldstone");
    let client = fieldstone_server::database::connect(&config).await.unwrap();
    client.batch_execute(statement).await.unwrap();
    drop(client);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn after_a_kill_it_starts_again() {
    let folder = folder();
    let data = folder.path().join("data");
    let server = Server::start(&ServerOptions::empty().on(&data));
    let ca = fs::read(server.ca()).unwrap();
    let port = server.port();
    server.end(Signal::SIGKILL);
    assert!(
        !processes(&data).is_empty(),
        "the database outlives its server, so that there is something to take over"
    );
    let server = Server::start(&ServerOptions::empty().on(&data).at_port(port));
    assert_eq!(status(&server, "/readyz").await, 200);
    assert_eq!(
        fs::read(server.ca()).unwrap(),
        ca,
        "clients need not be told a new authority"
    );
}

#[test]
fn after_server_and_database_are_killed_it_starts_again() {
    let folder = folder();
    let data = folder.path().join("data");
    let server = Server::start(&ServerOptions::empty().on(&data));
    for pid in processes(&data.join("postgres")) {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    server.end(Signal::SIGKILL);
    Server::start(&ServerOptions::empty().on(&data));
}

/// Kills the database of a server, all its processes at once.
fn kill_database(data: &Path) {
    for pid in processes(&data.join("postgres")) {
        // Its workers go by themselves when the first of them is gone.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

#[tokio::test]
async fn a_database_that_dies_is_started_again_until_it_dies_too_often() {
    let server = Server::start(&ServerOptions::empty());
    let again = "The database runs again";
    for deaths in 1..=5 {
        kill_database(server.data());
        let begun = Instant::now();
        while server.log().matches(again).count() < deaths {
            assert!(begun.elapsed() < Duration::from_mins(1), "{}", server.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        while status(&server, "/readyz").await != 200 {
            assert!(begun.elapsed() < Duration::from_mins(1), "{}", server.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    kill_database(server.data());
    let (status, log) = server.ended();
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("again and again"), "{log}");
}

#[test]
fn a_signal_to_end_leaves_no_process() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = folder();
        let data = folder.path().join("data");
        let server = Server::start(&ServerOptions::empty().on(&data));
        assert!(processes(&data).len() >= 2, "server and database");
        assert!(server.end(signal).success(), "{signal}");
        assert_eq!(processes(&data), Vec::<i32>::new(), "{signal}");
    }
}

#[test]
fn an_interrupted_start_leaves_no_process() {
    let folder = folder();
    for (attempt, moment) in [
        "lock",
        "postgres.new",
        "postgres",
        "run/.s.PGSQL.5432",
        "url",
    ]
    .into_iter()
    .enumerate()
    {
        let data = folder.path().join(attempt.to_string());
        let mut child = ServerOptions::empty()
            .command(&data, free_port())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !data.join(moment).exists() && !data.join("url").exists() {
            std::thread::yield_now();
        }
        kill(
            Pid::from_raw(i32::try_from(child.id()).unwrap()),
            Signal::SIGTERM,
        )
        .unwrap();
        assert!(child.wait().unwrap().success(), "interrupted at {moment}");
        assert_eq!(
            processes(&data),
            Vec::<i32>::new(),
            "interrupted at {moment}"
        );
        Server::start(&ServerOptions::empty().on(&data));
    }
}

/// Runs a command of the operator on a data folder.
fn operate(data: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(binary())
        .args(arguments)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

/// The rules about people hold for operators too.
fn people_are_operated(data: &Path) {
    let on = |verb: &'static str, email: &'static str| ["user", verb, "acme", email];
    let (bob, cem) = ("bob@acme.example", "cem@acme.example");
    assert!(
        operate(data, &on("invite", cem))
            .unwrap()
            .contains("is on its way")
    );
    for (command, refusal) in [
        (on("invite", cem), "is invited already"),
        (on("invite", bob), "belongs to a member"),
        (on("invite", "no address"), "not an e-mail address"),
        (
            on("deactivate", "ann@acme.example"),
            "keeps at least one active owner",
        ),
        (
            on("deactivate", "eve@acme.example"),
            "Nobody in this workspace has the address",
        ),
    ] {
        let said = operate(data, &command).unwrap_err();
        assert!(said.contains(refusal), "{command:?}: {said}");
    }
    assert!(
        operate(data, &on("deactivate", bob))
            .unwrap()
            .contains("is shut out")
    );
    assert!(
        operate(data, &on("reset", bob))
            .unwrap_err()
            .contains("is deactivated")
    );
    assert!(
        operate(data, &on("reactivate", bob))
            .unwrap()
            .contains("can sign in again")
    );
    assert!(
        operate(data, &on("reset", bob))
            .unwrap()
            .contains("is on its way")
    );
}

#[test]
fn operators_make_workspaces_beside_the_running_server() {
    let folder = folder();
    let data = folder.path().join("data");
    let create = workspace_create("acme", "Acme", ("Ann", "ann@acme.example"));
    assert!(
        operate(&data, &create)
            .unwrap_err()
            .contains("There is no Fieldstone in")
    );
    assert!(!data.exists(), "asking makes nothing");

    let server = Server::start(&ServerOptions::empty().on(&data));
    let made = operate(&data, &create).unwrap();
    assert!(
        made.contains(&format!("{}/set-up?link=", server.url())),
        "{made}"
    );
    assert!(
        operate(&data, &create)
            .unwrap_err()
            .contains("already taken")
    );
    let add = [
        "user",
        "add",
        "acme",
        "bob@acme.example",
        "--name",
        "Bob",
        "--role",
        "viewer",
    ];
    assert!(operate(&data, &add).unwrap().contains("/set-up?link="));
    let users = operate(&data, &["user", "list", "acme", "--json"]).unwrap();
    let users: serde_json::Value = serde_json::from_str(&users).unwrap();
    let roles = users["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["role"].as_str().unwrap())
        .collect::<Vec<_>>();
    assert_eq!(roles, ["owner", "viewer"]);

    people_are_operated(&data);
    assert!(
        operate(&data, &["user", "list", "nobody"])
            .unwrap_err()
            .contains("There is no workspace “nobody”")
    );

    drop(server);
    assert!(
        operate(&data, &add)
            .unwrap_err()
            .contains("start it with `fieldstone up` first")
    );
    assert_eq!(processes(&data), Vec::<i32>::new());
}

#[test]
fn the_first_start_offers_a_link_and_goes_on_until_it_is_used() {
    let folder = folder();
    let data = folder.path().join("data");
    for _ in 0..2 {
        let server = Server::start(&ServerOptions::empty().on(&data));
        assert!(
            server
                .log()
                .contains(&format!("once: {}/set-up?link=", server.url())),
            "{}",
            server.log()
        );
    }
}

#[test]
fn the_demo_is_made_once_and_only_its_owner_can_read_who_signs_in() {
    let folder = folder();
    let data = folder.path().join("data");
    let server = Server::start(&ServerOptions::demo().on(&data));
    let demo = server.demo();
    assert_eq!(demo["url"], server.url());
    assert_eq!(demo["ca"], server.ca().to_str().unwrap());
    let mode = fs::metadata(data.join("demo.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let users = demo["users"].as_array().unwrap().clone();
    let roles = |workspace: &str| {
        let of = users.iter().filter(|user| user["workspace"] == workspace);
        of.map(|user| user["role"].as_str().unwrap().to_owned())
            .collect::<std::collections::BTreeSet<_>>()
    };
    for user in &users {
        assert_eq!(
            roles(user["workspace"].as_str().unwrap()).len(),
            4,
            "a user of each role: {users:?}"
        );
        assert!(
            server.log().contains(user["password"].as_str().unwrap()),
            "printed for a person as well"
        );
    }
    drop(server);

    let again = Instant::now();
    let server = Server::start(&ServerOptions::demo().on(&data));
    eprintln!("a later start with the demo took {:?}", again.elapsed());
    assert_eq!(
        server.demo()["users"].as_array().unwrap(),
        &users,
        "everybody keeps their password"
    );
    assert_eq!(
        server.demo()["url"],
        server.url(),
        "the port is another one"
    );
}

#[test]
fn later_starts_are_much_quicker_than_the_first() {
    let folder = folder();
    let data = folder.path().join("data");
    let first = Instant::now();
    Server::start(&ServerOptions::empty().on(&data));
    let first = first.elapsed();
    let later = Instant::now();
    let server = Server::start(&ServerOptions::empty().on(&data));
    let later = later.elapsed();
    eprintln!("first start {first:?}, later start {later:?}");
    // A busy machine slows both alike: a later start makes no cluster and migrates nothing.
    assert!(later * 2 < first, "{later:?} after {first:?}");
    drop(server);
}

#[tokio::test]
async fn requests_in_progress_finish_before_the_end() {
    let server = Server::start(&ServerOptions::empty());
    // A connection that is open and idle must not hold up the end either.
    let client = server.client();
    client
        .get(format!("{}/healthz", server.url()))
        .send()
        .await
        .unwrap();
    let asked = Instant::now();
    let ended = tokio::task::spawn_blocking(move || server.end(Signal::SIGTERM))
        .await
        .unwrap();
    assert!(ended.success());
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
}

#[test]
fn plain_http_is_told_where_to_go_and_never_redirected() {
    let server = Server::start(&ServerOptions::empty());
    let port = server.port();
    for request in [
        format!(
            "GET /api/v1/objects HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer secret\r\n\r\n"
        ),
        format!(
            "POST /api/v1/session HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 2\r\n\r\n{{}}"
        ),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(
            answer.contains(&format!("HTTPS only: use https://localhost:{port}/")),
            "{answer}"
        );
        assert!(!answer.to_lowercase().contains("location:"), "{answer}");
    }
}

#[tokio::test]
async fn only_tls_1_3_is_spoken_and_http_2_preferred() {
    let server = Server::start(&ServerOptions::empty());
    let ca = reqwest::Certificate::from_pem(&fs::read(server.ca()).unwrap()).unwrap();
    let client = |version| {
        reqwest::Client::builder()
            .tls_certs_only([ca.clone()])
            .tls_version_max(version)
            .build()
            .unwrap()
    };
    let url = format!("{}/healthz", server.url());
    let answer = client(reqwest::tls::Version::TLS_1_3)
        .get(&url)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert!(answer.headers().contains_key("strict-transport-security"));
    let error = client(reqwest::tls::Version::TLS_1_2)
        .get(&url)
        .send()
        .await
        .unwrap_err();
    assert!(
        format!("{error:?}").contains("ProtocolVersion"),
        "{error:?}"
    );
    let http1 = reqwest::Client::builder()
        .tls_certs_only([ca.clone()])
        .http1_only()
        .build()
        .unwrap();
    assert_eq!(
        http1.get(&url).send().await.unwrap().version(),
        reqwest::Version::HTTP_11
    );
    // Whoever does not know the authority is not talked into anything.
    reqwest::Client::builder()
        .tls_certs_only([])
        .build()
        .unwrap()
        .get(&url)
        .send()
        .await
        .unwrap_err();
}

#[tokio::test]
async fn its_names_are_all_in_the_certificate() {
    let server = Server::start(&ServerOptions::empty());
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/healthz", server.port());
        assert_eq!(
            server.client().get(url).send().await.unwrap().status(),
            200,
            "{host}"
        );
    }
}
