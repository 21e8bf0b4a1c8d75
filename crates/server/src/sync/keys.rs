//! A workspace's keys for its devices: one signs wipe orders and policies, one is what changes are sealed to.
//!
//! Private halves leave the vault for the moment in which they sign or open, and stand in no answer and no log. A key that was replaced
//! goes on opening for 90 days, and signing for devices that know no other.

use aws_lc_rs::{
    rand,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fieldstone_protocol::{
    device::SealingKey,
    sealed::{INFO, SealedEntry},
};
use fieldstone_store::StoreError;
use fieldstone_vault::{Place, Purpose, Vault};
use hpke::{
    Deserializable as _, Kem as _, OpModeR, Serializable as _, aead::AesGcm256, kdf::HkdfSha256,
    kem::X25519HkdfSha256,
};
use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use super::{SyncError, reading::column};
use crate::store::PgStore;

type Kem = X25519HkdfSha256;

/// What the private halves are sealed for.
pub(crate) const PRIVATE: Purpose = Purpose::new("device keys");
/// How long a replaced key opens what was sealed to it, in days.
pub(crate) const OPENS_DAYS: i32 = 90;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Ed25519: orders and policies.
    Signing,
    /// X25519 for HPKE: what devices seal.
    Sealing,
}

impl Use {
    fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Sealing => "sealing",
        }
    }
}

/// One key pair; the private half sealed.
struct Key {
    of: Use,
    kid: i32,
    public: Vec<u8>,
    private: Vec<u8>,
    retired_at: Option<Timestamp>,
}

/// The keys of one workspace.
pub(crate) struct Keys {
    tenant: String,
    vault: Vault,
    pairs: Vec<Key>,
    now: Timestamp,
}

/// Why a sealed change doesn't open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unopened {
    /// There is no key with its number.
    UnknownKey,
    /// The key was replaced too long ago.
    ExpiredKey,
    /// It was sealed by somebody else, for another place, or was changed.
    Other,
}

impl PgStore {
    /// The workspace's keys, made when there are none yet; none without a vault.
    pub(crate) async fn device_keys(&self) -> Result<Option<Keys>, StoreError> {
        let Some(vault) = self.vault() else {
            return Ok(None);
        };
        let mut keys = self.read_keys(vault).await?;
        let mut made = false;
        for of in [Use::Signing, Use::Sealing] {
            if keys.current(of).is_none() {
                let (public, private) = self.new_key(vault, of, 1)?;
                let sql = "SELECT app.add_workspace_key($1, $2, $3)";
                self.run_step(sql, &[&of.name(), &public, &private]).await?;
                made = true;
            }
        }
        if made {
            // Perhaps another request was faster: what counts is what is kept.
            keys = self.read_keys(vault).await?;
        }
        Ok(Some(keys))
    }

    /// Puts a new key in the place of the current one; false when somebody was faster.
    pub(crate) async fn replace_device_key(&self, of: Use) -> Result<bool, StoreError> {
        let keys = self.device_keys().await?;
        let (Some(vault), Some(keys)) = (self.vault(), keys) else {
            return Err(StoreError::internal("no vault"));
        };
        let before = keys
            .current(of)
            .ok_or_else(|| StoreError::internal("no key"))?
            .kid;
        let (public, private) = self.new_key(vault, of, before + 1)?;
        let sql = "SELECT app.replace_workspace_key($1, $2, $3, $4)";
        let rows = self
            .run_step(sql, &[&of.name(), &before, &public, &private])
            .await?;
        self.note_written();
        let row = rows.first().ok_or_else(|| StoreError::internal("no row"))?;
        row.try_get(0).map_err(StoreError::internal)
    }

    async fn read_keys(&self, vault: &Vault) -> Result<Keys, StoreError> {
        let sql = "SELECT k.purpose, k.kid, k.public_key, k.private_key, k.retired_at FROM app.workspace_keys() k";
        let rows = self.run_step(sql, &[]).await?;
        let key = |row: &tokio_postgres::Row| {
            let of = match row.try_get(0).map_err(StoreError::internal)? {
                "signing" => Use::Signing,
                "sealing" => Use::Sealing,
                _ => return Err(StoreError::internal("a key of unknown use")),
            };
            Ok(Key {
                of,
                kid: row.try_get(1).map_err(StoreError::internal)?,
                public: row.try_get(2).map_err(StoreError::internal)?,
                private: row.try_get(3).map_err(StoreError::internal)?,
                retired_at: row.try_get(4).map_err(StoreError::internal)?,
            })
        };
        Ok(Keys {
            tenant: self.actor().tenant.to_string(),
            vault: vault.clone(),
            pairs: rows.iter().map(key).collect::<Result<_, StoreError>>()?,
            now: self.now(),
        })
    }

