//! Sealed deliveries: what a device sealed under one login and brings under a later one.
//!
//! An entry counts once, by its number, for ever. It is applied as its author with the rights they have now; what can't be waits for its
//! author, and what nobody may apply for them waits in quarantine for whoever manages people. Whoever delivers learns nothing of it.

use std::collections::{BTreeMap, BTreeSet};

use fieldstone_model::{RecordId, Role};
use fieldstone_protocol::{
    push::{Mutation, Outcome, Rejection},
    sealed::{DeliveryAnswer, DeliveryRequest, EntryResult, Fate, SealedEntry},
};
use fieldstone_store::StoreError;
use fieldstone_vault::{Place, Purpose, Vault};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::{
    Extra, SyncError,
    keys::{Keys, Unopened},
    push::Source,
    reading::column,
};
use crate::{database::Actor, store::PgStore};

/// What waiting changes are sealed for.
pub(crate) const WAITING: Purpose = Purpose::new("waiting changes");

/// Who sealed on a device.
struct Sealer {
    user: RecordId,
    login_key: Option<String>,
    revoked: bool,
    /// Whether the device that delivers is the same one.
    same: bool,
    role: Role,
    member_version: i64,
    active: bool,
}

/// What a sealed change leaves behind, beside what it does.
pub(super) struct Taken<'a> {
    entry: &'a SealedEntry,
    author: RecordId,
    deliverer: RecordId,
    /// The mutation, sealed by the vault, in case it has to wait.
    content: Vec<u8>,
}

/// A sealed change that waits for a person.
pub(crate) struct Waiting {
    pub(crate) device: RecordId,
    pub(crate) sequence: i64,
    pub(crate) person: Option<String>,
    pub(crate) device_name: Option<String>,
    /// What it says; nothing when it can't be read any more, and only be given up.
    pub(crate) mutation: Option<Mutation>,
    /// Why it waits: a stable code, and what to know.
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) delivered_at: Timestamp,
}

