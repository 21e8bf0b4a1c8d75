//! Proof Key for Code Exchange (RFC 7636) with S256, and nothing else.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Length of a challenge: a SHA-256 in base64.
const CHALLENGE_LEN: usize = 43;

/// Whether `text` can be a challenge.
pub fn is_challenge(text: &str) -> bool {
    text.len() == CHALLENGE_LEN
        && URL_SAFE_NO_PAD
            .decode(text)
            .is_ok_and(|hash| hash.len() == 32)
}

/// The challenge of a verifier; `None` for what can't be one (RFC 7636, 4.1: 43 to 128 unreserved characters).
pub fn challenge(verifier: &str) -> Option<String> {
    let unreserved =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    ((43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved))
        .then(|| URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_example_comes_out() {
        let challenge = challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(is_challenge(&challenge));
    }

    #[test]
    fn what_is_too_short_or_not_text_is_neither() {
        for verifier in [
            "",
            &"a".repeat(42),
            &"a".repeat(129),
            &format!("{} ", "a".repeat(43)),
            &"ä".repeat(43),
            &format!("{}=", "a".repeat(43)),
        ] {
            assert!(challenge(verifier).is_none(), "{verifier}");
        }
        for text in [
            "",
            "plain",
            &"a".repeat(42),
            &"a".repeat(44),
            &format!("{}=", "a".repeat(42)),
            &"+".repeat(43),
            // The last character of 32 bytes has two bits to spare, which have to be zero.
            &"_".repeat(43),
        ] {
            assert!(!is_challenge(text), "{text}");
        }
    }
}
