//! How letters are sent, as the configuration says it.
//!
//! ```toml
//! [mail]
//! from = "Fieldstone <crm@crm.example>"
//!
//! [mail.smtp]
//! host = "smtp.crm.example"
//! port = 587                 # 465 with security = "tls"
//! security = "starttls"      # or "tls"; "none" only for a host on this machine
//! user = "crm"
//! password_file = "/run/credentials/fieldstone/smtp-password"
//! ca_file = "/etc/fieldstone/mail-ca.pem"   # besides what the system trusts
//! ```
//!
//! Without `[mail.smtp]`, `outbox = "/a/folder"` takes the letters as files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::AsyncSmtpTransport;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use serde::Deserialize;

use super::Post;
use crate::config::{ConfigError, is_loopback};
use crate::secrets::{Place, Secret};

/// How long a mail server may take for one step.
const PATIENCE: Duration = Duration::from_secs(30);

/// The part `[mail]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// Whom letters come from: `Name <address>`.
    pub from: String,
    /// The mail server.
    pub smtp: Option<SmtpSettings>,
    /// A folder for the letters, where there is no mail server.
    pub outbox: Option<PathBuf>,
}

/// The part `[mail.smtp]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// Its name, which its certificate has to bear.
    pub host: String,
    /// Its port; by default the usual one of the security.
    pub port: Option<u16>,
    /// How the connection is encrypted.
    #[serde(default)]
    pub security: SmtpSecurity,
    /// Whom to sign in as.
    pub user: Option<String>,
    /// Where the password is.
    pub password_file: Option<Place>,
    /// A certificate authority to trust besides the system's, PEM.
    pub ca_file: Option<PathBuf>,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// TLS after a plain greeting; a server without it is refused.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// None; only on this machine.
    None,
}

impl MailSettings {
    /// Letters go into a folder, one private file each, as if from this machine itself.
    pub fn into_outbox(folder: PathBuf) -> Self {
        Self {
            from: "Fieldstone <fieldstone@localhost>".to_owned(),
            smtp: None,
            outbox: Some(folder),
        }
    }

    /// Reads a file that has these settings alone.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::File {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| ConfigError::Invalid {
            path: path.to_owned(),
            reason: error.message().to_owned(),
        })
    }

    /// Where the password is, if there is one.
    pub fn password(&self) -> Option<&Place> {
        self.smtp.as_ref()?.password_file.as_ref()
    }

    /// Checks the settings and reads the files they name. Connects to nothing yet.
    pub fn open(&self) -> Result<Post, ConfigError> {
        let password = self
            .password()
            .map(|place| Secret::at(place.clone(), None))
            .transpose()?;
        self.open_with(password.as_ref())
    }

    /// The same with a password that may be anywhere.
    pub fn open_with(&self, password: Option<&Secret>) -> Result<Post, ConfigError> {
        let sender: Mailbox = self
            .from
            .parse()
            .map_err(|_| ConfigError::Mail("“from” is not of the form Name <address>"))?;
        match (&self.smtp, &self.outbox) {
            (Some(smtp), None) => Ok(Post::smtp(sender, smtp.transport(password)?)),
            (None, Some(folder)) => Ok(Post::into_folder(sender, folder.clone())),
            _ => Err(ConfigError::Mail("it needs either smtp or outbox")),
        }
    }
}

impl SmtpSettings {
    fn transport(
        &self,
        password: Option<&Secret>,
    ) -> Result<AsyncSmtpTransport<lettre::Tokio1Executor>, ConfigError> {
        let (tls, usual_port) = match self.security {
            SmtpSecurity::Starttls => (Tls::Required(self.tls()?), 587),
            SmtpSecurity::Tls => (Tls::Wrapper(self.tls()?), 465),
            SmtpSecurity::None if is_loopback(&self.host) => (Tls::None, 25),
            SmtpSecurity::None => {
                return Err(ConfigError::Mail(
                    "security can be “none” only for a mail server on this machine",
                ));
            }
        };
        let builder = AsyncSmtpTransport::<lettre::Tokio1Executor>::builder_dangerous(&self.host)
            .port(self.port.unwrap_or(usual_port))
            .timeout(Some(PATIENCE))
            .tls(tls);
        match (&self.user, password) {
            (None, None) => Ok(builder.build()),
            (Some(user), Some(password)) => {
                let password = password.read()?;
                let credentials = Credentials::new(
                    user.clone(),
                    password.trim_end_matches(['\r', '\n']).to_owned(),
                );
                Ok(builder.credentials(credentials).build())
            }
            _ => Err(ConfigError::Mail(
                "smtp needs both user and password_file, or neither",
            )),
        }
    }

    fn tls(&self) -> Result<TlsParameters, ConfigError> {
        let mut builder = TlsParameters::builder(self.host.clone());
        if let Some(file) = &self.ca_file {
            let pem = fs::read(file).map_err(|source| ConfigError::File {
                path: file.clone(),
                source,
            })?;
            let certificate = Certificate::from_pem(&pem)
                .map_err(|_| ConfigError::Mail("ca_file holds no certificate"))?;
            builder = builder.add_root_certificate(certificate);
        }
        builder
            .build()
            .map_err(|_| ConfigError::Mail("TLS can't be set up for this host"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn open(text: &str) -> Result<Post, String> {
        let settings: MailSettings = toml::from_str(text).map_err(|error| error.to_string())?;
        settings.open().map_err(|error| error.to_string())
    }

    #[test]
    fn encryption_is_given_up_on_this_machine_only() {
        let text = |host: &str, security: &str| {
            format!(
                "from = \"crm@crm.example\"\n[smtp]\nhost = \"{host}\"\nsecurity = \"{security}\""
            )
        };
        assert!(open(&text("127.0.0.1", "none")).is_ok());
        assert!(open(&text("localhost", "none")).is_ok());
        assert!(open(&text("smtp.crm.example", "starttls")).is_ok());
        assert!(open(&text("smtp.crm.example", "tls")).is_ok());
        let refused = open(&text("smtp.crm.example", "none")).unwrap_err();
        assert!(refused.contains("on this machine"), "{refused}");
    }

    #[test]
    fn what_is_missing_or_too_much_is_said() {
        for text in [
            "from = \"crm@crm.example\"",
            "from = \"nobody\"\noutbox = \"/tmp/x\"",
            "from = \"crm@crm.example\"\noutbox = \"/tmp/x\"\n[smtp]\nhost = \"h\"",
            "from = \"crm@crm.example\"\n[smtp]\nhost = \"h\"\nuser = \"u\"",
            "from = \"crm@crm.example\"\n[smtp]\nhost = \"h\"\npassword = \"p\"",
            "from = \"a@b.example\\r\\nBcc: c@d.example\"\noutbox = \"/tmp/x\"",
        ] {
            assert!(open(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, "secret\n").unwrap();
        let text = format!(
            "from = \"crm@crm.example\"\n[smtp]\nhost = \"h\"\nuser = \"u\"\npassword_file = {file:?}"
        );
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(open(&text).unwrap_err().contains("private"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(open(&text).is_ok());
    }
}
