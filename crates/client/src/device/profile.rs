//! Who is logged in and what the workspace asks of their device, as the database keeps it.

use fieldstone_model::RecordId;
use fieldstone_protocol::{
    device::Registered,
    guard::SignedPolicy,
    hello::{Policy, Schema},
    pull::Epoch,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{Device, DeviceError};
use crate::sentry;

/// How far the clock goes on before that is written down.
pub(super) const CLOCK_STEP: SignedDuration = SignedDuration::from_mins(10);
/// How long what the workspace asks of its devices is taken for granted.
const POLICY_AGE: SignedDuration = SignedDuration::from_mins(1);

/// Who is logged in, kept encrypted.
#[derive(Clone, Serialize, Deserialize)]
pub struct Profile {
    /// The user's own record.
    pub user: RecordId,
    /// The user's role.
    pub role: String,
    /// Their address.
    pub email: String,
    /// The session, a secret.
    pub(super) session: String,
    /// What the platform gave this device.
    pub(super) registered: Registered,
    /// What the workspace asks of its devices.
    pub policy: Policy,
    /// When the workspace was last asked for it.
    #[serde(default)]
    pub(super) policy_at: Option<Timestamp>,
    /// The latest time that this device's clock has shown: one that is set back makes nothing younger.
    #[serde(default)]
    pub(super) latest: Option<Timestamp>,
    /// Why it is locked, when it is.
    #[serde(default)]
    pub(super) lock: Option<Lock>,
    /// What the workspace has said last about threats, signed.
    #[serde(default)]
    pub(super) guard: Option<SignedPolicy>,
    /// Which records the schema and the role belong to.
    #[serde(default)]
    pub(super) shaped: Option<Shaped>,
    /// How the user is addressed.
    #[serde(default)]
    pub address: Address,
    /// When the records were last known to be up to date.
    pub synced_at: Option<Timestamp>,
    /// Whether the digests were compared then.
    pub proven: bool,
}

/// What published records belong to: another epoch may mean another role, another version another schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shaped {
    pub(super) epoch: Epoch,
    pub(super) schema: i64,
}

/// Why a device shows nothing until somebody has done something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lock {
    /// The session has ended.
    SignedOut,
    /// The device was taken off the list.
    Revoked,
}

/// How pages address the user.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Address {
    /// Name of the workspace.
    pub workspace: Option<String>,
    /// Language and conventions, e.g. `de-CH`.
    pub locale: Option<String>,
    /// Time zone by its IANA name.
    pub time_zone: Option<String>,
    /// Currency by its ISO 4217 code.
    pub currency: Option<String>,
}

impl Address {
    /// The user's time zone; this machine's when the platform hasn't said.
    pub fn time_zone(&self) -> TimeZone {
        let named = self.time_zone.as_deref();
        named
            .and_then(|name| TimeZone::get(name).ok())
            .unwrap_or_else(TimeZone::system)
    }

    pub(super) fn of(schema: &Schema) -> Self {
        Self {
            workspace: schema.workspace.clone(),
            locale: schema.locale.clone(),
            time_zone: schema.time_zone.clone(),
            currency: schema.currency.clone(),
        }
    }
}

impl Profile {
    /// The device, as the platform knows it.
    pub fn device(&self) -> RecordId {
        self.registered.device
    }
}

impl Device {
    /// The time, as far as this device can know it.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How long ago the records were known to be up to date, in seconds; none when they never were.
    pub fn age_s(&self) -> Option<u64> {
        let now = self.profile.latest.max(Some(self.clock.now()))?;
        let age = now.duration_since(self.profile.synced_at?).as_secs();
        Some(age.max(0).unsigned_abs())
    }

    /// Refuses when the device is locked: its session has ended, or it was without the platform for longer than the workspace allows.
    pub fn check_lock(&self) -> Result<(), DeviceError> {
        match self.profile.lock {
            Some(Lock::SignedOut) => {
                return Err(DeviceError::SignedOut(self.profile.email.clone()));
            }
            Some(Lock::Revoked) => return Err(DeviceError::Revoked),
            None => {}
        }
        match (self.profile.policy.offline_max_s, self.age_s()) {
            (Some(most), Some(age)) if age > most => {
                Err(DeviceError::TooLongOffline(most.div_ceil(3_600)))
            }
            _ => Ok(()),
        }
    }

    /// Asks what the workspace expects of its devices, now and then. Without an answer, what it has said before counts.
    pub(super) async fn renew_policy(&mut self, now: Timestamp) {
        let is_fresh = self
            .profile
            .policy_at
            .is_some_and(|at| now.duration_since(at).abs() < POLICY_AGE);
        if is_fresh {
            return;
        }
        let Ok(welcome) = self.transport.hello(Some(self.profile.device())).await else {
            return;
        };
        self.profile.policy = welcome.policy;
        self.profile.policy_at = Some(now);
        sentry::adopt(&mut self.profile.guard, welcome.guard, &self.transport);
        if self.profile.registered.sealing_key != welcome.sealing_key {
            self.profile.registered.sealing_key = welcome.sealing_key;
        }
        if let Err(error) = self.keep_sealed().await {
            tracing::warn!(%error, "the journal can't be sealed to the workspace's new key");
        }
    }
}
