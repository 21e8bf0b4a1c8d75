//! SCRAM-SHA-256 verifiers (RFC 5803), so that a role's password never travels to the server or into its log.

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2, rand};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};

use super::DatabaseError;

/// PostgreSQL's own default; the passwords are 256 random bits, so more rounds would only slow connecting down.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);

/// Makes a verifier with a fresh salt.
pub(super) fn verifier(password: &SecretString) -> Result<String, DatabaseError> {
    let mut salt = [0; 16];
    rand::fill(&mut salt).map_err(|_| DatabaseError::UnusablePassword)?;
    compose(password, &salt, ITERATIONS)
}

/// Whether `stored` (a row of `pg_authid.rolpassword`) is a verifier of `password`.
pub(super) fn verifies(stored: &str, password: &SecretString) -> bool {
    let Some((iterations, salt)) = stored
        .strip_prefix("SCRAM-SHA-256$")
        .and_then(|rest| rest.split_once('$'))
        .and_then(|(head, _)| head.split_once(':'))
    else {
        return false;
    };
    let (Ok(iterations), Ok(salt)) = (iterations.parse(), STANDARD.decode(salt)) else {
        return false;
    };
    compose(password, &salt, iterations).is_ok_and(|computed| {
        constant_time::verify_slices_are_equal(computed.as_bytes(), stored.as_bytes()).is_ok()
    })
}

fn compose(
    password: &SecretString,
    salt: &[u8],
    iterations: NonZeroU32,
) -> Result<String, DatabaseError> {
    let password = password.expose_secret().as_bytes();
    // SASLprep leaves printable ASCII as it is; anything else would need it.
    if !(16..=256).contains(&password.len()) || !password.iter().all(u8::is_ascii_graphic) {
        return Err(DatabaseError::UnusablePassword);
    }
    let mut salted = [0; digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        password,
        &mut salted,
    );
    let salted = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let stored_key = digest::digest(&digest::SHA256, hmac::sign(&salted, b"Client Key").as_ref());
    let server_key = hmac::sign(&salted, b"Server Key");
    Ok(format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored_key),
        STANDARD.encode(server_key)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_fits_its_password_only() {
        let right = SecretString::from("0123456789abcdef");
        let made = verifier(&right).unwrap();
        assert!(verifies(&made, &right));
        assert!(!verifies(&made, &SecretString::from("0123456789abcdeF")));
        assert!(!verifies("md5abc", &right));
        assert!(!verifies("", &right));
        assert_ne!(
            made,
            verifier(&right).unwrap(),
            "each has a salt of its own"
        );
    }

    #[test]
    fn a_password_that_needs_normalisation_is_refused() {
        for unusable in ["short", "0123456789abcdeé", "0123456789 abcdef"] {
            assert!(matches!(
                verifier(&SecretString::from(unusable)),
                Err(DatabaseError::UnusablePassword)
            ));
        }
    }
}
