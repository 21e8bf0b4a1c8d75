//! Whose device it is: several people one after another, two devices of one person, a second factor, an ended session, a lost key.

use std::process::Command;

use fieldstone_server::cluster::admin_config;
use fieldstone_server::data_dir::DataDir;
use fieldstone_server::database::{DEFAULT_DATABASE, connect};
use fieldstone_testkit::{DeviceProcess, Person};
use serde_json::json;

use super::{Platform, first_id, watching::end_sessions};

/// Runs a statement in the platform's database as its superuser.
pub(crate) fn in_database(platform: &Platform, statement: &str) -> u64 {
    let data = DataDir::open(platform.server.data()).unwrap();
    let mut admin = admin_config(&data).unwrap();
    admin.dbname(DEFAULT_DATABASE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = connect(&admin).await.unwrap();
        client.execute(statement, &[]).await.unwrap()
    })
}

#[test]
fn whose_device_it_is() {
    let platform = Platform::start();
    several_people_use_one_device_one_after_another(&platform);
    two_devices_of_one_person_meet_field_by_field(&platform);
    an_ended_session_locks_and_signing_in_again_goes_on(&platform);
    a_lost_key_is_told_and_nothing_is_erased(&platform);
    a_second_factor_is_asked_for(&platform);
}

fn several_people_use_one_device_one_after_another(platform: &Platform) {
    let device = DeviceProcess::new();
    let mut seen = Vec::new();
    let people = [
        platform.person("owner"),
        Person::of_workspace(&platform.server, 1, "owner"),
        platform.person("member"),
    ];
    for person in &people {
        platform.log_in(&device, person).ok();
        assert_eq!(device.run(&["status"]).ok()["email"], json!(person.email));
        let listed = device.run(&["list", "accounts", "--limit", "200"]).ok();
        let ids: Vec<String> = listed["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["id"].as_str().unwrap().to_owned())
            .collect();
        device.run(&["logout"]).ok();
        let left: Vec<_> = device.files().into_iter().map(|(path, _)| path).collect();
        assert_eq!(left.len(), 3, "{left:?}");
        seen.push(ids);
    }
    // Another workspace's person has seen none of the first one's.
    assert!(!seen[0].is_empty() && !seen[1].is_empty());
    assert!(seen[1].iter().all(|id| !seen[0].contains(id)));
}

fn two_devices_of_one_person_meet_field_by_field(platform: &Platform) {
    let (phone, tablet) = (platform.device("owner"), platform.device("owner"));
    let id = first_id(&phone, "accounts");
    phone
        .run(&["edit", &id, "city=Halle", "website=https://phone.example"])
        .ok();
    tablet
        .run(&["edit", &id, "city=Leuna", "phone=+49 345 1"])
        .ok();
    phone.run(&["sync"]).ok();
    tablet.run(&["sync"]).ok();
    phone.run(&["sync"]).ok();
    for device in [&phone, &tablet] {
        let shown = device.run(&["show", &id]).ok();
        assert_eq!(
            shown["city"], "Halle",
            "the first to arrive stays until a person decides"
        );
        assert_eq!(shown["website"], "https://phone.example");
        assert_eq!(shown["phone"], "+49 345 1");
    }
    let conflicts = tablet.run(&["conflicts"]).ok();
    let conflict = &conflicts["conflicts"][0];
    assert_eq!(conflict["fields"][0]["wanted"], "Leuna");
    // Settled on the other device.
    let name = conflict["id"].as_str().unwrap();
    phone.run(&["resolve", name, "--mine"]).ok();
    phone.run(&["sync"]).ok();
    tablet.run(&["sync"]).ok();
    assert_eq!(tablet.run(&["show", &id]).ok()["city"], "Leuna");
    assert_eq!(tablet.run(&["conflicts"]).ok()["conflicts"], json!([]));
}

fn an_ended_session_locks_and_signing_in_again_goes_on(platform: &Platform) {
    let device = platform.device("member");
    let made = device.run(&["create", "account", "name=Wind park", "city=Merseburg"]);
    let id = made.ok()["id"].as_str().unwrap().to_owned();
    assert!(end_sessions(platform) > 0);
    let ended = device.start(&["watch"]).wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(3));
    let told = device.run(&["sync"]).failed(3);
    assert!(told.contains("Nothing was deleted"), "{told}");
    // Locked: nothing is shown, nothing is gone.
    device.run(&["list", "accounts"]).failed(3);
    device.run(&["page", "/accounts"]).failed(3);
    for arguments in [
        &["pending"][..],
        &["conflicts"],
        &["resolve", "fC00000000000Aa", "--mine"],
    ] {
        device.run(arguments).failed(3);
    }
    let status = device.run(&["status"]).ok();
    assert_eq!(
        (&status["locked"], &status["pending"]),
        (&json!(true), &json!(1))
    );
    // Somebody else doesn't get in that way.
    platform
        .log_in(&device, &platform.person("owner"))
        .failed(1);
    let answer = platform.log_in(&device, &platform.person("member")).ok();
    assert_eq!(answer["unlocked"], true);
    assert_eq!(device.run(&["show", &id]).ok()["city"], "Merseburg");
    assert_eq!(device.run(&["pending"]).ok()["mutations"], json!([]));
}