    /// A fresh pair, its private half sealed as number `kid`.
    fn new_key(&self, vault: &Vault, of: Use, kid: i32) -> Result<(Vec<u8>, Vec<u8>), StoreError> {
        let mut seed = Zeroizing::new([0; 32]);
        rand::fill(seed.as_mut_slice()).map_err(|_| StoreError::internal("no randomness"))?;
        let (public, private) = match of {
            Use::Signing => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice())
                    .map_err(|_| StoreError::internal("no key pair"))?;
                (
                    pair.public_key().as_ref().to_vec(),
                    Zeroizing::new(seed.to_vec()),
                )
            }
            Use::Sealing => {
                let (private, public) = Kem::derive_keypair(seed.as_slice());
                (
                    public.to_bytes().to_vec(),
                    Zeroizing::new(private.to_bytes().to_vec()),
                )
            }
        };
        let tenant = self.actor().tenant.to_string();
        let sealed = vault
            .seal(PRIVATE, &place(&tenant, of, kid), &private)
            .map_err(StoreError::internal)?;
        Ok((public, sealed))
    }
}

fn place(tenant: &str, of: Use, kid: i32) -> Place<'_> {
    private_place(tenant, of.name(), kid.into())
}

/// Where the private half of a workspace's key pair belongs.
pub(crate) fn private_place<'a>(tenant: &'a str, purpose: &'a str, kid: i64) -> Place<'a> {
    Place {
        tenant,
        object: "workspace_key",
        record: purpose,
        field: "private",
        version: kid.unsigned_abs(),
    }
}

impl Keys {
    fn current(&self, of: Use) -> Option<&Key> {
        let mut known = self.pairs.iter().rev();
        known.find(|key| key.of == of && key.retired_at.is_none())
    }

    fn private(&self, key: &Key) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let place = place(&self.tenant, key.of, key.kid);
        self.vault
            .open(PRIVATE, &place, &key.private)
            .map_err(StoreError::internal)
    }

    /// The number and the public half of what signs for devices that are registered now.
    pub(super) fn signing(&self) -> Result<(i32, String), StoreError> {
        let key = self.current(Use::Signing);
        let key = key.ok_or_else(|| StoreError::internal("no signing key"))?;
        Ok((key.kid, STANDARD.encode(&key.public)))
    }

    /// What devices seal to.
    pub(super) fn sealing(&self) -> Result<SealingKey, StoreError> {
        let key = self.current(Use::Sealing);
        let key = key.ok_or_else(|| StoreError::internal("no sealing key"))?;
        Ok(SealingKey {
            kid: key.kid.unsigned_abs(),
            key: STANDARD.encode(&key.public),
        })
    }

    /// Numbers of the current keys, signing and sealing.
    pub(crate) fn numbers(&self) -> (i32, i32) {
        let number = |of| self.current(of).map_or(0, |key| key.kid);
        (number(Use::Signing), number(Use::Sealing))
    }

    /// Signs with the key that a device knows.
    pub(super) fn sign(&self, kid: i32, text: &str) -> Result<Vec<u8>, StoreError> {
        let mut known = self.pairs.iter();
        let key = known.find(|key| key.of == Use::Signing && key.kid == kid);
        let key = key.ok_or_else(|| StoreError::internal("no such signing key"))?;
        let seed = self.private(key)?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &key.public)
            .map_err(|_| StoreError::internal("a signing key doesn't fit"))?;
        Ok(pair.sign(text.as_bytes()).as_ref().to_vec())
    }

    /// Opens what the login with this public key sealed.
    pub(super) fn open(
        &self,
        login_key: &str,
        entry: &SealedEntry,
    ) -> Result<Result<Zeroizing<Vec<u8>>, Unopened>, StoreError> {
        let mut known = self.pairs.iter();
        let kid = i32::try_from(entry.place.kid).unwrap_or(0);
        let Some(key) = known.find(|key| key.of == Use::Sealing && key.kid == kid) else {
            return Ok(Err(if kid > 0 && kid < self.numbers().1 {
                Unopened::ExpiredKey
            } else {
                Unopened::UnknownKey
            }));
        };
        let opens = SignedDuration::from_hours(24 * i64::from(OPENS_DAYS));
        if key
            .retired_at
            .is_some_and(|at| self.now.duration_since(at) > opens)
        {
            return Ok(Err(Unopened::ExpiredKey));
        }
        let private = self.private(key)?;
        Ok(open(&private, login_key, entry).ok_or(Unopened::Other))
    }
}

fn open(private: &[u8], login_key: &str, entry: &SealedEntry) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = |text: &str| STANDARD.decode(text).ok();
    let recipient = <Kem as hpke::Kem>::PrivateKey::from_bytes(private).ok()?;
    let sender = <Kem as hpke::Kem>::PublicKey::from_bytes(&bytes(login_key)?).ok()?;
    let key = <Kem as hpke::Kem>::EncappedKey::from_bytes(&bytes(&entry.key)?).ok()?;
    let text = hpke::single_shot_open::<AesGcm256, HkdfSha256, Kem>(
        &OpModeR::Auth(sender),
        &recipient,
        &key,
        INFO,
        &bytes(&entry.text)?,
        &entry.place.bytes(),
    );
    text.ok().map(Zeroizing::new)
}

/// A number of a row that is counted.
pub(super) fn number(row: &tokio_postgres::Row, at: usize) -> Result<u64, SyncError> {
    Ok(u64::try_from(column::<i64>(row, at)?).unwrap_or_default())
}
