//! `fieldstone keys`: every level is changed while the server serves, and a change that is killed goes on.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fieldstone_testkit::{ServerOptions, binary, free_port};
use nix::sys::signal::Signal;
use reqwest::{Method, StatusCode};
use serde_json::{Value as Json, json};

use crate::telemetry::{House, PASSWORD, code};

const EMAIL: &str = "planted@owner.example";
const CONTENT: &str = "what is in the file";

impl House {
    /// A file on an account, with its content; its id.
    pub(crate) async fn file(&self) -> String {
        let account = json!({"name": "Acme"});
        let (_, account, _) = self
            .call(Method::POST, "/api/v1/records/account", &account)
            .await;
        let file = json!({"name": "notes.txt", "about_id": account["id"]});
        let (status, file, _) = self
            .call(Method::POST, "/api/v1/records/attachment", &file)
            .await;
        assert_eq!(status, StatusCode::CREATED, "{file}");
        let id = file["id"].as_str().unwrap().to_owned();
        let upload = format!("/api/v1/records/attachment/{id}/upload");
        let announced = json!({"content_type": "text/plain", "size": CONTENT.len()});
        assert_eq!(
            self.call(Method::POST, &upload, &announced).await.0,
            StatusCode::OK
        );
        let part = self
            .client
            .put(format!("{}{upload}/parts/0", self.server.url()))
            .header("origin", self.server.url())
            .body(CONTENT)
            .send();
        assert_eq!(part.await.unwrap().status(), StatusCode::NO_CONTENT);
        let done = self
            .call(Method::POST, &format!("{upload}/completion"), &json!({}))
            .await;
        assert_eq!(done.0, StatusCode::OK);
        id
    }

    pub(crate) async fn content(&self, file: &str) -> String {
        let path = format!("/api/v1/records/attachment/{file}/content");
        let got = self
            .client
            .get(format!("{}{path}", self.server.url()))
            .send()
            .await
            .unwrap();
        got.text().await.unwrap()
    }

    /// Whether a session begins with this recovery code, whose hash and whose neighbour, the seed, are sealed by the workspace's keys.
    async fn lets_in(&self, recovery: &str) -> bool {
        let credentials = json!({"email": EMAIL, "password": PASSWORD, "recovery_code": recovery});
        self.call(Method::POST, "/api/v1/session", &credentials)
            .await
            .0
            == StatusCode::CREATED
    }

    fn keys(&self) -> Json {
        let shown: Json = serde_json::from_str(&self.operate(&["keys", "show", "--json"])).unwrap();
        let shown = shown["workspaces"].as_array().unwrap();
        shown
            .iter()
            .find(|shown| shown["workspace"] == "planted-slug")
            .unwrap()
            .clone()
    }

    fn vault(&self) -> PathBuf {
        self.server.data().join("secrets/vault")
    }
}

