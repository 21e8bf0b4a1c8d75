//! A real application with a library of its own signs a person in through a real browser.

use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::chromium::Browser;

/// The application's process; ends with the value.
struct Application {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
    _folder: tempfile::TempDir,
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Application {
    /// Starts it in a folder of its own, with the library that its lock file names.
    fn start(issuer: &str, ca: &Path, client_id: &str, secret: &str) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/oauth/client");
        let folder = tempfile::tempdir().expect("a folder");
        for file in ["package.json", "package-lock.json", "client.mjs"] {
            std::fs::copy(source.join(file), folder.path().join(file)).expect(file);
        }
        let installed = Command::new("npm")
            .args(["ci", "--prefer-offline", "--no-audit", "--no-fund"])
            .current_dir(folder.path())
            .output()
            .expect("npm starts; install nodejs and npm");
        assert!(installed.status.success(), "{installed:?}");
        let mut child = Command::new("node")
            .args(["client.mjs", issuer, client_id, secret])
            .env("NODE_EXTRA_CA_CERTS", ca)
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let stdout = child.stdout.take().expect("its output");
        Self {
            child,
            says: BufReader::new(stdout).lines(),
            _folder: folder,
        }
    }

    fn next(&mut self) -> Value {
        let line = self.says.next().expect("another line").expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_allows_an_application_in_their_browser() {
    let browser = Browser::signed_in().await;
    let (issuer, ca) = (browser.server.url().to_owned(), browser.server.ca());
    let mut application = Application::start(&issuer, &ca, "fieldstone-device", "");
    let asked = application.next();
    let address = asked["authorize"].as_str().expect("an address");
    assert!(address.starts_with(&format!("{issuer}/oauth/authorize?")));

    let mut wrong = Vec::new();
    for (width, scheme) in [
        (1280, "light"),
        (1280, "dark"),
        (375, "light"),
        (375, "dark"),
    ] {
        browser.screen(width, 800).await;
        browser.scheme(scheme).await;
        browser
            .driver
            .goto(address)
            .await
            .expect("the consent page");
        browser.wait_for_text("See records").await;
        if let Some(folder) = std::env::var_os("FIELDSTONE_SCREENSHOTS") {
            let file = Path::new(&folder).join(format!("consent-{width}-{scheme}.png"));
            browser.driver.screenshot(&file).await.expect("a picture");
        }
        wrong.extend(browser.violations().await);
        let excess = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(excess, 0, "at {width} px");
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(browser.blocked().await, json!([]));

    browser.press_button("Allow").await;
    // The policy of the page lets its form lead to the application, and nowhere else.
    browser.wait_for_text("Back in the application.").await;
    let outcome = application.next();
    assert_eq!(
        outcome,
        json!({
            "scope": "records.read records.write", "expires": 1800, "opened": 200, "refused": 403, "reopened": 200,
            "rotated": true, "revoked": 401,
        })
    );

    // Declined, the application is told.
    let mut application = Application::start(&issuer, &ca, "fieldstone-device", "");
    let asked = application.next();
    let address = asked["authorize"].as_str().expect("an address");
    browser
        .driver
        .goto(address)
        .await
        .expect("the consent page");
    browser.press_button("Don’t allow").await;
    browser.wait_for_text("Back in the application.").await;
    let outcome = application.next();
    assert!(outcome.to_string().contains("access_denied"), "{outcome}");
}