impl PgStore {
    pub(super) async fn sync_deliver(
        &self,
        request: &DeliveryRequest,
    ) -> Result<DeliveryAnswer, SyncError> {
        if request.protocol < fieldstone_protocol::OLDEST
            || request.protocol > fieldstone_protocol::VERSION
        {
            return Err(SyncError::Incompatible);
        }
        let keys = self.device_keys().await?;
        let (Some(keys), Some(vault)) = (keys, self.vault()) else {
            return Err(SyncError::BadRequest(
                "This platform has no keys for sealed changes.",
            ));
        };
        let forbidden = !self.device_rules().await?.may_keep_sealed;
        let mut order: Vec<usize> = (0..request.entries.len()).collect();
        order.sort_by_key(|at| {
            let entry = request.entries.get(*at);
            entry.map(|entry| (entry.order, entry.place.sequence))
        });
        let mut desk = Desk {
            store: self,
            keys,
            vault,
            deliverer: request.device,
            forbidden,
            sealers: BTreeMap::new(),
            authors: BTreeMap::new(),
            newest: BTreeMap::new(),
        };
        desk.find_newest(&request.entries).await?;
        let mut fates: BTreeMap<usize, Fate> = BTreeMap::new();
        for at in order {
            let Some(entry) = request.entries.get(at) else {
                continue;
            };
            match desk.take(entry).await {
                Ok(fate) => {
                    fates.insert(at, fate);
                }
                // What was answered so far is done; the device sends the rest again.
                Err(SyncError::Store(StoreError::Busy | StoreError::NoRoom))
                    if !fates.is_empty() =>
                {
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        self.note_written();
        let result = |(at, fate): (usize, Fate)| {
            let entry = request.entries.get(at)?;
            Some(EntryResult {
                device: entry.place.device.clone(),
                sequence: entry.place.sequence,
                fate,
            })
        };
        Ok(DeliveryAnswer {
            results: fates.into_iter().filter_map(result).collect(),
        })
    }

    /// Sealed changes that wait: the caller's own that couldn't be applied, or those in quarantine for those who manage people.
    pub(crate) async fn waiting_sealed(
        &self,
        quarantine: bool,
        one: Option<(RecordId, i64)>,
    ) -> Result<Vec<Waiting>, SyncError> {
        let Some(vault) = self.vault() else {
            return Ok(Vec::new());
        };
        let device = one.map(|(device, _)| device.to_string());
        let number = one.map(|(_, number)| number);
        let rows = self
            .run_step(
                "SELECT w.device_id, w.sequence, w.person, w.device, w.content, w.reason, w.delivered_at FROM app.waiting_sealed($1, $2, $3) w",
                &[&quarantine, &device, &number],
            )
            .await?;
        let tenant = self.actor().tenant;
        let waiting = |row: &tokio_postgres::Row| {
            let device: &str = column(row, 0)?;
            let sequence: i64 = column(row, 1)?;
            let place = waiting_place(tenant.as_str(), device, sequence.unsigned_abs());
            let mutation = vault.open(WAITING, &place, column(row, 4)?).ok();
            let mutation = mutation.and_then(|text| serde_json::from_slice(&text).ok());
            if mutation.is_none() {
                tracing::warn!(device, sequence, "a sealed change that waits can't be read");
            }
            let reason: Json = column(row, 5)?;
            let part = |name: &str| {
                let text = reason.get(name).and_then(Json::as_str);
                text.unwrap_or_default().to_owned()
            };
            Ok(Waiting {
                device: device.parse().map_err(StoreError::internal)?,
                sequence,
                person: column(row, 2)?,
                device_name: column(row, 3)?,
                mutation,
                code: part("code"),
                message: part("message"),
                delivered_at: column(row, 6)?,
            })
        };
        rows.iter().map(waiting).collect()
    }

    /// Gives up a sealed change that waits; false when it doesn't wait for the caller.
    pub(crate) async fn dismiss_sealed(
        &self,
        device: RecordId,
        sequence: i64,
    ) -> Result<bool, SyncError> {
        let sql = "SELECT app.settle_sealed($1, $2, 'dismissed')";
        let rows = self.run_step(sql, &[&device.as_str(), &sequence]).await?;
        self.note_written();
        match rows.first() {
            Some(row) => column(row, 0),
            None => Ok(false),
        }
    }

    /// Applies a change in quarantine as the caller, with the caller's rights. None when it isn't there.
    pub(crate) async fn release_sealed(
        &self,
        device: RecordId,
        sequence: i64,
    ) -> Result<Option<Outcome>, SyncError> {
        let mut found = self.waiting_sealed(true, Some((device, sequence))).await?;
        let Some(waiting) = found.pop() else {
            return Ok(None);
        };
        let Some(mutation) = waiting.mutation else {
            return Ok(None);
        };
        let source = Source::Released { device, sequence };
        Ok(Some(self.take_in(&source, &mutation).await?))
    }
}

/// What an entry is about: a device's mutation.
fn about(entry: &SealedEntry) -> (String, String) {
    (entry.place.device.clone(), entry.uuid.clone())
}

/// What was sealed in an entry, by a login of the device that it names.
struct Opened {
    device: RecordId,
    sequence: i64,
    text: Zeroizing<Vec<u8>>,
}

/// Where entries of one delivery are taken.
struct Desk<'a> {
    store: &'a PgStore,
    keys: Keys,
    vault: &'a Vault,
    deliverer: RecordId,
    forbidden: bool,
    sealers: BTreeMap<String, Option<Sealer>>,
    authors: BTreeMap<RecordId, PgStore>,
    /// The highest number of each mutation that came more than once: the later entry counts.
    newest: BTreeMap<(String, String), u64>,
}

impl Desk<'_> {
    /// Only what opens counts: anybody can write a number on something.
    async fn find_newest(&mut self, entries: &[SealedEntry]) -> Result<(), SyncError> {
        let mut times: BTreeMap<(String, String), u32> = BTreeMap::new();
        for entry in entries {
            *times.entry(about(entry)).or_default() += 1;
        }
        for entry in entries {
            let key = about(entry);
            if times.get(&key) > Some(&1) && self.open(entry).await?.is_ok() {
                let known = self.newest.entry(key).or_default();
                *known = entry.place.sequence.max(*known);
            }
        }
        Ok(())
    }

    /// What an entry holds, or what to answer when it can't be opened.
    async fn open(&mut self, entry: &SealedEntry) -> Result<Result<Opened, Fate>, SyncError> {
        let place = &entry.place;
        let (Ok(device), Ok(sequence)) = (
            place.device.parse::<RecordId>(),
            i64::try_from(place.sequence),
        ) else {
            return Ok(Err(refused(
                "unknown_login",
                "No login of this device sealed this change.",
            )));
        };
        self.find_sealer(device).await?;
        let Some(Some(sealer)) = self.sealers.get(&place.device) else {
            return Ok(Err(unknown_login()));
        };
        let Some(login_key) = sealer.login_key.as_ref().filter(|_| sealer.same) else {
            return Ok(Err(unknown_login()));
        };
        Ok(match self.keys.open(login_key, entry)? {
            Ok(text) if sealer.user.as_str() == place.user => Ok(Opened {
                device,
                sequence,
                text,
            }),
            Err(Unopened::UnknownKey) => Err(refused(
                "unknown_key",
                "It was sealed to a key that this workspace never had.",
            )),
            Err(Unopened::ExpiredKey) => Err(refused(
                "expired_key",
                "It was sealed too long ago: its key was replaced more than 90 days before.",
            )),
            Ok(_) | Err(Unopened::Other) => Err(refused(
                "does_not_open",
                "It was changed, or sealed by another login.",
            )),
        })
    }

    async fn take(&mut self, entry: &SealedEntry) -> Result<Fate, SyncError> {
        let place = &entry.place;
        let Opened {
            device,
            sequence,
            text,
        } = match self.open(entry).await? {
            Ok(opened) => opened,
            Err(fate) => return Ok(fate),
        };
        let Some(Some(sealer)) = self.sealers.get(&place.device) else {
            return Ok(unknown_login());
        };
        if self.is_known(device, sequence).await? {
            return Ok(Fate::Known);
        }
        let Some(mutation) = serde_json::from_slice::<Mutation>(&text)
            .ok()
            .filter(|mutation| mutation.uuid == entry.uuid)
        else {
            return Ok(refused("bad_mutation", "What is sealed is no change."));
        };
        let tenant = self.store.actor().tenant;
        let waiting = waiting_place(tenant.as_str(), &place.device, place.sequence);
        let content = self
            .vault
            .seal(WAITING, &waiting, &text)
            .map_err(StoreError::internal)?;
        let taken = Taken {
            entry,
            author: sealer.user,
            deliverer: self.store.actor().user,
            content,
        };
        if self.newest.get(&about(entry)) > Some(&place.sequence) {
            // A later entry says what became of the change.
            self.note(&taken, "applied", &json!({})).await?;
            return Ok(Fate::Taken);
        }
        let why = if !sealer.active {
            Some(("inactive", "Its author can't sign in any more."))
        } else if sealer.revoked {
            Some(("revoked", "The device was taken off the list."))
        } else if self.forbidden {
            Some((
                "forbidden",
                "The workspace doesn’t allow changes to be kept sealed.",
            ))
        } else {
            None
        };
        if let Some((code, message)) = why {
            // Perhaps it had arrived before the device was taken off the list, or its author was.
            if let Some(outcome) = self.find_result(sealer.user, &entry.uuid).await? {
                self.keep(&taken.after(&outcome)).await?;
                return Ok(Fate::Taken);
            }
            let reason = json!({"code": code, "message": message});
            self.note(&taken, "quarantined", &reason).await?;
            return Ok(Fate::Quarantined);
        }
        let (user, actor) = (sealer.user, sealer.actor(self.store.actor()));
        if !self.authors.contains_key(&user) {
            let author = self.store.of_person(actor).await?;
            self.authors.insert(user, author);
        }
        let Some(author) = self.authors.get(&user) else {
            return Err(StoreError::internal("an author is missing").into());
        };
        let outcome = author.take_in(&Source::Sealed(&taken), &mutation).await?;
        if !self.is_known(device, sequence).await? {
            // The mutation had arrived by another way; its number is remembered all the same.
            self.keep(&taken.after(&outcome)).await?;
        }
        Ok(Fate::Taken)
    }

    async fn find_result(
        &self,
        author: RecordId,
        uuid: &str,
    ) -> Result<Option<Outcome>, SyncError> {
        let sql = "SELECT app.find_result($1, $2)";
        let rows = self.store.run_step(sql, &[&author.as_str(), &uuid]).await?;
        let text: Option<String> = match rows.first() {
            Some(row) => column(row, 0)?,
            None => None,
        };
        Ok(text
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(StoreError::internal)?)
    }

    async fn find_sealer(&mut self, device: RecordId) -> Result<(), SyncError> {
        if self.sealers.contains_key(device.as_str()) {
            return Ok(());
        }
        let rows = self
            .store
            .run_step(
                "SELECT s.user_id, s.login_key, s.revoked, s.same, s.role, s.member_version, s.active FROM app.find_sealer($1, $2) s",
                &[&device.as_str(), &self.deliverer.as_str()],
            )
            .await?;
        let sealer = match rows.first() {
            Some(row) => Some(Sealer {
                user: column::<&str>(row, 0)?
                    .parse()
                    .map_err(StoreError::internal)?,
                login_key: column(row, 1)?,
                revoked: column(row, 2)?,
                same: column(row, 3)?,
                role: column::<&str>(row, 4)?.parse().unwrap_or(Role::Viewer),
                member_version: column(row, 5)?,
                active: column(row, 6)?,
            }),
            None => None,
        };
        self.sealers.insert(device.to_string(), sealer);
        Ok(())
    }

    async fn is_known(&self, device: RecordId, sequence: i64) -> Result<bool, SyncError> {
        let sql = "SELECT k FROM app.known_sealed($1, $2) k";
        let rows = self
            .store
            .run_step(sql, &[&device.as_str(), &vec![sequence]])
            .await?;
        Ok(!rows.is_empty())
    }

    /// Remembers a number for which nothing was done.
    async fn note(&self, taken: &Taken<'_>, state: &str, reason: &Json) -> Result<(), SyncError> {
        self.keep(&taken.extra(state, reason)).await
    }

    async fn keep(&self, extra: &Extra) -> Result<(), SyncError> {
        let params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
            extra.params.iter().map(|param| &**param as _).collect();
        self.store.run_step(extra.sql, &params).await?;
        Ok(())
    }
}

impl Sealer {
    /// The author as they are now. Their session plays no part: what they sealed proves that it is theirs.
    fn actor(&self, of: &Actor) -> Actor {
        Actor {
            tenant: of.tenant,
            user: self.user,
            role: self.role,
            member_version: self.member_version,
            credential: None,
        }
    }
}

impl Taken<'_> {
    pub(super) fn device(&self) -> &str {
        &self.entry.place.device
    }

