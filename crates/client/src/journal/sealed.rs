//! Sealing to the workspace: HPKE (RFC 9180) in auth mode with X25519, HKDF-SHA256 and AES-256-GCM.
//!
//! Whoever holds the workspace's private key can open an entry, and knows that the login's key sealed it. Nobody else can, and nothing that
//! is left on a device after logging out is enough.

use aws_lc_rs::digest;
use fieldstone_protocol::sealed::INFO;
pub use fieldstone_protocol::sealed::Place;
use hpke::{
    Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _, aead::AesGcm256,
    kdf::HkdfSha256, kem::X25519HkdfSha256,
};
use zeroize::Zeroizing;

use crate::keys::{LoginKey, NoRandomness, Purpose};

type Kem = X25519HkdfSha256;
type PrivateKey = <Kem as hpke::Kem>::PrivateKey;
type PublicKey = <Kem as hpke::Kem>::PublicKey;

/// Something can't be sealed or opened. Why exactly is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A sealed change can't be made or opened.")]
pub struct SealError;

impl From<NoRandomness> for SealError {
    fn from(_: NoRandomness) -> Self {
        Self
    }
}

/// The key pair of one login. The private half exists in memory only, derived from the login's key.
#[derive(Clone)]
pub struct LoginPair {
    private: PrivateKey,
    public: PublicKey,
}

impl LoginPair {
    /// The pair of a login.
    pub fn of(key: &LoginKey) -> Result<Self, SealError> {
        let seed: Zeroizing<[u8; 32]> = key.derive(Purpose::Journal, b"login key pair")?;
        let (private, public) = Kem::derive_keypair(seed.as_slice());
        Ok(Self { private, public })
    }

    /// The public half, for the platform.
    pub fn public(&self) -> Vec<u8> {
        self.public.to_bytes().to_vec()
    }
}

/// A sealed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The encapsulated key.
    pub key: Vec<u8>,
    /// The text, encrypted.
    pub text: Vec<u8>,
}

/// Seals `text` to the workspace's public key.
pub fn seal(
    workspace: &[u8],
    login: &LoginPair,
    place: &Place,
    text: &[u8],
) -> Result<Sealed, SealError> {
    let recipient = PublicKey::from_bytes(workspace).map_err(|_| SealError)?;
    let mode = OpModeS::Auth((login.private.clone(), login.public.clone()));
    let (key, text) = hpke::single_shot_seal::<AesGcm256, HkdfSha256, Kem>(
        &mode,
        &recipient,
        INFO,
        text,
        &place.bytes(),
    )
    .map_err(|_| SealError)?;
    Ok(Sealed {
        key: key.to_bytes().to_vec(),
        text,
    })
}

/// Opens what the login with this public key sealed for this place.
pub fn open(
    workspace: &[u8],
    login: &[u8],
    place: &Place,
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let recipient = PrivateKey::from_bytes(workspace).map_err(|_| SealError)?;
    let sender = PublicKey::from_bytes(login).map_err(|_| SealError)?;
    let key = <Kem as hpke::Kem>::EncappedKey::from_bytes(&sealed.key).map_err(|_| SealError)?;
    let text = hpke::single_shot_open::<AesGcm256, HkdfSha256, Kem>(
        &OpModeR::Auth(sender),
        &recipient,
        &key,
        INFO,
        &sealed.text,
        &place.bytes(),
    )
    .map_err(|_| SealError)?;
    Ok(Zeroizing::new(text))
}

/// A short name for a public key, for people to compare.
pub fn fingerprint(key: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, key);
    hash.as_ref()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            device: "fD01kQh2S0a8Xbd".to_owned(),
            user: "0051kQh2S0a8Xbd".to_owned(),
            login: "l1".to_owned(),
            sequence: 1,
            kid: 3,
        }
    }

    fn workspace() -> (Vec<u8>, Vec<u8>) {
        let (private, public) = Kem::derive_keypair(&[5; 32]);
        (private.to_bytes().to_vec(), public.to_bytes().to_vec())
    }

    #[test]
    fn only_the_workspace_opens_and_only_what_the_login_sealed_there() {
        let (private, public) = workspace();
        let login = LoginPair::of(&LoginKey::generate().unwrap()).unwrap();
        let sealed = seal(&public, &login, &place(), b"secret change").unwrap();
        let open_as = |private: &[u8], login: &[u8], place: &Place, sealed: &Sealed| {
            open(private, login, place, sealed).map(|text| text.to_vec())
        };
        let opened = open_as(&private, &login.public(), &place(), &sealed);
        assert_eq!(opened.as_deref(), Ok(&b"secret change"[..]));
        // Another login's key, another place, another key of the workspace, a changed byte.
        let other = LoginPair::of(&LoginKey::generate().unwrap()).unwrap();
        assert!(open_as(&private, &other.public(), &place(), &sealed).is_err());
        let changes: [fn(&mut Place); 5] = [
            |place| place.sequence = 2,
            |place| place.kid = 4,
            |place| place.device.push('x'),
            |place| place.user = "0051kQh2S0a8Xbe".to_owned(),
            |place| place.login = "l2".to_owned(),
        ];
        for change in changes {
            let mut elsewhere = place();
            change(&mut elsewhere);
            assert!(open_as(&private, &login.public(), &elsewhere, &sealed).is_err());
        }
        assert!(open_as(&[6; 32], &login.public(), &place(), &sealed).is_err());
        let mut damaged = sealed.clone();
        damaged.text[0] ^= 1;
        assert!(open_as(&private, &login.public(), &place(), &damaged).is_err());
        // The login's own key doesn't open it either.
        assert!(
            open_as(
                &login.private.to_bytes(),
                &login.public(),
                &place(),
                &sealed
            )
            .is_err()
        );
    }

    #[test]
    fn a_login_has_one_pair() {
        let key = LoginKey::generate().unwrap();
        let public = |key: &LoginKey| LoginPair::of(key).unwrap().public();
        assert_eq!(public(&key), public(&key.clone()));
        assert_ne!(public(&key), public(&LoginKey::generate().unwrap()));
        assert_eq!(fingerprint(&public(&key)).len(), 23);
    }
}
