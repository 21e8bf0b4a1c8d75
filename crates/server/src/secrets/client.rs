//! What is said to a secrets manager over HTTPS, and how its answers are read (the API of Vault and OpenBao, `/v1/`).
//!
//! TLS 1.3 alone, one authority where one is named, no proxy, no redirect: nothing in the environment weakens this. No answer of the
//! manager is written anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use http::{Method, StatusCode};
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::SecretError;
use super::place::read_private;
use super::settings::{LoginSettings, SecretSettings};
use crate::outgoing::{self, Unusable};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of one answer; KV keeps at most 1 MiB.
const LARGEST: usize = 2 << 20;

/// A connection to the manager, without a token.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    settings: SecretSettings,
}

/// What a login has given.
pub(super) struct Token {
    pub(super) text: SecretString,
    /// For how long; nothing for one that doesn't end.
    pub(super) lease: Option<Duration>,
    pub(super) renewable: bool,
}

/// One secret: its fields and its version.
pub(super) struct Found {
    pub(super) fields: BTreeMap<String, SecretString>,
    pub(super) version: u64,
}

#[derive(Deserialize)]
struct Authenticated {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: SecretString,
    lease_duration: u64,
    renewable: bool,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Kept {
    data: BTreeMap<String, SecretString>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
}

#[derive(Deserialize)]
struct Own {
    ttl: u64,
    renewable: bool,
    #[serde(default)]
    expire_time: Option<String>,
    #[serde(default)]
    policies: Vec<String>,
}

/// The one policy whose tokens may last for ever.
const ROOT: &str = "root";

impl Own {
    /// For how long it is good; nothing for a root token that doesn't end, which alone may say 0 and go on. Any other that says so is in its
    /// last second.
    fn lease(&self) -> Result<Option<Duration>, SecretError> {
        let is_root = self.policies.iter().any(|policy| policy == ROOT);
        match self.ttl {
            0 if is_root && !self.renewable && self.expire_time.is_none() => Ok(None),
            0 => Err(SecretError::Denied("a token that has ended".to_owned())),
            seconds => Ok(Some(Duration::from_secs(seconds))),
        }
    }
}

#[derive(Deserialize)]
struct Names {
    keys: Vec<String>,
}

#[derive(Deserialize, Default)]
struct Complaint {
    #[serde(default)]
    errors: Vec<String>,
}

/// What came back.
struct Reply {
    status: StatusCode,
    body: Zeroizing<Vec<u8>>,
}

impl Connection {
    pub(super) fn new(settings: SecretSettings) -> Result<Self, SecretError> {
        settings.check()?;
        let unusable = |why| match (why, &settings.ca_file) {
            (Unusable::File(source), Some(file)) => SecretError::file(file, &source),
            _ => SecretError::Settings("ca_file holds no certificate"),
        };
        let client = outgoing::client(settings.ca_file.as_deref())
            .map_err(unusable)?
            .https_only(true)
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE)
            .build()
            .map_err(|_| SecretError::Settings("TLS can't be set up with this ca_file"))?;
        Ok(Self { client, settings })
    }

    pub(super) fn settings(&self) -> &SecretSettings {
        &self.settings
    }

    /// Logs in as the settings say.
    pub(super) async fn log_in(&self) -> Result<Token, SecretError> {
        let login = &self.settings.login;
        let secret = |file: &std::path::Path| {
            let text = read_private(file)?
                .ok_or_else(|| SecretError::Missing(file.display().to_string()))?;
            Ok::<_, SecretError>(Zeroizing::new(text.trim().to_owned()))
        };
        let (mount, body) = match login {
            LoginSettings::TokenFile(file) => {
                let text = SecretString::from(secret(file)?.as_str());
                let (lease, renewable) = self
                    .look_up(&text)
                    .await
                    .map_err(|error| self.as_login(error))?;
                return Ok(Token {
                    text,
                    lease,
                    renewable,
                });
            }
            LoginSettings::AppRole(role) => (
                &role.mount,
                json!({ "role_id": secret(&role.role_id_file)?.as_str(), "secret_id": secret(&role.secret_id_file)?.as_str() }),
            ),
            LoginSettings::Kubernetes(account) => (
                &account.mount,
                json!({ "role": account.role, "jwt": service_account(&account.token_file)?.as_str() }),
            ),
        };
        let request = self
            .ask(Method::POST, &format!("auth/{mount}/login"), None)
            .json(&body);
        let given: Authenticated = self
            .expect(request, "the login")
            .await
            .map_err(|error| self.as_login(error))?;
        self.token(given)
            .await
            .map_err(|error| self.as_login(error))
    }

