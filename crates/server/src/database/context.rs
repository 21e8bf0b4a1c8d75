//! The signed tenant context: who a transaction works for, in a form that SQL injection cannot make.
//!
//! A serving connection sends [`ContextSigner::sign`]'s text as the first parameter of `app.enter()`, as the first
//! statement of every transaction. `V001__tenant_context.sql` says what the database makes of it.

use std::fmt::{self, Write as _};

use aws_lc_rs::{hmac, rand};
use fieldstone_model::{RecordId, Role};
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Client;
use zeroize::Zeroizing;

use super::DatabaseError;

/// How long a signature is good. It only has to reach the database.
const LIFETIME: SignedDuration = SignedDuration::from_secs(60);
/// How long the database takes signatures of a key; a new one is made well before.
const KEY_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 90);
/// How long a replaced key goes on being valid: long enough for every node to have read the new one.
const ROTATION_GRACE: SignedDuration = SignedDuration::from_hours(24);
const BLOCK_LEN: usize = 64;

/// Who acts: one user of one tenant, by one credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The workspace.
    pub tenant: RecordId,
    /// The person.
    pub user: RecordId,
    /// What they may do.
    pub role: Role,
    /// The person's `member_version` when the credential was looked up.
    pub member_version: i64,
    /// The session or API token; `None` for jobs and operator commands.
    pub credential: Option<RecordId>,
}

/// One server process of PostgreSQL, as a connection's other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backend {
    /// Its process id.
    pub pid: i32,
    /// When it started, in microseconds of the Unix epoch: it tells two backends with one process id apart.
    pub start_us: i64,
}

impl Backend {
    /// Asks a new connection who it is. Has to run once on every connection before its first context.
    pub async fn of(client: &Client) -> Result<Self, DatabaseError> {
        let row = client
            .query_one("SELECT pid, start_us FROM app.hello()", &[])
            .await?;
        Ok(Self {
            pid: row.try_get(0)?,
            start_us: row.try_get(1)?,
        })
    }
}

struct ContextKey {
    kid: i16,
    secret: Zeroizing<[u8; 32]>,
    not_after: Timestamp,
    key: hmac::Key,
}

impl ContextKey {
    fn new(kid: i16, secret: Zeroizing<[u8; 32]>, not_after: Timestamp) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice());
        Self {
            kid,
            secret,
            not_after,
            key,
        }
    }

    fn generate(kid: i16, now: Timestamp) -> Result<Self, DatabaseError> {
        let mut secret = Zeroizing::new([0; 32]);
        rand::fill(secret.as_mut_slice())
            .map_err(|_| DatabaseError::ContextKey("no randomness"))?;
        Ok(Self::new(kid, secret, now + KEY_LIFETIME))
    }

    /// The key, filled to a block and combined with RFC 2104's pad byte.
    fn pad(&self, byte: u8) -> Zeroizing<Vec<u8>> {
        let mut pad = Zeroizing::new(vec![byte; BLOCK_LEN]);
        pad.iter_mut()
            .zip(self.secret.iter())
            .for_each(|(pad, secret)| *pad ^= secret);
        pad
    }
}

/// Signs contexts. Holds one key, or two while they rotate; the newest signs.
pub struct ContextSigner {
    /// Newest last; never empty.
    keys: Vec<ContextKey>,
}

impl fmt::Debug for ContextSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| key.kid))
            .finish()
    }
}

impl ContextSigner {
    /// Makes a signer with one fresh key.
    pub fn generate(now: Timestamp) -> Result<Self, DatabaseError> {
        Ok(Self {
            keys: vec![ContextKey::generate(1, now)?],
        })
    }

    /// Adds a fresh key that signs from now on, and lets only the one before it stay valid for a day.
    pub fn rotate(&mut self, now: Timestamp) -> Result<(), DatabaseError> {
        let kid = self.keys.last().map_or(1, |key| key.kid % 30_000 + 1);
        let next = ContextKey::generate(kid, now)?;
        if let Some(mut last) = self.keys.pop() {
            last.not_after = last.not_after.min(now + ROTATION_GRACE);
            self.keys = vec![last];
        }
        self.keys.push(next);
        Ok(())
    }

    /// Whether it is time to rotate: the signing key has a third of its life left.
    pub fn should_rotate(&self, now: Timestamp) -> bool {
        self.keys
            .last()
            .is_none_or(|key| key.not_after - KEY_LIFETIME / 3 < now)
    }

    /// Reads the text that [`Self::to_text`] wrote: a line per key, `kid not_after secret`, newest last.
    pub fn from_text(text: &str) -> Result<Self, DatabaseError> {
        let keys = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(read_key)
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() || keys.len() > 2 {
            return Err(DatabaseError::ContextKey(
                "it has to hold one key, or two during rotation",
            ));
        }
        Ok(Self { keys })
    }

