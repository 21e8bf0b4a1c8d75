//! Time-based one-time codes (RFC 6238: SHA-1, six digits, thirty seconds) and the recovery codes beside them.
//!
//! A code is good in its own thirty seconds only, and the database accepts each step once. The function itself is a dozen lines over
//! the cryptography that is here anyway.

use std::fmt::Write as _;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use fieldstone_model::RecordId;
use fieldstone_vault::{Place, Purpose, Vault};
use jiff::Timestamp;
use qrcodegen::{QrCode, QrCodeEcc};
use zeroize::Zeroizing;

use super::{IdentityError, random};

/// Seconds of a step.
const STEP_S: i64 = 30;
/// Bytes of a seed: as many as SHA-1's output (RFC 4226, 4, R6).
const SEED_LEN: usize = 20;
/// How many recovery codes there are.
pub const RECOVERY_CODES: usize = 10;

pub(crate) const SEEDS: Purpose = Purpose::new("totp seed");
pub(crate) const CODES: Purpose = Purpose::new("recovery code");

/// What stands in for a password a second time.
#[derive(Debug, Clone, Copy)]
pub enum Code<'a> {
    /// Six digits of an authenticator.
    Totp(&'a str),
    /// A recovery code.
    Recovery(&'a str),
}

/// The secret that a person's authenticator and the server share.
#[derive(Clone)]
pub struct Seed(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(…)")
    }
}

fn place<'a>(tenant: &'a RecordId, user: &'a RecordId) -> Place<'a> {
    seed_place(tenant.as_str(), user.as_str())
}

/// Where somebody's seed belongs.
pub(crate) fn seed_place<'a>(tenant: &'a str, user: &'a str) -> Place<'a> {
    Place {
        tenant,
        object: "user",
        record: user,
        field: "totp_seed",
        version: 1,
    }
}

impl Seed {
    /// A fresh one.
    pub(super) fn generate() -> Result<Self, IdentityError> {
        Ok(Self(Zeroizing::new(random::bytes::<SEED_LEN>()?.to_vec())))
    }

    pub(super) fn seal(
        &self,
        vault: &Vault,
        (tenant, user): (RecordId, RecordId),
    ) -> Result<Vec<u8>, IdentityError> {
        Ok(vault.seal(SEEDS, &place(&tenant, &user), &self.0)?)
    }

    pub(super) fn open(
        vault: &Vault,
        (tenant, user): (RecordId, RecordId),
        sealed: &[u8],
    ) -> Result<Self, IdentityError> {
        Ok(Self(vault.open(SEEDS, &place(&tenant, &user), sealed)?))
    }

    /// The number of the step at `now`.
    pub(super) fn step(now: Timestamp) -> i64 {
        now.as_second().div_euclid(STEP_S)
    }

    /// The code of a step.
    fn code(&self, step: i64) -> Zeroizing<String> {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        // RFC 4226, 5.3: the last four bits say where the four bytes are.
        let at = usize::from(tag.last().copied().unwrap_or_default() & 0xf);
        let number = tag
            .iter()
            .skip(at)
            .take(4)
            .fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        Zeroizing::new(format!("{:06}", (number & 0x7fff_ffff) % 1_000_000))
    }

    /// The step that `code` is good for at `now`. Exactly six ASCII digits: whatever else is not a code, with or without spaces around it.
    pub(super) fn accept(&self, code: &str, now: Timestamp) -> Option<i64> {
        let is_code = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
        let step = Self::step(now);
        let wanted = self.code(step);
        let fits = is_code && verify_slices_are_equal(wanted.as_bytes(), code.as_bytes()).is_ok();
        fits.then_some(step)
    }

    /// The seed as people type it: base32 (RFC 4648) in groups of four.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.0.len() * 2));
        for (at, letter) in base32(&self.0).chars().enumerate() {
            if at > 0 && at % 4 == 0 {
                text.push(' ');
            }
            text.push(letter);
        }
        text
    }

    /// The address that an authenticator reads.
    pub fn uri(&self, workspace: &str, email: &str) -> Zeroizing<String> {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let issuer = encode(&format!("Fieldstone {workspace}"));
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{}?secret={}&issuer={issuer}&algorithm=SHA1&digits=6&period=30",
            encode(email),
            base32(&self.0).as_str(),
        ))
    }

    /// That address as a drawing: an SVG's view box and one path of squares. `None` when it is too long to be drawn.
    pub fn drawing(&self, workspace: &str, email: &str) -> Option<(i32, Zeroizing<String>)> {
        let code = QrCode::encode_text(&self.uri(workspace, email), QrCodeEcc::Medium).ok()?;
        let mut path = Zeroizing::new(String::new());
        for y in 0..code.size() {
            for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
                // Writing to a String cannot fail. Four modules of margin belong to the code.
                let _ = write!(path, "M{},{}h1v1h-1z", x + 4, y + 4);
            }
        }
        Some((code.size() + 8, path))
    }
}