/// What is kept of the workspace's keys.
fn wrapped(vault: &Path) -> Vec<u8> {
    let mut found = fs::read_dir(vault.join("tenants"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let file = found.find(|path| path.extension().is_some_and(|end| end == "key"));
    fs::read(file.unwrap()).unwrap()
}

/// The first bytes of the one object: what sealed it, and with which salt.
fn object(data: &Path) -> Vec<u8> {
    fn first(folder: &Path) -> Option<PathBuf> {
        let mut entries: Vec<_> = fs::read_dir(folder)
            .ok()?
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        entries.into_iter().find_map(|path| {
            if path.is_dir() {
                first(&path)
            } else {
                Some(path)
            }
        })
    }
    fs::read(first(&data.join("objects")).expect("an object")).unwrap()[..3].to_vec()
}

#[tokio::test]
async fn every_level_of_keys_changes_while_served_and_goes_on_after_a_kill() {
    let house = House::start();
    house.set_up().await;
    let credentials = json!({"email": EMAIL, "password": PASSWORD});
    assert_eq!(
        house
            .call(Method::POST, "/api/v1/session", &credentials)
            .await
            .0,
        StatusCode::CREATED
    );
    let file = house.file().await;
    let (_, factor, _) = house
        .call(Method::POST, "/api/v1/session/totp", &json!({}))
        .await;
    let typed = json!({"totp": code(factor["secret"].as_str().unwrap())});
    let (status, codes, _) = house
        .call(Method::POST, "/api/v1/session/totp/confirmation", &typed)
        .await;
    assert_eq!(status, StatusCode::OK, "{codes}");
    let mut codes = codes["recovery_codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap().to_owned());
    let mut unused = || codes.next().unwrap();
    assert_eq!(
        house.keys(),
        json!({"workspace": "planted-slug", "version": 1, "under_way": false})
    );
    assert_eq!(object(house.server.data()), [2, 0, 1]);

    // Killed while it waits for servers to notice: nothing is lost, and the next one goes on with the same change.
    let mut killed = Command::new(binary())
        .args(["keys", "rotate", "workspace", "--wait", "600", "--data"])
        .arg(house.server.data())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(killed.stdout.take().unwrap()).lines();
    let waits = said
        .map(Result::unwrap)
        .find(|line| line.starts_with("Waiting 600 s"));
    assert!(waits.is_some());
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(
        house.keys(),
        json!({"workspace": "planted-slug", "version": 257, "under_way": true})
    );
    assert_eq!(object(house.server.data()), [2, 1, 1]);
    assert_eq!(house.content(&file).await, CONTENT);
    assert!(house.lets_in(&unused()).await);
    let said = house.operate(&["keys", "rotate", "workspace", "--wait", "0"]);
    assert!(
        said.contains("version 257 seals, and the old keys are gone"),
        "{said}"
    );
    assert_eq!(house.keys()["under_way"], false);
    assert_eq!(house.content(&file).await, CONTENT);
    assert!(
        house.lets_in(&unused()).await,
        "codes are found by what they were made with"
    );

    let said = house.operate(&[
        "keys",
        "rotate",
        "data",
        "--workspace",
        "planted-slug",
        "--wait",
        "0",
    ]);
    assert!(
        said.contains("2 values and 1 parts") || said.contains("1 values and 1 parts"),
        "{said}"
    );
    assert_eq!(house.keys()["version"], 258);
    assert_eq!(object(house.server.data()), [2, 1, 2]);
    assert_eq!(house.content(&file).await, CONTENT);

    let before = wrapped(&house.vault());
    let said = house.operate(&["keys", "rotate", "root"]);
    assert!(said.contains("version 2;"), "{said}");
    assert!(!house.vault().join("root.key").exists() && house.vault().join("root-2.key").exists());
    assert_ne!(wrapped(&house.vault()), before);
    assert_eq!(house.content(&file).await, CONTENT);
    assert!(house.lets_in(&unused()).await);
    let another = house.file().await;
    assert_eq!(house.content(&another).await, CONTENT);
}

#[tokio::test]
async fn lost_keys_are_never_replaced_by_others() {
    let folder = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let data = folder.path().join("data");
    let options = ServerOptions::empty().on(&data);
    let house = House::start_with(options.clone());
    house.set_up().await;
    let credentials = json!({"email": EMAIL, "password": PASSWORD});
    let signed_in = async |house: &House| {
        let session = house.call(Method::POST, "/api/v1/session", &credentials);
        assert_eq!(session.await.0, StatusCode::CREATED);
    };
    signed_in(&house).await;
    let file = house.file().await;
    let vault = house.vault();
    let tenants = vault.join("tenants");
    assert!(house.server.end(Signal::SIGTERM).success());
    let keys = || -> Vec<PathBuf> {
        let entries = fs::read_dir(&tenants).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|end| end == "key"))
            .collect()
    };
    let [key] = keys().try_into().unwrap();

    // The workspace's own: what needs them is refused, and nothing is made in their place.
    let copy = folder.path().join("copy");
    fs::rename(&key, &copy).unwrap();
    let house = House::start_with(options.clone());
    signed_in(&house).await;
    let factor = house
        .call(Method::POST, "/api/v1/session/totp", &json!({}))
        .await;
    assert!(factor.0.is_server_error(), "{factor:?}");
    assert_ne!(house.content(&file).await, CONTENT);
    assert!(keys().is_empty(), "none were made");
    assert!(
        house
            .server
            .log()
            .contains("are gone from where keys are kept")
    );
    fs::rename(&copy, &key).unwrap();
    assert_eq!(house.content(&file).await, CONTENT);
    assert!(house.server.end(Signal::SIGTERM).success());

    // All of them: the server doesn't start.
    fs::rename(&vault, &copy).unwrap();
    let output = options
        .command(&data, free_port())
        .output()
        .expect("the server to start");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("are gone, and something is sealed under them"),
        "{said}"
    );
    assert!(!vault.join("root.key").exists());
    fs::remove_dir_all(&vault).ok();
    fs::rename(&copy, &vault).unwrap();
    let house = House::start_with(options);
    signed_in(&house).await;
    assert_eq!(house.content(&file).await, CONTENT);
}
