//! Files: hung on a record on one device, had on another, and readable in neither folder.

use fieldstone_testkit::DeviceProcess;
use serde_json::json;

use super::Platform;

const CANARY: &[u8] = b"canary-51c9-in-a-file ";

#[test]
fn a_file_goes_from_one_device_to_another() {
    let platform = Platform::start();
    let folder = tempfile::tempdir().unwrap();
    // More than one part of an upload.
    let content: Vec<u8> = CANARY.iter().copied().cycle().take(5_000_001).collect();
    let (photo, saved) = (
        folder.path().join("Façade.jpg"),
        folder.path().join("saved"),
    );
    std::fs::write(&photo, &content).unwrap();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();

    let here = platform.device("owner");
    let account = here.run(&["create", "account", "name=Wind park"]).ok();
    let account = account["id"].as_str().unwrap();
    let attached = here.run(&["attach", account, &text(&photo)]).ok();
    assert_eq!(attached["name"], "Façade.jpg");
    let file = attached["id"].as_str().unwrap();
    // It is here before anybody else has it.
    here.run(&["content", file, "--out", &text(&saved)]).ok();
    assert!(std::fs::read(&saved).unwrap() == content);
    let there = here.run(&["content", file, "--out", &text(&saved)]);
    assert!(there.failed(1).contains("can't be written"));
    assert_sealed(&here);
    here.run(&["sync"]).ok();
    // A device learns from the platform that the content has arrived.
    here.run(&["sync"]).ok();
    let record = here.run(&["show", file]).ok();
    assert_eq!(
        (&record["size"], &record["content_type"]),
        (&json!(content.len()), &json!("image/jpeg"))
    );

    let elsewhere = platform.device("owner");
    elsewhere.run(&["sync"]).ok();
    std::fs::remove_file(&saved).unwrap();
    elsewhere
        .run(&["content", file, "--out", &text(&saved)])
        .ok();
    assert!(std::fs::read(&saved).unwrap() == content);
    assert_sealed(&elsewhere);

    // Deleted for everybody: it goes here too.
    elsewhere.run(&["delete", file]).ok();
    elsewhere.run(&["sync"]).ok();
    here.run(&["sync"]).ok();
    let has_it = |device: &DeviceProcess| device.home().join("attachments").join(file).exists();
    assert!(!has_it(&here) && !has_it(&elsewhere));

    let missing = here.run(&["attach", account, "/nowhere/at/all"]).failed(1);
    assert!(missing.contains("/nowhere/at/all"), "{missing}");
    here.run(&["attach", "001000000000000", &text(&photo)])
        .failed(1);

    // Logged out, nothing of any file is left.
    let sent = here.run(&["attach", account, &text(&photo)]).ok();
    here.run(&["logout"]).failed(1);
    // A file can't be kept for the next login.
    let refused = here.run(&["logout", "--keep-sealed"]).failed(1);
    assert!(refused.contains("files"), "{refused}");
    here.run(&["logout", "--send"]).ok();
    elsewhere.run(&["sync"]).ok();
    std::fs::remove_file(&saved).unwrap();
    let sent = sent["id"].as_str().unwrap();
    elsewhere
        .run(&["content", sent, "--out", &text(&saved)])
        .ok();
    assert!(std::fs::read(&saved).unwrap() == content);
    assert!(!here.home().join("attachments").exists());
    assert_sealed(&here);
}

/// Nothing of the file's content lies in the device's folder.
fn assert_sealed(device: &DeviceProcess) {
    for (path, bytes) in device.files() {
        let found = bytes.windows(CANARY.len()).any(|window| window == CANARY);
        assert!(!found, "{}", path.display());
    }
}