fn base32(bytes: &[u8]) -> Zeroizing<String> {
    encode(bytes, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
}

/// Five bits a letter, most significant first, without padding.
fn encode(bytes: &[u8], alphabet: &[u8; 32]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 8 / 5 + 1));
    let (mut buffer, mut bits) = (0_u16, 0_u32);
    for byte in bytes {
        buffer = buffer << 8 | u16::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let letter = alphabet.get(usize::from(buffer >> bits & 31));
            text.push(char::from(letter.copied().unwrap_or_default()));
        }
        buffer &= (1 << bits) - 1;
    }
    if bits > 0 {
        let letter = alphabet.get(usize::from(buffer << (5 - bits) & 31));
        text.push(char::from(letter.copied().unwrap_or_default()));
    }
    text
}

/// What is stored of recovery codes.
pub(super) type RecoveryHashes = Vec<Vec<u8>>;

/// Ten fresh recovery codes as people read them, `xxxx-xxxx-xxxx-xxxx`, and their hashes.
///
/// Each has 80 random bits, so nobody finds one by trying, hashed or not: a slow hash would only cost time. The hash is keyed, so that a
/// copy of the database alone doesn't even tell when a guess is right.
pub(super) fn recovery_codes(
    vault: &Vault,
    who: (RecordId, RecordId),
) -> Result<(super::account::RecoveryCodes, RecoveryHashes), IdentityError> {
    let (mut codes, mut hashes) = (Vec::new(), Vec::new());
    for _ in 0..RECOVERY_CODES {
        // Without letters that are mistaken for others.
        let letters = encode(&random::bytes::<10>()?, b"0123456789abcdefghjkmnpqrstvwxyz");
        let mut code = Zeroizing::new(String::with_capacity(19));
        for (at, letter) in letters.chars().enumerate() {
            if at > 0 && at % 4 == 0 {
                code.push('-');
            }
            code.push(letter);
        }
        hashes.push(recovery_hash(vault, who, &code)?.to_vec());
        codes.push(code);
    }
    Ok((codes, hashes))
}

/// What is stored of a recovery code; spaces, hyphens and capitals don't count.
pub(super) fn recovery_hash(
    vault: &Vault,
    (tenant, user): (RecordId, RecordId),
    code: &str,
) -> Result<[u8; 32], IdentityError> {
    let mut text = Zeroizing::new(format!("{user} "));
    text.extend(
        code.chars()
            .filter(char::is_ascii_alphanumeric)
            .take(64)
            .map(|letter| letter.to_ascii_lowercase()),
    );
    let field = (tenant.as_str(), "user", "recovery_code");
    Ok(vault.blind_index(CODES, field, text.as_bytes())?)
}

/// The code that an authenticator with this seed (base32) shows at `now`: for whoever has to try signing in.
pub(crate) fn code_of(seed: &str, now: Timestamp) -> Option<Zeroizing<String>> {
    let mut bytes = Vec::with_capacity(SEED_LEN);
    let (mut bits, mut kept) = (0_u32, 0_u32);
    for letter in seed.bytes().filter(|letter| *letter != b' ') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return None,
        };
        bits = bits << 5 | u32::from(value);
        kept += 5;
        if kept >= 8 {
            kept -= 8;
            bytes.push(u8::try_from(bits >> kept & 0xff).ok()?);
        }
    }
    let seed = Seed(Zeroizing::new(bytes));
    Some(seed.code(Seed::step(now)))
}

#[cfg(test)]
mod tests {
    use std::{process::Command, sync::Arc};

    use fieldstone_vault::MemoryKeys;

    use super::*;

    const WHO: (&str, &str) = ("00D000000000001", "005000000000001");

