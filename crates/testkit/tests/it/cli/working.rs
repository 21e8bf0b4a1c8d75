//! A day with a device: every command, in JSON, with the exit status that scripts rely on.

use fieldstone_testkit::DeviceProcess;
use serde_json::json;

use super::{Platform, owner::Owner};

#[test]
fn a_day_with_a_device() {
    let platform = Platform::start();
    every_command_answers_in_json(&platform);
    exit_codes_tell_what_is_the_matter(&platform);
    what_was_refused_is_told_until_it_is_settled(&platform);
    super::watching::it_sends_what_is_changed_meanwhile_and_stops_when_asked(&platform);
}

fn every_command_answers_in_json(platform: &Platform) {
    let device = DeviceProcess::new();
    let answer = platform.log_in(&device, &platform.person("owner")).ok();
    assert_eq!(answer["ready"], true);
    assert_eq!(answer["origin"], platform.server.url());
    let status = device.run(&["status"]).ok();
    assert_eq!(
        (&status["role"], &status["proven"], &status["pending"]),
        (&json!("owner"), &json!(true), &json!(0))
    );
    // Made here, changed here, and sent.
    let made = device
        .run(&["create", "account", "name=Wind park", "city=Halle"])
        .ok();
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 15);
    assert_eq!(made["city"], "Halle");
    let edited = device.run(&["edit", &id, "city=Leuna"]).ok();
    assert_eq!(edited["city"], "Leuna");
    let waiting = device.run(&["pending"]).ok();
    assert_eq!(waiting["mutations"].as_array().unwrap().len(), 1);
    assert_eq!(waiting["mutations"][0]["record"], json!(id));
    let change = waiting["mutations"][0]["id"].as_str().unwrap();
    device.run(&["pending", "--edit", change, "city=Jena"]).ok();
    assert_eq!(device.run(&["show", &id]).ok()["city"], "Jena");
    let found = device
        .run(&[
            "list",
            "accounts",
            "--filter",
            "city = \"Jena\"",
            "--order",
            "-name",
        ])
        .ok();
    assert_eq!(found["records"][0]["id"], json!(id));
    let page = device.run(&["page", &format!("/accounts/{id}")]).ok();
    assert_eq!(page["status"], 200);
    assert!(page["html"].as_str().unwrap().contains("Wind park"));
    let synced = device.run(&["sync"]).ok();
    assert_eq!(
        synced,
        json!({ "up_to_date": true, "proven": true, "pending": 0, "files": 0, "refused": 0, "delivered": 0, "kept": 0 })
    );
    assert_eq!(device.run(&["conflicts"]).ok(), json!({ "conflicts": [] }));
    // Taken back before anybody has seen it.
    device.run(&["edit", &id, "city=Köthen"]).ok();
    let waiting = device.run(&["pending"]).ok();
    let change = waiting["mutations"][0]["id"].as_str().unwrap();
    device.run(&["pending", "--undo", change]).ok();
    assert_eq!(device.run(&["show", &id]).ok()["city"], "Jena");
    device.run(&["delete", &id]).ok();
    device.run(&["logout", "--send"]).ok();
    // Another login doesn't find what was deleted.
    platform.log_in(&device, &platform.person("owner")).ok();
    let listed = device
        .run(&["list", "accounts", "--search", "wind park"])
        .ok();
    assert_eq!(listed["records"], json!([]));
}

fn exit_codes_tell_what_is_the_matter(platform: &Platform) {
    let device = DeviceProcess::new();
    let nobody = device.run(&["list", "accounts"]).failed(3);
    assert!(nobody.contains("Nobody is logged in"), "{nobody}");
    assert_eq!(device.run(&["list"]).code, Some(2));
    assert_eq!(device.run(&["frobnicate"]).code, Some(2));
    assert_eq!(device.run(&["--help"]).code, Some(0));
    let mut stranger = platform.person("owner");
    stranger.password.push('x');
    let refused = platform.log_in(&device, &stranger).failed(1);
    assert!(!refused.is_empty());
    assert!(!device.home().join("login.json").exists());
    platform.log_in(&device, &platform.person("viewer")).ok();
    platform
        .log_in(&device, &platform.person("owner"))
        .failed(1);
    device.run(&["show", "nonsense"]).failed(1);
    device.run(&["list", "moons"]).failed(1);
    device.run(&["page", "/nowhere/at/all"]).failed(1);
    device
        .run(&["page", "https://elsewhere.example/"])
        .failed(1);
    // A viewer's change is refused here already.
    device.run(&["create", "account", "name=Ulm"]).failed(1);
    device
        .run(&["resolve", "fC00000000000Aa", "--mine"])
        .failed(1);
}

fn what_was_refused_is_told_until_it_is_settled(platform: &Platform) {
    let owner = Owner::sign_in(platform);
    let field = json!({ "name": "colour", "type": "text", "label": "Colour" });
    owner.ask("POST", "/objects/account/fields", Some(field));
    let device = platform.device("member");
    let made = device
        .run(&["create", "account", "name=Repainted", "colour=red"])
        .ok();
    let id = made["id"].as_str().unwrap();
    owner.ask("DELETE", "/objects/account/fields/colour", None);
    for _ in 0..2 {
        let told = device.run(&["sync"]).failed(1);
        assert!(told.contains("1 of your changes was refused"), "{told}");
    }
    let told = device.run(&["logout", "--send"]).failed(1);
    assert!(told.contains("Still logged in"), "{told}");
    let waiting = device.run(&["pending"]).ok();
    let change = waiting["mutations"][0]["id"].as_str().unwrap();
    let reason = &waiting["mutations"][0]["error"]["fields"][0];
    assert_eq!(reason["field"], "colour");
    let nothing = device.command(&["pending", "--edit", change]).output();
    assert_eq!(nothing.unwrap().status.code(), Some(2));
    device
        .run(&["pending", "--edit", change, "--without", "size"])
        .failed(1);
    device
        .run(&["pending", "--edit", change, "--without", "colour"])
        .ok();
    assert_eq!(device.run(&["sync"]).ok()["refused"], 0);
    let elsewhere = platform.device("member");
    assert_eq!(elsewhere.run(&["show", id]).ok()["name"], "Repainted");
}

/// What a person reads who asks for help, and that each command says something of itself.
#[test]
fn help_says_what_each_command_does() {
    let device = DeviceProcess::new();
    let help = |arguments: &[&str]| {
        let output = device.command(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let all = help(&["--help"]);
    for command in [
        "login",
        "logout",
        "status",
        "sync",
        "watch",
        "list",
        "show",
        "create",
        "edit",
        "delete",
        "pending",
        "conflicts",
        "resolve",
        "page",
    ] {
        let line = all
            .lines()
            .find(|line| line.trim_start().starts_with(command))
            .unwrap_or_else(|| panic!("{command} isn't in the help"));
        assert!(line.trim().len() > command.len() + 15, "{line}");
        assert!(help(&[command, "--help"]).contains("--json"), "{command}");
    }
    assert!(all.contains("Exit status: 0 done"), "{all}");
}
