//! P12–P16: the service around the data. Health, deployment, secrets, disclosure, and the map from controls to evidence.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::{Miss, Seen, Subject, fail, pass, unseen};
use crate::backup::latest;
use crate::database::connect;

const PATIENCE: Duration = Duration::from_secs(15);
/// The map from controls to claims, as it is published.
const CONTROLS: &str = include_str!("../../../../docs/compliance/soc2.md");
/// How vulnerabilities are reported, as it is published.
const POLICY: &str = include_str!("../../../../SECURITY.md");

async fn get(subject: &Subject, path: &str) -> Result<(http::StatusCode, String), Miss> {
    let mut client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none());
    if let Some(ca) = &subject.ca {
        client = client.tls_certs_only([reqwest::Certificate::from_pem(&fs::read(ca)?)?]);
    }
    if let Some(address) = subject.connect
        && let Some(host) = url::Url::parse(&subject.url)?.host_str()
    {
        client = client.resolve(host, address);
    }
    let answer = client
        .build()?
        .get(format!("{}{path}", subject.url.trim_end_matches('/')))
        .send()
        .await?;
    Ok((answer.status(), answer.text().await?))
}

/// P12: it says that it lives and that it is ready, with reasons.
pub(super) async fn health(subject: &Subject) -> Seen {
    let (status, _) = get(subject, "/healthz").await?;
    if !status.is_success() {
        return fail(format!("/healthz answers {status}"));
    }
    let (status, text) = get(subject, "/readyz").await?;
    let report: serde_json::Value = serde_json::from_str(&text)?;
    let checks = report
        .get("checks")
        .and_then(serde_json::Value::as_array)
        .cloned()
        .unwrap_or_default();
    let names: Vec<&str> = checks
        .iter()
        .filter_map(|check| check.get("name")?.as_str())
        .collect();
    for needed in ["database", "migrations", "clock"] {
        if !names.contains(&needed) {
            return fail(format!("/readyz does not look at {needed}"));
        }
    }
    if !status.is_success() {
        return fail(format!("/readyz answers {status}: {text}"));
    }
    pass(format!("alive and ready; looked at: {}", names.join(", ")))
}

/// P13: a deployment without a lost request was seen on this installation.
pub(super) async fn deployment(subject: &Subject) -> Seen {
    let runs = latest(&connect(&subject.app).await?, "deploy-drill", 1).await?;
    match runs.first() {
        Some(run) if run.ok => pass(format!(
            "the drill of {} upgraded and rolled back under load without losing a request: {}",
            run.ended, run.detail
        )),
        Some(run) => fail(format!(
            "the drill of {} lost requests, or records that it had acknowledged: {}",
            run.ended, run.detail
        )),
        None => unseen(
            "how new versions get here can't be seen from inside, and no deployment was practised on this installation",
        ),
    }
}

/// P14: secrets come from where only this user can read them, never from a configuration that lies beside sources.
pub(super) fn secrets(subject: &Subject) -> Seen {
    if let Some(configuration) = &subject.configuration {
        let text = fs::read_to_string(configuration)?;
        let plain = plain_secrets(&text);
        if !plain.is_empty() {
            return fail(format!(
                "{} holds secrets in plain text: {}",
                configuration.display(),
                plain.join(", ")
            ));
        }
        if let Some(file) = exposed_file(&text) {
            return fail(format!("{file} can be read by other users"));
        }
        let (managed, mounted): (Vec<String>, Vec<String>) = files(&text)
            .into_iter()
            .partition(|place| place.starts_with("secret:"));
        return pass(format!(
            "{} names {} mounted secrets and {} of the secrets manager, and holds none",
            configuration.display(),
            mounted.len(),
            managed.len()
        ));
    }
    let Some(data_dir) = &subject.data_dir else {
        return unseen("neither a configuration nor a data folder is known");
    };
    let folder = data_dir.root().join("secrets");
    let mut count = 0;
    private(&folder, &mut count)?;
    unseen(format!(
        "this is not a production installation: its {count} secrets are files of one user in {}, outside the database and its backups",
        folder.display()
    ))
}

fn private(folder: &Path, count: &mut u32) -> Result<(), Miss> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        if facts.mode() & 0o077 != 0 {
            return fail(format!(
                "{} can be read by other users",
                entry.path().display()
            ));
        }
        if facts.is_dir() {
            private(&entry.path(), count)?;
        } else {
            *count += 1;
        }
    }
    Ok(())
}