    /// Lets a token live on.
    pub(super) async fn renew(&self, text: &SecretString) -> Result<Token, SecretError> {
        let request = self
            .ask(Method::POST, "auth/token/renew-self", Some(text))
            .json(&json!({}));
        self.token(self.expect(request, "the renewal").await?).await
    }

    /// What a login or a renewal has given. One that says nothing of how long it is good is looked up.
    async fn token(&self, given: Authenticated) -> Result<Token, SecretError> {
        let Auth {
            client_token: text,
            lease_duration,
            renewable,
        } = given.auth;
        let (lease, renewable) = match lease_duration {
            0 => self.look_up(&text).await?,
            seconds => (Some(Duration::from_secs(seconds)), renewable),
        };
        Ok(Token {
            text,
            lease,
            renewable,
        })
    }

    /// For how long a token is still good (nothing: for ever), and whether that can be made longer.
    pub(super) async fn look_up(
        &self,
        text: &SecretString,
    ) -> Result<(Option<Duration>, bool), SecretError> {
        let request = self.ask(Method::GET, "auth/token/lookup-self", Some(text));
        let own: Answer<Own> = self.expect(request, "the token").await?;
        Ok((own.data.lease()?, own.data.renewable))
    }

    /// The secret at a path; nothing when there is none, or its last version was removed.
    pub(super) async fn read(
        &self,
        text: &SecretString,
        path: &str,
    ) -> Result<Option<Found>, SecretError> {
        let reply = self
            .send(self.ask(Method::GET, &self.at("data", path), Some(text)))
            .await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let kept: Answer<Kept> = reply.read(path)?;
        Ok(Some(Found {
            fields: kept.data.data,
            version: kept.data.metadata.version,
        }))
    }

    /// Writes unless there is another version by now than `seen`.
    pub(super) async fn write(
        &self,
        text: &SecretString,
        path: &str,
        fields: &BTreeMap<String, SecretString>,
        seen: u64,
    ) -> Result<bool, SecretError> {
        let data: BTreeMap<&str, &str> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose_secret()))
            .collect();
        let request = self
            .ask(Method::POST, &self.at("data", path), Some(text))
            .json(&json!({ "options": { "cas": seen }, "data": data }));
        let reply = self.send(request).await?;
        if reply.status == StatusCode::BAD_REQUEST && reply.complaint().contains("check-and-set") {
            return Ok(false);
        }
        reply.read::<Value>(path)?;
        Ok(true)
    }

    pub(super) async fn destroy(
        &self,
        text: &SecretString,
        path: &str,
        version: u64,
    ) -> Result<(), SecretError> {
        let request = self
            .ask(Method::POST, &self.at("destroy", path), Some(text))
            .json(&json!({ "versions": [version] }));
        self.send(request).await?.done(path)
    }

    pub(super) async fn remove(&self, text: &SecretString, path: &str) -> Result<(), SecretError> {
        let request = self.ask(Method::DELETE, &self.at("metadata", path), Some(text));
        let reply = self.send(request).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        reply.done(path)
    }

    pub(super) async fn list(
        &self,
        text: &SecretString,
        path: &str,
    ) -> Result<Vec<String>, SecretError> {
        let request = self.ask(
            Method::GET,
            &format!("{}?list=true", self.at("metadata", path)),
            Some(text),
        );
        let reply = self.send(request).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        let names: Answer<Names> = reply.read(path)?;
        Ok(names.data.keys)
    }

    fn at(&self, what: &str, path: &str) -> String {
        let SecretSettings {
            mount, path: base, ..
        } = &self.settings;
        format!("{mount}/{what}/{base}/{path}")
    }

    fn ask(&self, method: Method, path: &str, token: Option<&SecretString>) -> RequestBuilder {
        let address = self.settings.address.trim_end_matches('/');
        let mut request = self
            .client
            .request(method, format!("{address}/v1/{path}"))
            .header("x-vault-request", "true");
        if let Some(namespace) = &self.settings.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        if let Some(token) = token {
            let mut value = http::HeaderValue::from_str(token.expose_secret())
                .unwrap_or(http::HeaderValue::from_static("-"));
            value.set_sensitive(true);
            request = request.header("x-vault-token", value);
        }
        request
    }

    async fn send(&self, request: RequestBuilder) -> Result<Reply, SecretError> {
        let mut answer = request.send().await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        let mut body = Zeroizing::new(Vec::with_capacity(4096));
        while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(&error))? {
            if body.len() + chunk.len() > LARGEST {
                return Err(SecretError::Unreachable(
                    "its answer doesn't end".to_owned(),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, body })
    }

    async fn expect<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        what: &str,
    ) -> Result<T, SecretError> {
        self.send(request).await?.read(what)
    }

    fn as_login(&self, error: SecretError) -> SecretError {
        match error {
            SecretError::Denied(_) | SecretError::NotUnderstood(_) => SecretError::Login {
                login: self.settings.login.name(),
                reason: "it is not known there, or has ended".to_owned(),
            },
            error => error,
        }
    }
}

