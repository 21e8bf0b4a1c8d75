//! What a workspace asks of its devices: how often they look, how long they do without the platform, what they may keep, and what their
//! guards do about threats.

use fieldstone_protocol::{
    guard::{DevicePolicy, Reaction, SignedPolicy},
    hello::Policy,
};
use fieldstone_store::StoreError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::keys::Keys;
use crate::{database::pool::Step, identity::audit::Action, store::PgStore};

/// What a workspace asks of its devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRules {
    /// Counts what was set; 0 before anything was.
    #[serde(default)]
    pub version: i64,
    /// How often a device looks for changes, in seconds.
    pub interval_s: i32,
    /// After this many seconds without the platform a device locks.
    #[serde(default)]
    pub offline_max_s: Option<i32>,
    /// Most bytes that a device should keep.
    #[serde(default)]
    pub storage_max: Option<i64>,
    /// Whether unsent changes may be kept, sealed, when somebody logs out.
    pub may_keep_sealed: bool,
    /// Something traces the app or could.
    #[serde(default)]
    pub debugger: Option<Reaction>,
    /// Tools that change or watch programs from inside.
    #[serde(default)]
    pub tools: Option<Reaction>,
    /// A virtual machine or an emulator.
    #[serde(default)]
    pub machine: Option<Reaction>,
    /// A system whose protections were taken down.
    #[serde(default)]
    pub root: Option<Reaction>,
    /// When it was set.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

impl Default for DeviceRules {
    fn default() -> Self {
        let Policy {
            interval_s,
            may_keep_sealed,
            ..
        } = Policy::default();
        Self {
            version: 0,
            interval_s: i32::try_from(interval_s).unwrap_or(i32::MAX),
            offline_max_s: None,
            storage_max: None,
            may_keep_sealed,
            debugger: None,
            tools: None,
            machine: None,
            root: None,
            updated_at: None,
        }
    }
}

impl DeviceRules {
    /// Seconds between two synchronisations.
    pub const INTERVAL: std::ops::RangeInclusive<i32> = 30..=86_400;
    /// Seconds without the platform.
    pub const OFFLINE: std::ops::RangeInclusive<i32> = 3_600..=31_536_000;
    /// Bytes on a device.
    pub const STORAGE: std::ops::RangeInclusive<i64> = 10_000_000..=1_000_000_000_000;

    /// The member that can't be set to what it says; none when all can.
    pub fn problem(&self) -> Option<&'static str> {
        let families = [self.debugger, self.tools, self.machine, self.root];
        if !Self::INTERVAL.contains(&self.interval_s) {
            Some("interval_s")
        } else if self
            .offline_max_s
            .is_some_and(|it| !Self::OFFLINE.contains(&it))
        {
            Some("offline_max_s")
        } else if self
            .storage_max
            .is_some_and(|it| !Self::STORAGE.contains(&it))
        {
            Some("storage_max")
        } else if families.contains(&Some(Reaction::Other)) {
            Some("debugger")
        } else {
            None
        }
    }

    /// What a device is told, when its record sets ask for `interval_s` at most.
    pub(super) fn policy(&self, interval_s: Option<i32>) -> Policy {
        let interval = interval_s.map_or(self.interval_s, |it| it.min(self.interval_s));
        Policy {
            interval_s: u64::from(interval.unsigned_abs()),
            offline_max_s: self.offline_max_s.map(|it| u64::from(it.unsigned_abs())),
            storage_max: self.storage_max.map(i64::unsigned_abs),
            may_keep_sealed: self.may_keep_sealed,
        }
    }
}

/// A reaction by its name in the database and in forms.
pub(crate) fn reaction(name: &str) -> Option<Reaction> {
    match name {
        "report" => Some(Reaction::Report),
        "shut_down" => Some(Reaction::ShutDown),
        "erase" => Some(Reaction::Erase),
        _ => None,
    }
}

/// Its name.
pub(crate) fn reaction_name(reaction: Reaction) -> &'static str {
    match reaction {
        Reaction::Report => "report",
        Reaction::Erase => "erase",
        // What isn't known is never taken for less.
        Reaction::ShutDown | Reaction::Other => "shut_down",
    }
}

