//! A Chromium on a server of its own, signed in as the owner of a fresh workspace.
//!
//! It never waits for a while: it waits for something, and says what when that doesn't come.

use std::{
    fmt::Debug,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use fieldstone_testkit::{Person, Server, ServerOptions};
use serde_json::{Value, json};
use thirtyfour::{
    By, ChromiumLikeCapabilities as _, DesiredCapabilities, Key, WebDriver,
    common::capabilities::desiredcapabilities::CapabilitiesHelper as _,
};

/// How long a page may take on a busy machine before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(20);
pub(super) const PASSWORD: &str = "a sentence to remember";

pub(super) struct Browser {
    pub(super) driver: WebDriver,
    pub(super) server: Arc<Server>,
    _chromedriver: Chromedriver,
}

/// The process between the tests and the browser; ends with the value.
struct Chromedriver {
    child: Child,
    port: u16,
}

impl Chromedriver {
    fn start() -> Self {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts; install the packages chromium and chromium-driver");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| {
                line.strip_suffix('.')?
                    .rsplit_once("on port ")?
                    .1
                    .parse()
                    .ok()
            })
            .expect("chromedriver says its port");
        Self { child, port }
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    /// A browser on an empty page, beside a server of its own.
    pub(super) async fn beside(server: impl Into<Arc<Server>>) -> Self {
        let server = server.into();
        let chromedriver = Chromedriver::start();
        let mut wanted = DesiredCapabilities::chrome();
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-default-apps",
            "--disable-sync",
            "--no-first-run",
            "--lang=en-US",
            "--window-size=1280,800",
            // Nothing but this machine can be reached.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ] {
            wanted.add_arg(argument).expect("an argument");
        }
        wanted.accept_insecure_certs(true).expect("a capability");
        let driver = WebDriver::new(format!("http://127.0.0.1:{}", chromedriver.port), wanted)
            .await
            .expect("Chromium starts");
        let browser = Self {
            driver,
            server,
            _chromedriver: chromedriver,
        };
        // Whatever the content security policy blocks is a mistake of ours.
        let watch = "window.blocked = []; addEventListener('securitypolicyviolation', (it) => blocked.push(`${it.violatedDirective} ${it.blockedURI} ${it.sample}`), true);";
        browser
            .devtools(
                "Page.addScriptToEvaluateOnNewDocument",
                json!({ "source": watch }),
            )
            .await;
        browser
    }

    /// Another browser, of somebody else, at the same server.
    pub(super) async fn another(&self) -> Self {
        Self::beside(Arc::clone(&self.server)).await
    }

    /// Signs in as somebody whom the demo has with this role in its first workspace.
    pub(super) async fn sign_in_as(&self, role: &str) {
        let person = Person::of_demo(&self.server, role);
        self.open("/sign-in").await;
        self.fill("#email", &person.email).await;
        self.fill("#password", &person.password).await;
        self.click("button.primary").await;
        self.wait_for_path("/").await;
    }

    /// A browser before the set-up page of a new server.
    pub(super) async fn at_the_door() -> Self {
        let browser = Self::beside(Server::start(&ServerOptions::empty())).await;
        let link = browser
            .server
            .log()
            .lines()
            .find_map(|line| {
                Some(line[line.find("https://")?..].trim().to_owned())
                    .filter(|link| link.contains("/set-up?link="))
            })
            .expect("a set-up link in the log");
        browser.driver.goto(&link).await.expect("the set-up page");
        browser
    }

    /// A browser on the home page of a new workspace.
    pub(super) async fn signed_in() -> Self {
        let browser = Self::at_the_door().await;
        browser.fill("#password", PASSWORD).await;
        browser.fill("#repeat", PASSWORD).await;
        browser.click("button.primary").await;
        browser.wait_for_path("/").await;
        browser
    }

    pub(super) async fn devtools(&self, method: &str, parameters: Value) {
        self.driver
            .cdp()
            .send_raw(method, parameters)
            .await
            .expect(method);
    }

    pub(super) async fn open(&self, path: &str) {
        self.driver
            .goto(format!("{}{path}", self.server.url()))
            .await
            .expect(path);
    }

    /// Runs script in the page.
    pub(super) async fn run(&self, script: &str) -> Value {
        self.driver
            .execute(script, Vec::new())
            .await
            .unwrap_or_else(|error| panic!("{script}: {error}"))
            .json()
            .clone()
    }

    /// Runs script whose value is a promise.
    pub(super) async fn run_async(&self, script: &str) -> Value {
        let wrapped = format!(
            "const done = arguments[arguments.length - 1]; (async () => {{ {script} }})().then(done, (error) => done({{ error: String(error) }}));"
        );
        self.driver
            .execute_async(wrapped, Vec::new())
            .await
            .unwrap_or_else(|error| panic!("{script}: {error}"))
            .json()
            .clone()
    }

    /// Waits until `script` gives `wanted`.
    pub(super) async fn wait_until<T: Into<Value> + Debug>(&self, script: &str, wanted: T) {
        let wanted = wanted.into();
        let started = Instant::now();
        loop {
            // A page that is just being replaced answers with an error.
            let seen = self
                .driver
                .execute(script, Vec::new())
                .await
                .map(|seen| seen.json().clone());
            match seen {
                Ok(seen) if seen == wanted => return,
                seen if started.elapsed() > PATIENCE => panic!(
                    "{script} gives {seen:?} instead of {wanted}, at {}:\n{}",
                    self.path().await,
                    self.text("body").await
                ),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    pub(super) async fn wait_for(&self, css: &str) {
        self.wait_until(
            &format!("return document.querySelector({}) !== null", json!(css)),
            true,
        )
        .await;
    }

    /// Waits until the page shows `text` somewhere.
    pub(super) async fn wait_for_text(&self, text: &str) {
        self.wait_until(
            &format!("return document.body.innerText.includes({})", json!(text)),
            true,
        )
        .await;
    }

    /// Waits for an address and for the page of that address to have settled.
    pub(super) async fn wait_for_path(&self, path: &str) {
        self.wait_until("return location.pathname", path).await;
        self.settled().await;
    }

    /// Waits until nothing is under way.
    pub(super) async fn settled(&self) {
        self.wait_until("return document.readyState === 'complete' && !document.querySelector('.busy, .htmx-request')", true).await;
    }

    pub(super) async fn path(&self) -> String {
        self.driver
            .current_url()
            .await
            .expect("an address")
            .path()
            .to_owned()
    }

    pub(super) async fn click(&self, css: &str) {
        self.wait_for(css).await;
        let element = self.driver.find(By::Css(css)).await.expect(css);
        element.click().await.expect(css);
    }

    /// Clicks the link or button that says `text`.
    pub(super) async fn press_button(&self, text: &str) {
        let find = format!(
            "return [...document.querySelectorAll('a, button, summary')].find((it) => it.checkVisibility() && it.innerText.trim() === {})",
            json!(text)
        );
        self.wait_until(&format!("{find} !== undefined"), true)
            .await;
        let element = self
            .driver
            .execute(find, Vec::new())
            .await
            .expect(text)
            .element()
            .expect(text);
        element.click().await.expect(text);
    }

    /// Replaces what stands in a field.
    pub(super) async fn fill(&self, css: &str, text: &str) {
        self.wait_for(css).await;
        let field = self.driver.find(By::Css(css)).await.expect(css);
        field.clear().await.expect(css);
        field.send_keys(text).await.expect(css);
    }

    pub(super) async fn choose(&self, css: &str, label: &str) {
        self.wait_for(css).await;
        self.run(&format!(
            "const select = document.querySelector({}); const option = [...select.options].find((it) => it.label === {}); select.value = option.value; select.dispatchEvent(new Event('change', {{ bubbles: true }}));",
            json!(css),
            json!(label)
        ))
        .await;
    }

    pub(super) async fn text(&self, css: &str) -> String {
        self.run(&format!(
            "return document.querySelector({})?.innerText ?? ''",
            json!(css)
        ))
        .await
        .as_str()
        .unwrap_or_default()
        .to_owned()
    }

    /// Keys to whatever has the focus.
    pub(super) async fn keys(&self, keys: &str) {
        self.driver
            .action_chain()
            .send_keys(keys)
            .perform()
            .await
            .expect(keys);
    }

    pub(super) async fn key(&self, key: Key) {
        self.driver
            .action_chain()
            .send_keys(key + "")
            .perform()
            .await
            .expect("a key");
    }

    /// Names in the first column of the list.
    pub(super) async fn names(&self) -> Vec<String> {
        let names = self
            .run("return [...document.querySelectorAll('a.row-link')].map((it) => it.innerText)")
            .await;
        serde_json::from_value(names).expect("names")
    }

    /// Makes a record through its form and gives the address of its page.
    pub(super) async fn make(&self, objects: &str, fields: &[(&str, &str)]) -> String {
        let made = self
            .run_async(&format!(
                "const answer = await fetch('/{objects}', {{ method: 'POST', body: new URLSearchParams({}) }}); return [answer.status, answer.redirected, new URL(answer.url).pathname];",
                json!(fields)
            ))
            .await;
        assert_eq!(
            (&made[0], &made[1]),
            (&json!(200), &json!(true)),
            "{objects} {fields:?}: {made}"
        );
        made[2].as_str().expect("an address").to_owned()
    }

    /// The screen of a phone or a desk.
    pub(super) async fn screen(&self, width: u32, height: u32) {
        let phone = width < 600;
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone }),
        )
        .await;
    }

    pub(super) async fn scheme(&self, scheme: &str) {
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }, { "name": "prefers-reduced-motion", "value": "reduce" }] })).await;
    }

    /// What axe finds wrong with the page, in short.
    pub(super) async fn violations(&self) -> Vec<String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../ui/assets/node_modules/axe-core/axe.min.js");
        let source =
            std::fs::read_to_string(source).expect("axe, which the build of the pages installs");
        if self.run("return typeof axe").await == "undefined" {
            self.driver.execute(source, Vec::new()).await.expect("axe");
        }
        let found = self
            .run_async("const { violations } = await axe.run(document); return violations.flatMap((it) => it.nodes.map((node) => `${it.id}: ${node.target} ${node.failureSummary}`));")
            .await;
        serde_json::from_value(found.clone()).unwrap_or_else(|_| panic!("axe failed: {found}"))
    }

    /// What the content security policy has blocked on this page.
    pub(super) async fn blocked(&self) -> Value {
        self.run("return window.blocked").await
    }
}