impl Reply {
    fn complaint(&self) -> String {
        let complaint: Complaint = serde_json::from_slice(&self.body).unwrap_or_default();
        complaint.errors.join("; ")
    }

    fn refusal(&self, what: &str) -> Option<SecretError> {
        match self.status {
            status if status.is_success() => None,
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                Some(SecretError::Denied(what.to_owned()))
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::NOT_IMPLEMENTED => {
                Some(SecretError::Sealed)
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Some(SecretError::Unreachable(format!("it answers {status}")))
            }
            // What it says of a wrong login or a wrong mount.
            _ => Some(SecretError::NotUnderstood(what.to_owned())),
        }
    }

    fn read<T: DeserializeOwned>(&self, what: &str) -> Result<T, SecretError> {
        if let Some(refusal) = self.refusal(what) {
            return Err(refusal);
        }
        serde_json::from_slice(&self.body).map_err(|_| SecretError::NotUnderstood(what.to_owned()))
    }

    fn done(&self, what: &str) -> Result<(), SecretError> {
        self.refusal(what).map_or(Ok(()), Err)
    }
}

/// Kubernetes mounts it readable for the group of the pod, which is the pod's own.
fn service_account(file: &std::path::Path) -> Result<Zeroizing<String>, SecretError> {
    let text = fs::read_to_string(file).map_err(|source| SecretError::file(file, &source))?;
    let text = Zeroizing::new(text);
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// Without the address, which stands in the configuration, and without anything that was sent.
fn unreachable(error: &reqwest::Error) -> SecretError {
    let mut reason = "no connection";
    if error.is_timeout() {
        reason = "no answer in time";
    }
    let mut cause = std::error::Error::source(error);
    let mut text = String::new();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    SecretError::Unreachable(if text.is_empty() {
        reason.to_owned()
    } else {
        format!("{reason} ({text})")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_root_token_lasts_for_ever() {
        let lease = |about: Value| {
            let own: Own = serde_json::from_value(about).unwrap();
            own.lease()
        };
        let root =
            json!({ "ttl": 0, "renewable": false, "expire_time": null, "policies": ["root"] });
        assert_eq!(lease(root).unwrap(), None);
        let old = json!({ "ttl": 0, "renewable": false, "policies": ["root"] });
        assert_eq!(
            lease(old).unwrap(),
            None,
            "without the time, as older ones answer"
        );
        let ending = json!({ "ttl": 60, "renewable": false, "expire_time": "2026-05-01T12:00:00Z", "policies": ["root"] });
        assert_eq!(lease(ending).unwrap(), Some(Duration::from_mins(1)));
        for ended in [
            json!({ "ttl": 0, "renewable": false, "policies": ["fieldstone"] }),
            json!({ "ttl": 0, "renewable": true, "policies": ["root"] }),
            json!({ "ttl": 0, "renewable": false, "expire_time": "2026-05-01T12:00:00Z", "policies": ["root"] }),
            json!({ "ttl": 0, "renewable": false }),
        ] {
            assert!(
                matches!(lease(ended.clone()), Err(SecretError::Denied(_))),
                "{ended}"
            );
        }
    }
}