    fn who() -> (RecordId, RecordId) {
        (WHO.0.parse().unwrap(), WHO.1.parse().unwrap())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn standard() -> Seed {
        Seed(Zeroizing::new(b"12345678901234567890".to_vec()))
    }

    /// RFC 6238, appendix B, the last six of its eight digits.
    #[test]
    fn codes_are_the_standard_ones() {
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(*standard().code(second / 30), code);
            assert_eq!(standard().accept(code, at(second)), Some(second / 30));
        }
        assert_eq!(
            *base32(b"12345678901234567890"),
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        );
        assert_eq!(*base32(b"f"), "MY");
        assert_eq!(*base32(b"foobar"), "MZXW6YTBOI");
    }

    #[test]
    fn a_code_is_six_digits_of_its_own_step_and_nothing_else() {
        let seed = standard();
        let now = at(1_111_111_109);
        assert!(seed.accept("081804", now).is_some());
        for refused in [
            "81804",
            "0081804",
            " 081804",
            "081804 ",
            "081 804",
            "08180a",
            "",
            "０８１８０４",
            "+81804",
            "081804\n",
            "٠٨١٨٠٤",
        ] {
            assert_eq!(seed.accept(refused, now), None, "{refused:?}");
        }
        // The steps beside it.
        for other in [now.as_second() - 30, now.as_second() + 30] {
            assert_eq!(seed.accept("081804", at(other)), None);
        }
    }

    #[test]
    fn other_peoples_authenticators_agree() {
        let seed = Seed::generate().unwrap();
        for second in [0, 29, 30, 1_700_000_000, 4_102_444_800] {
            let output = Command::new("oathtool")
                .args(["--totp", "--base32", &base32(&seed.0), "--now"])
                .arg(at(second).strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
                .output()
                .expect("oathtool runs; install the package oathtool");
            let said = String::from_utf8(output.stdout).unwrap();
            assert_eq!(
                seed.accept(said.trim(), at(second)),
                Some(second / 30),
                "{said}"
            );
        }
    }

    #[test]
    fn seeds_are_sealed_for_their_person() {
        let vault = Vault::new(Arc::new(MemoryKeys::default()));
        let seed = Seed::generate().unwrap();
        let sealed = seed.seal(&vault, who()).unwrap();
        assert!(
            !sealed
                .windows(SEED_LEN)
                .any(|part| part == seed.0.as_slice())
        );
        assert_eq!(Seed::open(&vault, who(), &sealed).unwrap().0, seed.0);
        let other = (who().0, "005000000000002".parse().unwrap());
        assert!(Seed::open(&vault, other, &sealed).is_err());
        assert!(!format!("{seed:?}").contains(base32(&seed.0).as_str()));
    }

    #[test]
    fn recovery_codes_are_read_as_people_write_them() {
        let vault = Vault::new(Arc::new(MemoryKeys::default()));
        let (codes, hashes) = recovery_codes(&vault, who()).unwrap();
        assert_eq!((codes.len(), hashes.len()), (10, 10));
        let hash = |code: &str| recovery_hash(&vault, who(), code).unwrap().to_vec();
        for (code, stored) in codes.iter().zip(&hashes) {
            assert_eq!(code.len(), 19);
            assert_eq!(hash(code), *stored);
            assert_eq!(
                hash(&format!(" {} ", code.to_uppercase().replace('-', " "))),
                *stored
            );
            assert_ne!(hash(&code[1..]), *stored);
        }
        let distinct: std::collections::BTreeSet<_> = hashes.iter().collect();
        assert_eq!(distinct.len(), 10);
        let other = (who().0, "005000000000002".parse().unwrap());
        assert_ne!(
            recovery_hash(&vault, other, &codes[0]).unwrap().to_vec(),
            hashes[0]
        );
    }

    #[test]
    fn the_drawing_holds_the_address() {
        let seed = standard();
        let uri = seed.uri("Söhne & Co", "ann@acme.example");
        assert!(uri.starts_with(
            "otpauth://totp/Fieldstone%20S%C3%B6hne%20%26%20Co:ann%40acme%2Eexample?secret=GEZDGNBV"
        ));
        let (size, path) = seed.drawing("Acme", "ann@acme.example").unwrap();
        assert!(
            size > 30 && path.starts_with("M4,4h1v1h-1z"),
            "the corner is dark"
        );
    }
}
