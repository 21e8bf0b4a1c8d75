//! `fieldstone up --demo`: the demo companies, and who can sign in to them, for a person and (as `demo.json`) for scripts.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::failure::Failure;
use super::operator::Operator;
use crate::data_dir::{DataDir, write_private};
use crate::demo::{file, install};
use crate::identity::{PasswordHasher, PasswordPolicy};

/// Makes the demo companies unless they are there, and answers what to tell whoever wants to sign in.
///
/// `demo.json` is written when everything else is done: while it is missing, the next start goes on where this one stopped.
pub(super) async fn prepare(operator: &Operator, data_dir: &DataDir, url: &str, ca: &Path) -> Result<String, Failure> {
    let path = data_dir.demo();
    let failed = |error: &dyn std::error::Error| Failure::new(format!("The demo's users can't be kept in {}: {error}.", path.display()));
    let known = match fs::read(&path) {
        Ok(text) => Some(serde_json::from_slice::<Value>(&text).map_err(|error| failed(&error))?),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(failed(&error)),
    };
    let demo = if let Some(known) = known {
        readdressed(known, url, ca)
    } else {
        tracing::info!("Making the demo companies …");
        let passwords = PasswordHasher::new(&PasswordPolicy::default())?;
        let mut owner = operator.owner().await?;
        let users = install(&mut owner, &operator.stores()?, &passwords, &operator.ids, operator.clock.now())
            .await
            .map_err(|error| Failure::new(error.to_string()))?;
        let text = file(url, ca, &users).map_err(|error| failed(&error))?;
        serde_json::from_str(&text).map_err(|error| failed(&error))?
    };
    write_private(&path, format!("{demo:#}\n").as_bytes()).map_err(|error| failed(&error))?;
    Ok(greeting(&demo))
}

/// The same people at the address of this start.
fn readdressed(mut demo: Value, url: &str, ca: &Path) -> Value {
    if let Some(demo) = demo.as_object_mut() {
        demo.insert("url".to_owned(), url.into());
        demo.insert("ca".to_owned(), ca.display().to_string().into());
    }
    demo
}

/// A small table.
fn greeting(demo: &Value) -> String {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut lines = vec![format!("Sign in at {} (certificate authority: {})\n", text(demo, "url"), text(demo, "ca"))];
    for user in demo.get("users").and_then(Value::as_array).into_iter().flatten() {
        let [workspace, role, email, password] = ["workspace", "role", "email", "password"].map(|name| text(user, name));
        lines.push(format!("  {workspace:<12} {role:<8} {email:<36} {password}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_stay_and_the_address_follows() {
        let user = serde_json::json!({"workspace": "acme", "email": "ann@acme.example", "password": "p", "role": "owner"});
        let demo = serde_json::json!({"url": "https://old", "ca": "/old", "users": [user]});
        let demo = readdressed(demo, "https://new", Path::new("/new/ca.pem"));
        assert_eq!(demo["users"][0], user);
        let greeting = greeting(&demo);
        assert!(greeting.starts_with("Sign in at https://new (certificate authority: /new/ca.pem)\n"), "{greeting}");
        assert!(greeting.contains("acme         owner    ann@acme.example"), "{greeting}");
    }
}
