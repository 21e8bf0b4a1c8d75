//! The same against OpenBao itself, which `./x openbao` brings: what it answers where the stand-in says what is published.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fieldstone_testkit::{TestAuthority, free_port};
use fieldstone_vault::{KeySource as _, ManagedKeys, Purpose, Vault, VaultError};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::installation::{move_secrets, until_warned};
use super::{TENANT, THING, open, secret, until};
use crate::external::{External, private_file, sentence};
use fieldstone_server::secrets::SecretError;

const PURPOSE: Purpose = Purpose::new("a test");

/// A running OpenBao, set up as docs/secrets.md says.
struct OpenBao {
    child: Child,
    folder: TempDir,
    client: Client,
    url: String,
    root: String,
    unseal_key: String,
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The policy that the documentation gives.
fn policy() -> &'static str {
    let text = include_str!("../../../../../docs/secrets.md");
    let policy = text.split("```hcl\n").nth(1).unwrap();
    policy.split("```").next().unwrap()
}

impl OpenBao {
    /// One whose logins last so many seconds, and by renewals no more than so many.
    async fn start(ttl: u32, longest: u32) -> Self {
        let program = std::env::var_os("FIELDSTONE_OPENBAO")
            .map(PathBuf::from)
            .expect("FIELDSTONE_OPENBAO names OpenBao's program: run this by ./x openbao");
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let authority = TestAuthority::new("Authority of OpenBao");
        let certificate = authority.certify(&["127.0.0.1"]);
        fs::write(at("bao-ca.pem"), authority.pem()).unwrap();
        fs::write(at("tls.pem"), certificate.pem()).unwrap();
        private_file(&at("tls-key.pem"), &certificate.key_pem());
        let url = format!("https://127.0.0.1:{}", free_port());
        let config = format!(
            "storage \"inmem\" {{}}\nlistener \"tcp\" {{\n address = \"{}\"\n tls_cert_file = \"{}\"\n tls_key_file = \"{}\"\n tls_min_version = \"tls13\"\n}}\n",
            url.trim_start_matches("https://"),
            at("tls.pem").display(),
            at("tls-key.pem").display(),
        );
        fs::write(at("config.hcl"), config).unwrap();
        let child = Command::new(program)
            .arg("server")
            .arg(format!("-config={}", at("config.hcl").display()))
            .env_clear()
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(fs::File::create(at("log")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let trusted = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        let client = Client::builder().tls_certs_only([trusted]).build().unwrap();
        let mut bao = Self {
            child,
            folder,
            client,
            url,
            root: String::new(),
            unseal_key: String::new(),
        };
        bao.set_up(ttl, longest).await;
        bao
    }

    async fn set_up(&mut self, ttl: u32, longest: u32) {
        let begun = Instant::now();
        while self
            .client
            .get(format!("{}/v1/sys/health", self.url))
            .send()
            .await
            .is_err()
        {
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "OpenBao doesn't answer"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let shares = json!({ "secret_shares": 1, "secret_threshold": 1 });
        let made = self.ask(Method::PUT, "sys/init", &shares).await;
        self.root = made["root_token"].as_str().unwrap().into();
        self.unseal_key = made["keys_base64"][0].as_str().unwrap().into();
        self.unseal().await;
        let kv = json!({ "type": "kv", "options": { "version": "2" } });
        self.ask(Method::POST, "sys/mounts/secret", &kv).await;
        let approle = json!({ "type": "approle" });
        self.ask(Method::POST, "sys/auth/approle", &approle).await;
        let policy = json!({ "policy": policy() });
        self.ask(Method::PUT, "sys/policies/acl/fieldstone", &policy)
            .await;
        let role =
            json!({ "token_policies": "fieldstone", "token_ttl": ttl, "token_max_ttl": longest });
        self.ask(Method::POST, "auth/approle/role/fieldstone", &role)
            .await;
        let id = self
            .ask(
                Method::GET,
                "auth/approle/role/fieldstone/role-id",
                &Value::Null,
            )
            .await;
        let secret = self
            .ask(
                Method::POST,
                "auth/approle/role/fieldstone/secret-id",
                &Value::Null,
            )
            .await;
        let at = |name: &str| self.folder.path().join(name);
        private_file(&at("role-id"), id["data"]["role_id"].as_str().unwrap());
        private_file(
            &at("secret-id"),
            secret["data"]["secret_id"].as_str().unwrap(),
        );
    }

    async fn unseal(&self) {
        let key = json!({ "key": self.unseal_key });
        self.ask(Method::PUT, "sys/unseal", &key).await;
        // It is somebody's turn to lead first.
        let begun = Instant::now();
        loop {
            let health = self
                .client
                .get(format!("{}/v1/sys/health", self.url))
                .send()
                .await;
            if health.unwrap().status() == StatusCode::OK {
                return;
            }
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "OpenBao stays sealed"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn seal(&self) {
        self.ask(Method::PUT, "sys/seal", &Value::Null).await;
    }

    async fn try_ask(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let mut request = self
            .client
            .request(method, format!("{}/v1/{path}", self.url))
            .header("x-vault-token", &self.root);
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// As root.
    async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let (status, said) = self.try_ask(method, path, body).await;
        assert!(status.is_success(), "{path}: {status} {said}");
        said
    }

    async fn put(&self, path: &str, fields: &Value) {
        let path = format!("secret/data/fieldstone/{path}");
        let begun = Instant::now();
        // A store that was just made is prepared for a moment.
        loop {
            let (status, said) = self
                .try_ask(Method::POST, &path, &json!({ "data": fields }))
                .await;
            if status.is_success() {
                return;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "{status} {said}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Logins that last, by what names them.
    async fn logins(&self) -> BTreeSet<String> {
        let list = Method::from_bytes(b"LIST").unwrap();
        let all = self.ask(list, "auth/token/accessors", &Value::Null).await;
        let all = all["data"]["keys"].as_array().unwrap();
        all.iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }

    /// Ends every login but our own.
    async fn revoke(&self, but: &BTreeSet<String>) {
        for accessor in self.logins().await.difference(but) {
            let body = json!({ "accessor": accessor });
            self.try_ask(Method::POST, "auth/token/revoke-accessor", &body)
                .await;
        }
    }

    fn settings(&self) -> String {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        format!(
            "address = \"{}\"\nca_file = \"{}\"\nlogin = {{ approle = {{ role_id_file = \"{}\", secret_id_file = \"{}\" }} }}\n",
            self.url,
            at("bao-ca.pem"),
            at("role-id"),
            at("secret-id"),
        )
    }
}

#[ignore = "OpenBao is brought by ./x openbao"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openbao_keeps_secrets_and_a_login_that_is_renewed_and_made_anew() {
    let bao = OpenBao::start(3, 6).await;
    bao.put("database", &json!({ "app_url": "one", "auth_url": "two" }))
        .await;
    let ours = bao.logins().await;
    let manager = open(&bao.settings()).await.unwrap();
    let app = secret(&manager, "secret:database#app_url");
    assert_eq!(app.read().unwrap().as_str(), "one");
    assert!(app.replace(Some("one"), "three").unwrap());
    assert!(!app.replace(Some("one"), "late").unwrap());
    assert_eq!(app.read().unwrap().as_str(), "three");
    let auth = secret(&manager, "secret:database#auth_url");
    assert_eq!(auth.read().unwrap().as_str(), "two", "the others stay");
    let made = secret(&manager, "secret:context#keys");
    assert!(made.find().unwrap().is_none());
    assert!(made.replace(None, "made").unwrap());
    assert!(!made.replace(None, "late").unwrap());
    let standing = manager.standing().unwrap();
    assert!(standing.lasts && standing.ends_in.unwrap() <= Duration::from_secs(3));

    // It outlives its lease by renewals, and its longest time by another login.
    let first: BTreeSet<_> = bao.logins().await.difference(&ours).cloned().collect();
    assert_eq!(first.len(), 1);
    let begun = Instant::now();
    loop {
        assert_eq!(app.read().unwrap().as_str(), "three");
        let now = bao.logins().await;
        if now.is_disjoint(&first) {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the login never ends"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(
        begun.elapsed() > Duration::from_secs(3),
        "it was renewed first"
    );
    // Taken back, it is made anew at the next question.
    bao.revoke(&ours).await;
    assert_eq!(app.read().unwrap().as_str(), "three");

    // Nothing beside what the documented policy opens.
    bao.ask(
        Method::POST,
        "secret/data/other",
        &json!({ "data": { "a": "b" } }),
    )
    .await;
    let elsewhere = bao.settings() + "path = \"other\"\n";
    let stranger = open(&elsewhere).await.unwrap();
    let refused = secret(&stranger, "secret:database#app_url")
        .read()
        .unwrap_err();
    assert!(matches!(refused, SecretError::Denied(_)), "{refused}");

    // Sealed, it says so; unsealed, it goes on.
    bao.seal().await;
    assert!(matches!(
        open(&bao.settings()).await,
        Err(SecretError::Sealed)
    ));
    assert!(app.read().is_err());
    bao.unseal().await;
    until("it answers again", || app.read().is_ok()).await;
}

#[ignore = "OpenBao is brought by ./x openbao"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openbao_keeps_keys_of_workspaces_and_leaves_nothing_of_old_ones() {
    let bao = OpenBao::start(600, 3_600).await;
    bao.put("database", &json!({ "app_url": "one" })).await;
    let metadata = format!("secret/metadata/fieldstone/workspaces/{TENANT}");
    let data = format!("secret/data/fieldstone/workspaces/{TENANT}");
    let keys = async || {
        let manager = open(&bao.settings()).await.unwrap();
        ManagedKeys::new(Arc::new(manager))
    };
    // Two servers make them at once, and have the same ones.
    let (one, other) = (keys().await, keys().await);
    let vaults = [&one, &other].map(|keys| Vault::new(Arc::new(keys.clone())));
    let [first, second] = vaults.clone().map(|vault| {
        tokio::task::spawn_blocking(move || vault.seal(PURPOSE, &THING, b"a value").unwrap())
    });
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    let [vault, beside] = vaults;
    let opens = |vault: &Vault, sealed: &[u8]| {
        let opened = vault.open(PURPOSE, &THING, sealed).unwrap();
        assert_eq!(opened.as_slice(), b"a value");
    };
    opens(&vault, &second);
    opens(&beside, &first);
    assert_eq!(one.tenants().unwrap(), [TENANT]);
    // Deleted by somebody, they are left to be undeleted.
    bao.ask(Method::DELETE, &data, &Value::Null).await;
    let refused = one.make_tenant_keys(TENANT, &|| Ok(())).unwrap_err();
    assert!(refused.to_string().contains("workspaces"), "{refused}");
    let undelete = format!("secret/undelete/fieldstone/workspaces/{TENANT}");
    bao.ask(Method::POST, &undelete, &json!({ "versions": [1] }))
        .await;
    opens(&Vault::new(Arc::new(one.clone())), &first);

    vault.rotate_tenant_key(TENANT, &[]).unwrap();
    vault.settle(TENANT).unwrap();
    let found = bao.ask(Method::GET, &metadata, &Value::Null).await;
    let versions = found["data"]["versions"].as_object().unwrap();
    let destroyed = |number: &str| versions[number]["destroyed"] == true;
    assert!(
        destroyed("1") && destroyed("2") && !destroyed("3"),
        "{found}"
    );
    let current = |keys: &ManagedKeys| {
        Vault::new(Arc::new(keys.clone()))
            .state(TENANT)
            .unwrap()
            .current
    };
    assert_eq!(current(&other), current(&one));

    vault.destroy(TENANT).unwrap();
    let (status, _) = bao.try_ask(Method::GET, &metadata, &Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for keys in [&one, &other] {
        assert!(matches!(
            keys.make_tenant_keys(TENANT, &|| Ok(())),
            Err(VaultError::NoKey)
        ));
    }
    assert!(one.tenants().unwrap().is_empty());
}

#[ignore = "OpenBao is brought by ./x openbao"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openbao_has_every_secret_of_an_installation() {
    let bao = OpenBao::start(5, 3_600).await;
    let external = External::start().await;
    let listen = free_port();
    let config = external.configure(listen);
    let (moved, secrets) = move_secrets(&bao.settings(), &config);
    for (path, fields) in &moved {
        bao.put(path, fields).await;
    }
    let mut said = external.migrate(&config);
    external.create_workspace(&config);
    let seen = external.run(&["doctor"], &config);
    let text = String::from_utf8_lossy(&seen.stdout).into_owned();
    assert!(seen.status.success(), "{text} {}", sentence(&seen));
    assert!(
        text.contains("ok    Keys of workspaces: the secrets manager"),
        "{text}"
    );
    said += &text;
    let mut serving = external.serve(&config);
    external.ready(&mut serving, listen).await;
    until_warned(&external, listen, false).await;
    bao.seal().await;
    until_warned(&external, listen, true).await;
    let refused = external.run(&["serve"], &config);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        sentence(&refused).contains("sealed"),
        "{}",
        sentence(&refused)
    );
    bao.unseal().await;
    until_warned(&external, listen, false).await;
    serving.end();
    said += &external.log();
    for secret in &secrets {
        assert!(!said.contains(secret), "a secret was written: {said}");
    }
}
