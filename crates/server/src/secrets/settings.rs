//! The secrets manager, as the configuration names it.
//!
//! ```toml
//! [secrets]
//! address = "https://bao.internal:8200"
//! ca_file = "/etc/fieldstone/bao-ca.pem"     # then nothing else is trusted; without it what the system trusts
//! namespace = "crm"                          # optional
//! mount = "secret"                           # where KV v2 is mounted
//! path = "fieldstone"                        # where this installation's secrets are below it
//!
//! [secrets.login]                            # one of these
//! kubernetes = { role = "fieldstone" }
//! approle = { role_id_file = "/run/credentials/fieldstone/role-id", secret_id_file = "/run/credentials/fieldstone/secret-id" }
//! token_file = "/run/credentials/fieldstone/bao-token"
//! ```
//!
//! Wherever the configuration takes a file with a secret, it then takes `secret:PATH#FIELD`, too: the field of the secret at that path.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::SecretError;

/// Where Kubernetes puts the token of the account that a container runs as.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The part `[secrets]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSettings {
    /// The manager's address: `https://…`.
    pub address: String,
    /// The authority that its certificate comes from, PEM; then no other is trusted.
    pub ca_file: Option<PathBuf>,
    /// A namespace, where the manager has them.
    pub namespace: Option<String>,
    /// Where KV v2 is mounted.
    #[serde(default = "usual_mount")]
    pub mount: String,
    /// Where this installation's secrets are below it.
    #[serde(default = "usual_path")]
    pub path: String,
    /// How to log in.
    pub login: LoginSettings,
}

/// The part `[secrets.login]`: exactly one of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginSettings {
    /// A token in a private file. It is renewed where it can be, and read anew when it has ended.
    TokenFile(PathBuf),
    /// A role's two ids, each in a private file.
    #[serde(rename = "approle")]
    AppRole(AppRole),
    /// The account of a pod.
    Kubernetes(Kubernetes),
}

/// A login by `AppRole`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppRole {
    /// Which role.
    pub role_id_file: PathBuf,
    /// What proves it.
    pub secret_id_file: PathBuf,
    /// Where `AppRole` is mounted.
    #[serde(default = "usual_approle")]
    pub mount: String,
}

/// A login with the token of a service account.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kubernetes {
    /// Which role of the manager.
    pub role: String,
    /// The token.
    #[serde(default = "usual_account")]
    pub token_file: PathBuf,
    /// Where Kubernetes is mounted.
    #[serde(default = "usual_kubernetes")]
    pub mount: String,
}

fn usual_mount() -> String {
    "secret".to_owned()
}

fn usual_path() -> String {
    "fieldstone".to_owned()
}

fn usual_approle() -> String {
    "approle".to_owned()
}

fn usual_kubernetes() -> String {
    "kubernetes".to_owned()
}

fn usual_account() -> PathBuf {
    SERVICE_ACCOUNT.into()
}

impl LoginSettings {
    /// What it is, for whoever looks after it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TokenFile(_) => "a token file",
            Self::AppRole(_) => "AppRole",
            Self::Kubernetes(_) => "a Kubernetes account",
        }
    }

    /// The files it reads, which others must not read.
    pub fn files(&self) -> Vec<&Path> {
        match self {
            Self::TokenFile(file) => vec![file],
            Self::AppRole(role) => vec![&role.role_id_file, &role.secret_id_file],
            Self::Kubernetes(account) => vec![&account.token_file],
        }
    }
}

impl SecretSettings {
    /// Refuses what would be unsafe, or can't be an address.
    pub(super) fn check(&self) -> Result<(), SecretError> {
        let address = url::Url::parse(&self.address)
            .map_err(|_| SecretError::Settings("the address is not of the form https://host"))?;
        if address.scheme() != "https" {
            return Err(SecretError::Settings(
                "the address has to begin with https://",
            ));
        }
        if crate::outgoing::holds_a_secret(&address) {
            return Err(SecretError::Settings(
                "the address must not hold a user or a password",
            ));
        }
        for place in [&self.mount, &self.path] {
            if !is_path(place) {
                return Err(SecretError::Settings(
                    "mount and path are names with slashes between them",
                ));
            }
        }
        Ok(())
    }
}

/// Whether this can be a path in a secrets manager: names with slashes between them, none of which leads upwards.
pub(super) fn is_path(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name != "."
            && name != ".."
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    text.len() <= 256 && text.split('/').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SecretSettings, String> {
        let settings: SecretSettings =
            toml::from_str(text).map_err(|error| error.message().to_owned())?;
        settings.check().map_err(|error| error.to_string())?;
        Ok(settings)
    }

    #[test]
    fn one_way_to_log_in_over_tls() {
        let good = "address = 'https://bao:8200'\n[login]\n";
        for login in [
            "token_file = '/token'",
            "approle = { role_id_file = '/r', secret_id_file = '/s' }",
            "kubernetes = { role = 'fieldstone' }",
        ] {
            let settings = read(&format!("{good}{login}")).unwrap();
            assert_eq!(
                (&*settings.mount, &*settings.path),
                ("secret", "fieldstone")
            );
            assert!(!settings.login.files().is_empty());
        }
        for bad in [
            "address = 'http://bao:8200'\n[login]\ntoken_file = '/token'",
            "address = 'https://token@bao:8200'\n[login]\ntoken_file = '/token'",
            "address = 'bao'\n[login]\ntoken_file = '/token'",
            "address = 'https://bao:8200'\npath = '../other'\n[login]\ntoken_file = '/token'",
            "address = 'https://bao:8200'\ntoken = 'hvs.secret'\n[login]\ntoken_file = '/token'",
            "address = 'https://bao:8200'\n[login]\ntoken = 'hvs.secret'",
            "address = 'https://bao:8200'\n[login]\ntoken_file = '/t'\nkubernetes = { role = 'x' }",
            "address = 'https://bao:8200'\n[login]",
            "address = 'https://bao:8200'",
        ] {
            let said = read(bad).unwrap_err();
            assert!(!said.contains("hvs.secret"), "{bad}: {said}");
        }
    }
}