    /// What is remembered of it when this became of it.
    pub(super) fn after(&self, outcome: &Outcome) -> Extra {
        let waits = |code: &str, message: &str| json!({"code": code, "message": message});
        match outcome {
            Outcome::Rejected {
                rejection: Rejection { code, message, .. },
            } => self.extra("rejected", &waits(code, message)),
            Outcome::IdTaken => self.extra(
                "rejected",
                &waits("id_taken", "Another record has the id of this one."),
            ),
            Outcome::Applied { .. } | Outcome::Merged { .. } | Outcome::Conflict { .. } => {
                self.extra("applied", &json!({}))
            }
        }
    }

    fn extra(&self, state: &str, reason: &Json) -> Extra {
        let waits = BTreeSet::from(["rejected", "quarantined"]).contains(state);
        let sequence = i64::try_from(self.entry.place.sequence).unwrap_or(i64::MAX);
        Extra {
            sql: "SELECT app.take_sealed($1, $2, $3, $4, $5, $6, $7, $8)",
            params: vec![
                Box::new(self.entry.place.device.clone()),
                Box::new(sequence),
                Box::new(self.author.to_string()),
                Box::new(self.entry.uuid.clone()),
                Box::new(state.to_owned()),
                Box::new(waits.then(|| self.content.clone())),
                Box::new(reason.clone()),
                Box::new(self.deliverer.to_string()),
            ],
        }
    }
}

fn refused(code: &str, message: &str) -> Fate {
    Fate::Refused {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

fn unknown_login() -> Fate {
    refused(
        "unknown_login",
        "No login of this device sealed this change.",
    )
}

/// Where a change belongs that waits for a person.
pub(crate) fn waiting_place<'a>(tenant: &'a str, device: &'a str, sequence: u64) -> Place<'a> {
    Place {
        tenant,
        object: "sync_sealed",
        record: device,
        field: "content",
        version: sequence,
    }
}
