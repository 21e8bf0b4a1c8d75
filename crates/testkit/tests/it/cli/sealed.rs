//! What wasn't sent when a device was left: sealed there, unreadable, and delivered by whoever logs in next. And devices erased by order.

use std::path::Path;

use fieldstone_testkit::{DeviceProcess, Person};
use serde_json::{Value, json};

use super::{Platform, first_id, watching::end_sessions};

const CANARY: &str = "Kanarienvogelhausen";

#[test]
fn what_was_not_sent_arrives() {
    let platform = Platform::start();
    a_lost_session_leaves_sealed_changes_that_anybody_delivers(&platform);
    another_workspace_leaves_them_where_they_are(&platform);
    a_device_is_erased_by_order_at_its_next_contact(&platform);
    where_nothing_may_be_sealed_an_order_leaves_nothing(&platform);
}

/// Nothing readable lies in the folder.
#[track_caller]
fn assert_unreadable(device: &DeviceProcess) {
    let canary = CANARY.as_bytes();
    for (path, bytes) in device.files() {
        let found = bytes.windows(canary.len()).any(|part| part == canary);
        assert!(!found, "{} can be read", path.display());
    }
}

/// The names of the folder's files: what it is always left with, and sealed journals.
fn left_in(device: &DeviceProcess) -> (Vec<String>, usize) {
    let is_journal = |path: &Path| path.extension().is_some_and(|end| end == "sealed");
    let files = device.files();
    let sealed = files.iter().filter(|(path, _)| is_journal(path)).count();
    let mut others: Vec<String> = files
        .iter()
        .filter(|(path, _)| !is_journal(path))
        .filter_map(|(path, _)| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    others.sort();
    (others, sealed)
}

/// An account made and one edited on a device that can't reach anybody; answers their ids.
fn work_offline(device: &DeviceProcess) -> (String, String) {
    let known = first_id(device, "accounts");
    let made = device
        .run(&["create", "account", &format!("name={CANARY} GmbH")])
        .ok();
    device
        .run(&["edit", &known, &format!("city={CANARY}")])
        .ok();
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(
        device.run(&["pending"]).ok()["mutations"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    (id, known)
}

/// The member's session ends with work unsent; the device is left sealed. Answers the ids of that work.
fn leave_sealed(platform: &Platform, device: &DeviceProcess) -> (String, String) {
    let ids = work_offline(device);
    assert!(end_sessions(platform) > 0);
    device.run(&["sync"]).failed(3);
    let asked = device.run(&["logout"]).failed(1);
    assert!(
        asked.contains("--keep-sealed") && asked.contains("--discard"),
        "{asked}"
    );
    assert_unreadable(device);
    device.run(&["logout", "--keep-sealed"]).ok();
    let (others, sealed) = left_in(device);
    assert_eq!(
        (others, sealed),
        (vec!["installation".to_owned(), "lease".to_owned()], 1)
    );
    assert_unreadable(device);
    device.run(&["list", "accounts"]).failed(3);
    ids
}

/// The work has arrived, as the member's.
fn assert_arrived(platform: &Platform, (made, known): &(String, String)) {
    let fresh = platform.device("member");
    assert_eq!(
        fresh.run(&["show", made]).ok()["name"],
        json!(format!("{CANARY} GmbH"))
    );
    assert_eq!(fresh.run(&["show", known]).ok()["city"], json!(CANARY));
    // For the next to begin with.
    fresh.run(&["edit", known, "city=Halle"]).ok();
    fresh.run(&["sync"]).ok();
}

fn a_lost_session_leaves_sealed_changes_that_anybody_delivers(platform: &Platform) {
    for next in ["member", "owner"] {
        let device = platform.device("member");
        let ids = leave_sealed(platform, &device);
        let answer = platform.log_in(&device, &platform.person(next)).ok();
        assert_eq!(answer["delivered"], 2, "{next}");
        assert_eq!(left_in(&device).1, 0, "the journal goes with the delivery");
        assert_arrived(platform, &ids);
        // Once is enough.
        assert_eq!(device.run(&["sync"]).ok()["delivered"], 0);
    }
}

fn another_workspace_leaves_them_where_they_are(platform: &Platform) {
    let device = platform.device("member");
    let ids = leave_sealed(platform, &device);
    let stranger = Person::of_workspace(&platform.server, 1, "owner");
    assert_eq!(platform.log_in(&device, &stranger).ok()["delivered"], 0);
    device.run(&["logout"]).ok();
    assert_eq!(left_in(&device).1, 1);
    assert_eq!(
        platform.log_in(&device, &platform.person("member")).ok()["delivered"],
        2
    );
    assert_arrived(platform, &ids);
}

/// Whoever manages people, in a browser.
struct Owner<'a> {
    platform: &'a Platform,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl<'a> Owner<'a> {
    fn sign_in(platform: &'a Platform) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let owner = Self {
            platform,
            client: platform.server.client(),
            runtime,
        };
        let Person {
            email,
            password,
            workspace,
        } = platform.person("owner");
        owner.ask(
            "POST",
            "/session",
            Some(json!({"email": email, "password": password, "workspace": workspace})),
        );
        owner.ask(
            "POST",
            "/session/proof",
            Some(json!({"password": password})),
        );
        owner
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let origin = self.platform.server.url();
        let mut request = self
            .client
            .request(method.parse().unwrap(), format!("{origin}/api/v1{path}"))
            .header("origin", origin);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let (status, text) = self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            (response.status(), response.text().await.unwrap())
        });
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Releases what waits in quarantine, in its order; answers how many changes it were.
    fn release_all(&self) -> usize {
        let origin = self.platform.server.url();
        let text = |request: reqwest::RequestBuilder| {
            self.runtime.block_on(async {
                let answer = request.header("origin", origin).send().await.unwrap();
                assert!(!answer.status().is_client_error() && !answer.status().is_server_error());
                answer.text().await.unwrap()
            })
        };
        let page = text(self.client.get(format!("{origin}/settings/sealed")));
        let mut forms: Vec<&str> = page
            .split("action=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .filter(|action| action.ends_with("/release"))
            .collect();
        forms.sort_unstable();
        for form in &forms {
            let request = self.client.post(format!("{origin}{form}"));
            text(request.header("content-type", "application/x-www-form-urlencoded"));
        }
        forms.len()
    }

    fn device(&self, id: &str) -> Value {
        let devices = self.ask("GET", "/devices", None);
        let found = devices["devices"]
            .as_array()
            .unwrap()
            .iter()
            .find(|device| device["id"] == id);
        found.cloned().expect("the device is listed")
    }
}

/// A device with work unsent that is ordered to erase; answers its id on the platform, and the ids of the work.
fn ordered(
    platform: &Platform,
    owner: &Owner<'_>,
    device: &DeviceProcess,
) -> (String, (String, String)) {
    let answer = platform.log_in(device, &platform.person("member")).ok();
    let id = answer["device"].as_str().unwrap().to_owned();
    let work = work_offline(device);
    owner.ask("POST", &format!("/sync/devices/{id}/wipe"), None);
    assert!(owner.device(&id)["erased_at"].is_null());
    (id, work)
}

fn a_device_is_erased_by_order_at_its_next_contact(platform: &Platform) {
    let owner = Owner::sign_in(platform);
    let device = DeviceProcess::new();
    let (id, work) = ordered(platform, &owner, &device);
    let told = device.run(&["sync"]).failed(3);
    assert!(told.contains("ordered this device to be erased"), "{told}");
    assert_unreadable(&device);
    assert_eq!(
        left_in(&device),
        (vec!["installation".to_owned(), "lease".to_owned()], 1)
    );
    assert!(
        owner.device(&id)["erased_at"].is_string(),
        "the platform knows that it was obeyed"
    );
    device.run(&["sync"]).failed(3);
    // What it had sealed arrives with the next login. Somebody else may have held the device: a person decides about it.
    assert_eq!(
        platform.log_in(&device, &platform.person("owner")).ok()["delivered"],
        2
    );
    assert_eq!(left_in(&device).1, 0);
    assert_eq!(owner.release_all(), 2);
    assert_arrived(platform, &work);
}

fn where_nothing_may_be_sealed_an_order_leaves_nothing(platform: &Platform) {
    let owner = Owner::sign_in(platform);
    let mut rules = owner.ask("GET", "/workspace/device-policy", None);
    rules["may_keep_sealed"] = json!(false);
    owner.ask("PUT", "/workspace/device-policy", Some(rules));
    let device = DeviceProcess::new();
    let (id, _) = ordered(platform, &owner, &device);
    device.run(&["sync"]).failed(3);
    assert_eq!(
        left_in(&device),
        (vec!["installation".to_owned(), "lease".to_owned()], 0)
    );
    assert!(owner.device(&id)["erased_at"].is_string());
}
