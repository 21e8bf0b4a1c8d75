//! P5: every stored password is an Argon2id hash with a salt of its own.

use argon2::password_hash::PasswordHash;
use argon2::{Algorithm, Params};

use super::{Seen, Subject, fail, pass};
use crate::identity::PasswordPolicy;

const HASHES: &str = "SELECT password_phc FROM app.user_secret WHERE password_phc IS NOT NULL";

/// All hashes, by what they say of themselves.
pub(super) async fn passwords(subject: &Subject) -> Seen {
    let rows = subject.owner().await?.query(HASHES, &[]).await?;
    let mut salts = std::collections::HashSet::new();
    for row in &rows {
        let phc: &str = row.try_get(0)?;
        let Ok(hash) = PasswordHash::new(phc) else {
            return fail("a stored password is no hash in PHC form");
        };
        if Algorithm::try_from(hash.algorithm).ok() != Some(Algorithm::Argon2id) {
            return fail(format!(
                "a stored password is hashed with {}",
                hash.algorithm
            ));
        }
        let Ok(cost) = Params::try_from(&hash) else {
            return fail("a stored password has no readable cost");
        };
        if PasswordPolicy::floor_kib(cost.t_cost()).is_none_or(|floor| cost.m_cost() < floor) {
            return fail(format!(
                "a stored password costs only {} KiB at {} passes",
                cost.m_cost(),
                cost.t_cost()
            ));
        }
        let Some(salt) = hash.salt else {
            return fail("a stored password has no salt");
        };
        if !salts.insert(salt.as_str().to_owned()) {
            return fail("two stored passwords have the same salt");
        }
    }
    if rows.is_empty() {
        return super::unseen("nobody has a password yet");
    }
    pass(format!(
        "{} passwords, all Argon2id above the floors of ASVS 5.0, each with a salt of its own",
        rows.len()
    ))
}