impl PgStore {
    /// What the workspace asks of its devices.
    pub(crate) async fn device_rules(&self) -> Result<DeviceRules, StoreError> {
        let sql = "SELECT p.version, p.interval_s, p.offline_max_s, p.storage_max, p.may_keep_sealed, p.debugger, p.tools, p.machine, p.root, p.updated_at \
                   FROM app.device_policy p";
        let rows = self.run_step(sql, &[]).await?;
        let Some(row) = rows.first() else {
            return Ok(DeviceRules::default());
        };
        let family = |at: usize| {
            let name: Option<&str> = row.try_get(at).map_err(StoreError::internal)?;
            Ok::<_, StoreError>(name.and_then(reaction))
        };
        Ok(DeviceRules {
            version: row.try_get(0).map_err(StoreError::internal)?,
            interval_s: row.try_get(1).map_err(StoreError::internal)?,
            offline_max_s: row.try_get(2).map_err(StoreError::internal)?,
            storage_max: row.try_get(3).map_err(StoreError::internal)?,
            may_keep_sealed: row.try_get(4).map_err(StoreError::internal)?,
            debugger: family(5)?,
            tools: family(6)?,
            machine: family(7)?,
            root: family(8)?,
            updated_at: row.try_get(9).map_err(StoreError::internal)?,
        })
    }

    /// Changes it. What can't be set has been refused before.
    pub(crate) async fn set_device_rules(&self, rules: &DeviceRules) -> Result<(), StoreError> {
        let family = |reaction: Option<Reaction>| reaction.map(reaction_name);
        let families = [rules.debugger, rules.tools, rules.machine, rules.root].map(family);
        let [debugger, tools, machine, root] = &families;
        let now = self.now();
        let by = self.actor().user;
        let set = Step {
            sql: "INSERT INTO app.device_policy AS p (tenant_id, version, interval_s, offline_max_s, storage_max, may_keep_sealed, debugger, tools, machine, root, updated_at, updated_by_id) \
                  SELECT (SELECT app.tenant_id()), 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 \
                  ON CONFLICT (tenant_id) DO UPDATE SET version = p.version + 1, interval_s = excluded.interval_s, offline_max_s = excluded.offline_max_s, \
                  storage_max = excluded.storage_max, may_keep_sealed = excluded.may_keep_sealed, debugger = excluded.debugger, tools = excluded.tools, \
                  machine = excluded.machine, root = excluded.root, updated_at = excluded.updated_at, updated_by_id = excluded.updated_by_id",
            params: &[
                &rules.interval_s,
                &rules.offline_max_s,
                &rules.storage_max,
                &rules.may_keep_sealed,
                debugger,
                tools,
                machine,
                root,
                &now,
                &by.as_str(),
            ],
        };
        let detail = json!({
            "interval_s": rules.interval_s, "offline_max_s": rules.offline_max_s, "storage_max": rules.storage_max,
            "may_keep_sealed": rules.may_keep_sealed, "debugger": debugger, "tools": tools, "machine": machine, "root": root,
        });
        self.run_audited(&[set], Action::DevicePolicyUpdate, "", &detail)
            .await?;
        Ok(())
    }

    /// What the guards of the workspace's devices do, signed with the key that a device knows; none where nobody has set anything.
    pub(super) fn signed_policy(
        &self,
        rules: &DeviceRules,
        keys: &Keys,
        kid: i32,
    ) -> Result<Option<SignedPolicy>, StoreError> {
        let Some(issued_at) = rules.updated_at else {
            return Ok(None);
        };
        let policy = DevicePolicy {
            version: rules.version.unsigned_abs(),
            workspace: self.actor().tenant,
            issued_at,
            debugger: rules.debugger,
            tools: rules.tools,
            machine: rules.machine,
            root: rules.root,
        };
        let text = serde_json::to_string(&policy).map_err(StoreError::internal)?;
        let signature = keys.sign(kid, &SignedPolicy::signed_text(&text))?;
        Ok(Some(SignedPolicy {
            text,
            signature: super::base64(&signature),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_t_be_set_is_named() {
        let usual = DeviceRules::default();
        assert_eq!(usual.problem(), None);
        let with = |change: fn(&mut DeviceRules)| {
            let mut rules = usual.clone();
            change(&mut rules);
            rules.problem()
        };
        assert_eq!(with(|rules| rules.interval_s = 5), Some("interval_s"));
        assert_eq!(
            with(|rules| rules.offline_max_s = Some(60)),
            Some("offline_max_s")
        );
        assert_eq!(
            with(|rules| rules.storage_max = Some(1)),
            Some("storage_max")
        );
        assert_eq!(
            with(|rules| rules.root = Some(Reaction::Other)),
            Some("debugger")
        );
        assert_eq!(with(|rules| rules.root = Some(Reaction::Erase)), None);
    }

    #[test]
    fn the_shortest_interval_counts() {
        let rules = DeviceRules::default();
        assert_eq!(rules.policy(None).interval_s, 300);
        assert_eq!(rules.policy(Some(60)).interval_s, 60);
        assert_eq!(rules.policy(Some(6_000)).interval_s, 300);
    }
}
