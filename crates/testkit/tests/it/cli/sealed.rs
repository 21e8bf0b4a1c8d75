//! What wasn't sent when a device was left: sealed there, unreadable, and delivered by whoever logs in next. And devices erased by order.

use std::path::Path;

use fieldstone_testkit::{DeviceProcess, Person};
use serde_json::json;

use super::{Platform, first_id, owner::Owner, watching::end_sessions};

const CANARY: &str = "Kanarienvogelhausen";

#[test]
fn what_was_not_sent_arrives() {
    let platform = Platform::start();
    a_lost_session_leaves_sealed_changes_that_anybody_delivers(&platform);
    another_workspace_leaves_them_where_they_are(&platform);
    a_device_is_erased_by_order_at_its_next_contact(&platform);
    an_order_is_obeyed_while_logging_out(&platform);
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
        (
            ["installation", "installation.copy", "lease"]
                .map(str::to_owned)
                .to_vec(),
            1
        )
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
        (
            ["installation", "installation.copy", "lease"]
                .map(str::to_owned)
                .to_vec(),
            1
        )
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

fn an_order_is_obeyed_while_logging_out(platform: &Platform) {
    let owner = Owner::sign_in(platform);
    let device = DeviceProcess::new();
    let (id, _) = ordered(platform, &owner, &device);
    let told = device.run(&["logout", "--send"]).failed(3);
    assert!(told.contains("ordered this device to be erased"), "{told}");
    assert_unreadable(&device);
    assert!(owner.device(&id)["erased_at"].is_string());
    let (_, journals) = left_in(&device);
    assert_eq!(journals, 1, "what wasn't sent is sealed");
    platform.log_in(&device, &platform.person("owner")).ok();
    assert_eq!(owner.release_all(), 2);
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
        (
            ["installation", "installation.copy", "lease"]
                .map(str::to_owned)
                .to_vec(),
            0
        )
    );
    assert!(owner.device(&id)["erased_at"].is_string());
}