/// Names of settings that hold a secret themselves instead of naming its file.
fn plain_secrets(text: &str) -> Vec<String> {
    let Ok(table) = text.parse::<toml::Table>() else {
        return vec!["unreadable".to_owned()];
    };
    let mut found = Vec::new();
    walk(&table, &mut |name, value| {
        let holds_password = value.as_str().is_some_and(|value| {
            url::Url::parse(value)
                .is_ok_and(|url| url.password().is_some_and(|password| !password.is_empty()))
        });
        let is_named_so = ["password", "secret", "token", "passphrase"]
            .iter()
            .any(|word| name.ends_with(word));
        if holds_password || is_named_so && value.is_str() {
            found.push(name.to_owned());
        }
    });
    found
}

/// Files that a configuration names.
fn files(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(table) = text.parse::<toml::Table>() {
        walk(&table, &mut |name, value| {
            let is_file = name.ends_with("_file") || name == "key";
            if let (true, Some(value)) = (is_file, value.as_str()) {
                found.push(value.to_owned());
            }
        });
    }
    found
}

fn exposed_file(text: &str) -> Option<String> {
    files(text)
        .into_iter()
        .find(|file| fs::metadata(file).is_ok_and(|facts| facts.mode() & 0o077 != 0))
}

fn walk(table: &toml::Table, visit: &mut impl FnMut(&str, &toml::Value)) {
    for (name, value) in table {
        match value {
            toml::Value::Table(table) => walk(table, visit),
            value => visit(name, value),
        }
    }
}

/// P15: whoever finds a weakness learns where to report it.
pub(super) async fn disclosure(subject: &Subject) -> Seen {
    let (status, text) = get(subject, "/.well-known/security.txt").await?;
    let line = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    let (Some(contact), Some(expires)) = (line("Contact:"), line("Expires:")) else {
        return fail(format!(
            "/.well-known/security.txt answers {status} and names no contact and expiry"
        ));
    };
    if !contact.starts_with("mailto:") && !contact.starts_with("https:") {
        return fail(format!(
            "the contact {contact} is no address that RFC 9116 knows"
        ));
    }
    let expires: Timestamp = expires.parse()?;
    if expires <= subject.clock.now() {
        return fail(format!("security.txt expired at {expires}"));
    }
    if !POLICY.contains("## Reporting a vulnerability") || !POLICY.contains("What to expect") {
        return fail("SECURITY.md says neither where to report nor what to expect");
    }
    pass(format!(
        "contact {contact}, vouched for until {expires}; SECURITY.md says what to expect"
    ))
}

/// P16: each control names claims that a run of this program gives evidence for, or says that it is a gap.
pub(super) fn controls() -> Seen {
    controls_in(CONTROLS)
}

fn controls_in(table: &str) -> Seen {
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| {
            line.starts_with("| CC") || line.starts_with("| A1") || line.starts_with("| C1")
        })
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let (mut mapped, mut gaps) = (0, 0);
    for row in &rows {
        let (Some(control), Some(evidence)) = (row.first(), row.get(2)) else {
            return fail("a control has no evidence column");
        };
        let claims = evidence
            .split([',', ' '])
            .filter(|word| is_claim(word))
            .count();
        if claims > 0 {
            mapped += 1;
        } else if evidence.to_lowercase().contains("gap") {
            gaps += 1;
        } else {
            return fail(format!("{control} names neither evidence nor a gap"));
        }
    }
    if mapped == 0 {
        return fail("no control is mapped");
    }
    pass(format!(
        "{} criteria: {mapped} mapped to claims of this report, {gaps} named as gaps that an organisation has to fill",
        rows.len()
    ))
}

fn is_claim(word: &str) -> bool {
    let number = |prefix, most: u8| {
        word.strip_prefix(prefix)
            .and_then(|rest| rest.parse().ok())
            .is_some_and(|number: u8| (1..=most).contains(&number))
    };
    number("P", 16) || number("F", 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_configuration_is_found_and_a_file_is_none() {
        assert!(
            plain_secrets(
                "[database]\napp_url_file = \"/run/credentials/app\"\n[tls]\nkey = \"/run/key\""
            )
            .is_empty()
        );
        assert_eq!(
            plain_secrets("[database]\napp_url = \"postgres://app:hunter2@db/x\""),
            ["app_url"]
        );
        assert_eq!(
            plain_secrets("[mail.smtp]\npassword = \"hunter2\""),
            ["password"]
        );
        assert!(plain_secrets("[database]\napp_url = \"postgres://app@db/x\"").is_empty());
    }

    #[test]
    fn every_control_has_evidence_or_is_a_gap() {
        assert!(controls().is_ok(), "docs/compliance/soc2.md");
        assert!(controls_in("").is_err());
        assert!(controls_in("| CC1.1 x | asks | P1 |").is_ok());
        assert!(controls_in("| CC1.1 x | asks | P1 |\n| CC1.2 y | asks | we do that |").is_err());
        assert!(controls_in("| CC1.1 x | asks | P17 |").is_err());
        assert!(is_claim("P16") && is_claim("F1") && !is_claim("P17") && !is_claim("P"));
    }
}
