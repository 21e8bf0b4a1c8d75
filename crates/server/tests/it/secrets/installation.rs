//! A whole installation whose secrets all lie in the secrets manager: set up, served, seen by `doctor`, and what happens when it is down.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use fieldstone_testkit::free_port;
use serde_json::{Map, Value, json};

use super::bao::{Bao, SECRET_ID};
use crate::external::{External, private_file, sentence};

/// A secret of the manager: its path, and its fields.
pub(super) type Moved = (&'static str, Value);

/// Has the configuration name a manager of these settings instead of what it names; answers with what has to be put there, and with the values
/// that must not be seen any more.
pub(super) fn move_secrets(settings: &str, config: &Path) -> (Vec<Moved>, Vec<String>) {
    let mut moved = Vec::new();
    let text = fs::read_to_string(config).unwrap();
    let (mut lines, mut urls, mut secrets) = (Vec::new(), Map::new(), Vec::new());
    for line in text.lines() {
        let (name, value) = line.split_once(" = ").unwrap_or((line, ""));
        let value = value.trim_matches('"');
        if name.ends_with("_url") {
            urls.insert(name.to_owned(), value.into());
            let password = url::Url::parse(value).unwrap();
            secrets.push(password.password().unwrap().to_owned());
            lines.push(format!("{name}_file = \"secret:database#{name}\""));
        } else if name == "context_key_file" {
            lines.push(format!("{name} = \"secret:context#keys\""));
        } else if name == "key" {
            let pem = fs::read_to_string(value).unwrap();
            secrets.push(pem.lines().nth(1).unwrap().to_owned());
            moved.push(("tls", json!({ "key": pem })));
            lines.push(format!("{name} = \"secret:tls#key\""));
        } else {
            lines.push(line.to_owned());
        }
    }
    moved.push(("database", Value::Object(urls)));
    let text = format!("{}\n[secrets]\n{settings}", lines.join("\n"));
    private_file(config, &text);
    (moved, secrets)
}

/// Waits until a server is ready with a warning of its secrets manager, or without it.
pub(super) async fn until_warned(external: &External, listen: u16, wanted: bool) {
    let (client, begun) = (external.client(), Instant::now());
    loop {
        let answer = client
            .get(format!("https://127.0.0.1:{listen}/readyz"))
            .send()
            .await;
        if let Ok(answer) = answer
            && answer.status().is_success()
        {
            let report: Value = answer.json().await.unwrap();
            let warnings = report["warnings"].as_array().unwrap();
            let check = warnings
                .iter()
                .find(|check| check["name"] == "secrets manager")
                .unwrap();
            if check["ok"] == !wanted {
                return;
            }
        }
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "{}",
            external.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_without_a_secret_on_its_disk() {
    let external = External::start().await;
    let listen = free_port();
    let config = external.configure(listen);
    let mut bao = Bao::start().await;
    let (moved, mut secrets) = move_secrets(&bao.settings(), &config);
    for (path, fields) in &moved {
        bao.put(path, fields);
    }
    secrets.push(SECRET_ID.to_owned());
    let mut said = String::new();
    let run = |arguments: &[&str]| external.run(arguments, &config);

    said += &external.migrate(&config);
    let keys = bao.versions("context").pop().flatten().unwrap();
    secrets.push(keys["keys"].as_str().unwrap()[30..80].to_owned());
    external.create_workspace(&config);

    let serving = external.serve(&config);
    let client = external.client();
    let warned = async |wanted| until_warned(&external, listen, wanted).await;
    warned(false).await;

    // Where everything comes from, and nothing of what it is.
    let output = run(&["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    for part in [
        "ok    Secrets manager: https://127.0.0.1",
        "the login by AppRole",
        "ok    context_key_file: secret:context#keys, in the secrets manager",
        "ok    tls.key: secret:tls#key",
        "ok    database.owner_url_file: secret:database#owner_url",
        "ok    Keys of workspaces: the secrets manager",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    said += &text;
    let output = run(&["keys", "show"]);
    assert!(output.status.success(), "{}", sentence(&output));

    // Down: what runs goes on and says so, nothing starts, and it is found again.
    bao.stop().await;
    warned(true).await;
    let page = client
        .get(format!("https://127.0.0.1:{listen}/sign-in"))
        .send()
        .await
        .unwrap();
    assert!(page.status().is_success());
    for arguments in [["serve"], ["migrate"], ["doctor"]] {
        let output = run(&arguments);
        let all = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            sentence(&output)
        );
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {all}");
        assert!(
            all.contains("The secrets manager can't be reached"),
            "{arguments:?}: {all}"
        );
        said += &all;
    }
    bao.serve().await;
    warned(false).await;

    serving.end();
    said += &external.log();
    for secret in &secrets {
        assert!(!said.contains(secret), "a secret was written: {said}");
    }
}
