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

#[test]
fn a_damaged_file_is_told_and_keeps_no_other_back() {
    let platform = Platform::start();
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    let saved = saved.to_str().unwrap();
    let here = platform.device("owner");
    let account = here.run(&["create", "account", "name=Wind park"]).ok();
    let account = account["id"].as_str().unwrap();
    let mut files = Vec::new();
    for name in ["one", "two"] {
        let file = folder.path().join(name);
        std::fs::write(&file, name.repeat(100_000)).unwrap();
        let attached = here.run(&["attach", account, file.to_str().unwrap()]).ok();
        files.push(attached["id"].as_str().unwrap().to_owned());
    }
    let [one, two] = &files[..] else {
        unreachable!()
    };
    damage(&here, one);
    let told = here.run(&["sync"]).failed(1);
    assert!(told.contains("refused"), "{told}");
    let waiting = here.run(&["pending"]).ok();
    assert_eq!(waiting["mutations"], json!([]));
    assert_eq!(
        (&waiting["files"][0]["id"], &waiting["files"][0]["name"]),
        (&json!(one), &json!("one"))
    );
    let why = waiting["files"][0]["error"].as_str().unwrap();
    assert!(why.contains("damaged"), "{why}");
    assert_eq!(waiting["files"].as_array().unwrap().len(), 1);
    // Again, in vain; then it is given up.
    here.run(&["pending", "--retry", one]).ok();
    here.run(&["sync"]).failed(1);
    here.run(&["logout"]).failed(1);
    here.run(&["pending", "--undo", one]).ok();
    here.run(&["pending", "--undo", one]).failed(1);
    assert_eq!(here.run(&["sync"]).ok()["files"], 0);

    // The other has arrived. Damaged where it was fetched, it is fetched again.
    let elsewhere = platform.device("owner");
    elsewhere.run(&["content", two, "--out", saved]).ok();
    std::fs::remove_file(saved).unwrap();
    damage(&elsewhere, two);
    let told = elsewhere.run(&["content", two, "--out", saved]).failed(1);
    assert!(told.contains("damaged"), "{told}");
    assert!(!std::path::Path::new(saved).exists());
    elsewhere.run(&["sync"]).ok();
    elsewhere.run(&["content", two, "--out", saved]).ok();
    assert_eq!(
        std::fs::read_to_string(saved).unwrap(),
        "two".repeat(100_000)
    );
    // Cut short, a sync notices by itself.
    let sealed = elsewhere.home().join("attachments").join(two);
    let size = std::fs::metadata(&sealed).unwrap().len();
    std::fs::write(&sealed, b"short").unwrap();
    elsewhere.run(&["sync"]).ok();
    assert_eq!(std::fs::metadata(&sealed).unwrap().len(), size);
}

/// Changes one byte of a file's content as it lies on the device.
fn damage(device: &DeviceProcess, file: &str) {
    let sealed = device.home().join("attachments").join(file);
    let mut bytes = std::fs::read(&sealed).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&sealed, bytes).unwrap();
}

/// Nothing of the file's content lies in the device's folder.
fn assert_sealed(device: &DeviceProcess) {
    for (path, bytes) in device.files() {
        let found = bytes.windows(CANARY.len()).any(|window| window == CANARY);
        assert!(!found, "{}", path.display());
    }
}