    /// The keys as text, for a file that one user can read.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(256));
        for key in &self.keys {
            // Writing to a String cannot fail.
            let _ = write!(text, "{} {} ", key.kid, key.not_after);
            push_hex(&mut text, key.secret.as_slice());
            text.push('\n');
        }
        text
    }

    /// Tells the database the keys, and nothing else than these keys. `owner` is a connection of the schema's owner.
    ///
    /// A change of keys also changes the database's own seal.
    pub async fn install(&self, owner: &mut Client) -> Result<(), DatabaseError> {
        let transaction = owner.transaction().await?;
        let kids: Vec<i16> = self.keys.iter().map(|key| key.kid).collect();
        let mut changed = transaction
            .execute(
                "DELETE FROM app.context_key WHERE kid <> ALL ($1)",
                &[&kids],
            )
            .await?;
        for key in &self.keys {
            changed += transaction
                .execute(
                    "INSERT INTO app.context_key AS k (kid, inner_pad, outer_pad, not_after) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (kid) DO UPDATE SET inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad, not_after = excluded.not_after \
                     WHERE (k.inner_pad, k.outer_pad, k.not_after) IS DISTINCT FROM (excluded.inner_pad, excluded.outer_pad, excluded.not_after)",
                    &[&key.kid, &key.pad(0x36).as_slice(), &key.pad(0x5c).as_slice(), &key.not_after],
                )
                .await?;
        }
        if changed > 0 {
            transaction
                .batch_execute("SELECT app.rotate_seal()")
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The first parameter of `app.enter()`: good for this backend, from `now` for one minute.
    pub fn sign(&self, actor: &Actor, backend: &Backend, now: Timestamp) -> String {
        let Some(key) = self.keys.last() else {
            return String::new();
        };
        let mut text = format!(
            "1|{}|{}|{}|{}|{}|{}|{}|",
            key.kid,
            actor.tenant,
            actor.user,
            actor.role.name(),
            backend.pid,
            backend.start_us,
            (now + LIFETIME).as_second(),
        );
        let tag = hmac::sign(&key.key, text.as_bytes());
        push_hex(&mut text, tag.as_ref());
        text
    }
}

fn read_key(line: &str) -> Result<ContextKey, DatabaseError> {
    let damaged = || DatabaseError::ContextKey("a line is not `kid not_after secret`");
    let mut words = line.split_whitespace();
    let (Some(kid), Some(not_after), Some(hex), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(damaged());
    };
    let mut secret = Zeroizing::new([0; 32]);
    if hex.len() != 64 || !hex.is_ascii() {
        return Err(damaged());
    }
    for (byte, digits) in secret.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| damaged())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| damaged())?;
    }
    Ok(ContextKey::new(
        kid.parse().map_err(|_| damaged())?,
        secret,
        not_after.parse().map_err(|_| damaged())?,
    ))
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor() -> Actor {
        Actor {
            tenant: "00D000000000001".parse().unwrap(),
            user: "005000000000001".parse().unwrap(),
            role: Role::Member,
            member_version: 1,
            credential: None,
        }
    }

    #[test]
    fn the_text_has_the_published_shape() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let signer =
            ContextSigner::from_text(&format!("7 2026-12-31T00:00:00Z {}\n", "0b".repeat(32)))
                .unwrap();
        let text = signer.sign(
            &actor(),
            &Backend {
                pid: 42,
                start_us: 1_700_000_000_000_001,
            },
            now,
        );
        let (plain, tag) = text.split_at(text.len() - 64);
        assert_eq!(
            plain,
            "1|7|00D000000000001|005000000000001|member|42|1700000000000001|1767225660|"
        );
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[0x0b; 32]);
        let mut expected = String::new();
        push_hex(&mut expected, hmac::sign(&key, plain.as_bytes()).as_ref());
        assert_eq!(tag, expected);
    }

    #[test]
    fn keys_survive_a_round_trip_and_rotation_keeps_two() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut signer = ContextSigner::generate(now).unwrap();
        assert!(!signer.should_rotate(now));
        assert!(signer.should_rotate(now + SignedDuration::from_hours(24 * 61)));
        signer.rotate(now).unwrap();
        signer.rotate(now).unwrap();
        let read = ContextSigner::from_text(&signer.to_text()).unwrap();
        assert_eq!(format!("{read:?}"), "[2, 3]");
        assert_eq!(read.to_text().as_str(), signer.to_text().as_str());
        assert!(!format!("{signer:?}").contains("secret"));
    }

    #[test]
    fn a_damaged_file_is_refused() {
        for text in [
            "",
            "1 2026-01-01T00:00:00Z abc",
            "x 2026-01-01T00:00:00Z 00",
            "1 2\n",
        ] {
            assert!(ContextSigner::from_text(text).is_err(), "{text:?}");
        }
    }
}