fn a_lost_key_is_told_and_nothing_is_erased(platform: &Platform) {
    let device = platform.device("member");
    let before = device.files().len();
    forget_keys(&device);
    let told = device.run(&["list", "accounts"]).failed(3);
    assert!(told.contains("nothing was deleted"), "{told}");
    device.run(&["logout"]).failed(3);
    assert_eq!(device.files().len(), before);
    device.run(&["logout", "--discard"]).ok();
    assert_eq!(device.files().len(), 3);
}

/// Removes the device's key from the kernel's memory, as a restart does.
fn forget_keys(device: &DeviceProcess) {
    let installation = std::fs::read_to_string(device.home().join("installation")).unwrap();
    let keyring =
        linux_keyutils::KeyRing::from_special_id(linux_keyutils::KeyRingIdentifier::User, true)
            .unwrap();
    let mine =
        linux_keyutils::KeyRing::from_special_id(linux_keyutils::KeyRingIdentifier::Thread, true)
            .unwrap();
    mine.link_keyring(keyring).unwrap();
    let login: serde_json::Value =
        serde_json::from_slice(&std::fs::read(device.home().join("login.json")).unwrap()).unwrap();
    let name = format!(
        "Fieldstone device: {}/{}/{}",
        installation.trim(),
        login["user"].as_str().unwrap(),
        login["id"].as_str().unwrap()
    );
    keyring.search(&name).unwrap().revoke().unwrap();
}

fn a_second_factor_is_asked_for(platform: &Platform) {
    let seed = enrol(platform);
    let device = DeviceProcess::new();
    let person = platform.person("admin");
    let refused = platform.log_in(&device, &person).failed(1);
    assert!(
        refused.contains("--totp") || refused.to_lowercase().contains("code"),
        "{refused}"
    );
    // A code opens once, and the one of this moment has confirmed the factor.
    in_database(platform, "UPDATE app.totp SET last_step = 0");
    let (url, ca) = (platform.server.url(), platform.ca());
    let log_in = |code: &str| device.log_in(url, &ca, &person, &["--totp", code]);
    let mut code = code_of(&seed);
    let mut answer = log_in(&code);
    if answer.code != Some(0) {
        // It was the end of that code's time.
        code = code_of(&seed);
        answer = log_in(&code);
    }
    assert_eq!(answer.ok()["ready"], true);
    device.run(&["logout"]).ok();
    log_in(&code).failed(1);
}

/// The code of an authenticator at this moment.
fn code_of(seed: &str) -> String {
    let output = Command::new("oathtool")
        .args(["--totp", "--base32", seed])
        .output()
        .expect("oathtool runs; install the package oathtool");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Sets up a second factor for the administrator; answers its seed.
fn enrol(platform: &Platform) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (client, person) = (platform.server.client(), platform.person("admin"));
        let url = |path: &str| format!("{}/api/v1{path}", platform.server.url());
        let origin = platform.server.url();
        let credentials = json!({"email": person.email, "password": person.password, "workspace": person.workspace});
        let post = |path: &str, body: serde_json::Value| client.post(url(path)).header("origin", origin).json(&body).send();
        assert!(post("/session", credentials).await.unwrap().status().is_success());
        let started: serde_json::Value = post("/session/totp", json!({})).await.unwrap().json().await.unwrap();
        let seed = started["secret"].as_str().unwrap_or_else(|| panic!("{started}")).to_owned();
        let confirmed = post("/session/totp/confirmation", json!({"totp": code_of(&seed)})).await.unwrap();
        assert!(confirmed.status().is_success(), "{}", confirmed.text().await.unwrap());
        seed
    })
}
