//! Whoever manages a workspace, beside the devices.

use fieldstone_testkit::Person;
use serde_json::{Value, json};

use super::Platform;

/// The owner, signed in in a browser.
pub(crate) struct Owner<'a> {
    platform: &'a Platform,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl<'a> Owner<'a> {
    pub(crate) fn sign_in(platform: &'a Platform) -> Self {
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
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Value {
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
    pub(crate) fn release_all(&self) -> usize {
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

    pub(crate) fn device(&self, id: &str) -> Value {
        let devices = self.ask("GET", "/devices", None);
        let found = devices["devices"]
            .as_array()
            .unwrap()
            .iter()
            .find(|device| device["id"] == id);
        found.cloned().expect("the device is listed")
    }
}
