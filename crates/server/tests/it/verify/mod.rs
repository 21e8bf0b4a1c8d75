//! `fieldstone verify`: what it says of a whole installation, and that it notices each thing that is broken on purpose.

mod spoiled;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fieldstone_server::cluster::admin_config;
use fieldstone_server::data_dir::DataDir;
use fieldstone_testkit::{Server, ServerOptions, binary};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

async fn database(data: &Path) -> Client {
    let mut config = admin_config(&DataDir::open(data).unwrap()).unwrap();
    config.dbname("fieldstone");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Runs it; answers whether nothing failed, and the report.
fn verify(data: &Path) -> (bool, Value) {
    let output = Command::new(binary())
        .args(["verify", "--json", "--data"])
        .arg(data)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.success(), report)
}

fn claim<'a>(report: &'a Value, id: &str) -> (&'a str, &'a str) {
    let check = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["id"] == id)
        .unwrap();
    (
        check["status"].as_str().unwrap(),
        check["seen"].as_str().unwrap(),
    )
}

/// One claim fails, and the exit status says so.
fn fails(data: &Path, id: &str, seen: &str) {
    let (good, report) = verify(data);
    let (status, evidence) = claim(&report, id);
    assert_eq!(status, "fail", "{id}: {evidence}");
    assert!(evidence.contains(seen), "{id}: {evidence}");
    assert!(!good, "{id}");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one installation, broken and mended")]
async fn a_whole_installation_keeps_its_promises_and_each_broken_one_is_noticed() {
    let folder = tempfile::Builder::new()
        .prefix("fieldstone-verify-")
        .tempdir_in("/tmp")
        .unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let (data, repository) = (folder.path().join("data"), folder.path().join("repository"));
    let options = ServerOptions::empty().on(&data).with(&[
        "--storage-encryption",
        "auto",
        "--backups",
        repository.to_str().unwrap(),
    ]);
    let server = Server::start(&options);
    let client = database(&data).await;
    let deadline = Instant::now() + Duration::from_mins(3);
    while client
        .query_one(
            "SELECT count(*) FROM app.operation WHERE kind = 'drill' AND ok",
            &[],
        )
        .await
        .unwrap()
        .get::<_, i64>(0)
        == 0
    {
        assert!(
            Instant::now() < deadline,
            "no drill was made: {}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    let (good, report) = verify(&data);
    let told = format!("{report:#}");
    assert!(good, "{told}");
    for id in [
        "P1", "P2", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11", "P12", "P15", "P16", "F4",
    ] {
        assert_eq!(claim(&report, id).0, "pass", "{id}: {told}");
    }
    assert_eq!(report["checks"].as_array().unwrap().len(), 28);
    assert!(
        !told.contains(data.to_str().unwrap()),
        "where it lies is nobody's business"
    );
    assert_eq!(
        client
            .query_one("SELECT count(*) FROM app.letter", &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        0,
        "nobody is written to"
    );

    // Signed, and shown to everybody.
    let file = folder.path().join("report.json");
    let check = |text: String| {
        fs::write(&file, text).unwrap();
        Command::new(binary())
            .args(["verify", "--signed"])
            .arg(&file)
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(check(report.to_string()));
    assert!(!check(report.to_string().replacen("pass", "fail", 1)));
    let page = server
        .client()
        .get(format!("{}/security", server.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 200);
    let text = page.text().await.unwrap();
    assert!(
        text.contains("TLS_AES") || text.contains("TLS13_AES"),
        "{text}"
    );
    assert!(
        text.contains(report["public_key"].as_str().unwrap().trim_end_matches('=')),
        "{text}"
    );

    // Broken on purpose, one at a time, and mended.
    let sql = async |text: &str| client.batch_execute(text).await.unwrap();
    sql("ALTER TABLE app.account NO FORCE ROW LEVEL SECURITY").await;
    fails(&data, "P4", "app.account");
    sql("ALTER TABLE app.account FORCE ROW LEVEL SECURITY; ALTER POLICY tenant_select ON app.deal USING (true)").await;
    fails(&data, "P4", "app.deal");
    sql("ALTER POLICY tenant_select ON app.deal USING (tenant_id = (SELECT app.tenant_id()))")
        .await;
    sql("DROP POLICY tenant_select ON app.deal").await;
    fails(&data, "P4", "app.deal");
    sql("CREATE POLICY tenant_select ON app.deal FOR SELECT USING (tenant_id = (SELECT app.tenant_id()))").await;
    // The database itself refuses such a hash.
    sql("ALTER TABLE app.user_secret DROP CONSTRAINT user_secret_password_phc_check;
         CREATE TABLE public.kept AS SELECT tenant_id, user_id, password_phc FROM app.user_secret LIMIT 1;
         UPDATE app.user_secret s SET password_phc = '$argon2i$v=19$m=4096,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g'
         FROM public.kept k WHERE s.tenant_id = k.tenant_id AND s.user_id = k.user_id").await;
    fails(&data, "P5", "argon2i");
    sql("UPDATE app.user_secret s SET password_phc = k.password_phc FROM public.kept k WHERE s.tenant_id = k.tenant_id AND s.user_id = k.user_id;
         DROP TABLE public.kept").await;
    sql("UPDATE app.operation SET began_at = began_at - interval '9 days', ended_at = ended_at - interval '9 days' WHERE kind = 'drill'").await;
    fails(&data, "P10", "too old");
    let plain = repository.join("customers.csv");
    fs::write(&plain, "name,phone\n").unwrap();
    fails(&data, "P11", "customers.csv");
    fs::remove_file(&plain).unwrap();
    let object = data.join("objects/letter.txt");
    fs::create_dir_all(object.parent().unwrap()).unwrap();
    fs::write(&object, "Dear customer, this can be read by everybody.").unwrap();
    fails(&data, "P3", "letter.txt");
    fs::remove_file(&object).unwrap();
    let secret = data.join("secrets/copied-here");
    fs::write(&secret, "what others may read").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    fails(&data, "P14", "copied-here");
    drop(server);
}

#[test]
fn data_that_is_not_encrypted_is_noticed() {
    let server = Server::start(&ServerOptions::empty());
    fails(server.data(), "P2", "is not encrypted");
    fails(server.data(), "P10", "no backups are made");
}
