//! `fieldstone up --demo`: the demo companies, once, and the file that says how to sign in.

use std::path::Path;

use serde_json::Value;

use super::failure::Failure;
use super::operator::Operator;
use crate::data_dir::{DataDir, write_private};
use crate::demo;
use crate::identity::{PasswordHasher, PasswordPolicy};

/// Makes sure that the demo is there and that `demo.json` names this address; says how to sign in.
#[expect(
    clippy::print_stderr,
    reason = "passwords are for whoever sits here, not for a log"
)]
pub(super) async fn ensure(
    operator: &Operator,
    data_dir: &DataDir,
    url: &str,
    ca: &Path,
) -> Result<(), Failure> {
    let path = data_dir.demo();
    let text = match known(&path, url) {
        Some(text) => text,
        None => make(operator, url, ca).await?,
    };
    let failed = |error: std::io::Error| {
        Failure::new(format!("{} can't be written: {error}.", path.display()))
    };
    write_private(&path, text.as_bytes()).map_err(failed)?;
    let users = serde_json::from_str::<Value>(&text).ok();
    eprintln!(
        "\nSign in at {url} as one of these (also in {}):",
        path.display()
    );
    for user in users
        .iter()
        .filter_map(|file| file.get("users")?.as_array())
        .flatten()
    {
        let text = |name: &str| user.get(name).and_then(Value::as_str).unwrap_or_default();
        eprintln!(
            "  {:<10} {:<8} {:<36} {}",
            text("workspace"),
            text("role"),
            text("email"),
            text("password")
        );
    }
    eprintln!();
    Ok(())
}

/// The file of an earlier start, with today's address; nothing when there is none that can be read.
fn known(path: &Path, url: &str) -> Option<String> {
    let mut file: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    file.get("users")?
        .as_array()
        .filter(|users| !users.is_empty())?;
    *file.get_mut("url")? = url.into();
    serde_json::to_string_pretty(&file).ok()
}

async fn make(operator: &Operator, url: &str, ca: &Path) -> Result<String, Failure> {
    tracing::info!("Making the demo: two companies with two years of records …");
    let failed =
        |error: &dyn std::error::Error| Failure::new(format!("The demo can't be made: {error}."));
    let passwords =
        PasswordHasher::new(&PasswordPolicy::default()).map_err(|error| failed(&error))?;
    let mut owner = operator.owner().await?;
    let stores = operator.stores()?;
    let users = demo::install(
        &mut owner,
        &stores,
        &passwords,
        &operator.ids,
        operator.clock.now(),
    )
    .await
    .map_err(|error| failed(&error))?;
    demo::file(url, ca, &users).map_err(|error| failed(&error))
}
