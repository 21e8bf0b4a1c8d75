//! What a device's guard has seen goes into the audit log, where whoever manages the workspace's devices reads it.

use fieldstone_protocol::sighting::Sightings;
use serde_json::json;

use super::SyncError;
use crate::{identity::audit::Action, store::PgStore};

impl PgStore {
    /// Notes what one of the caller's devices has seen.
    pub(super) async fn sync_note_sightings(&self, sightings: &Sightings) -> Result<(), SyncError> {
        if !sightings.is_fit() {
            return Err(SyncError::BadRequest(
                "Tell at most 50 things at once, in printable texts of at most 400 characters.",
            ));
        }
        let device = sightings.device.to_string();
        let rows = self
            .run_step(
                "SELECT d.id FROM app.sync_device d WHERE d.id = $1 AND d.user_id = (SELECT app.user_id()) AND d.revoked_at IS NULL",
                &[&device],
            )
            .await?;
        if rows.is_empty() {
            return Err(SyncError::UnknownDevice);
        }
        for sighting in &sightings.seen {
            let detail = json!({
                "seen_at": sighting.at.to_string(),
                "family": sighting.family,
                "check": sighting.check,
                "evidence": sighting.evidence,
                "ended": sighting.ended,
            });
            // The trigger fills what is empty here.
            self.run_step(
                "INSERT INTO app.audit_event (tenant_id, seq, at, actor, action, target, detail, prev_hash, hash) \
                 SELECT (SELECT app.tenant_id()), 0, transaction_timestamp(), '', $1, $2, $3, '', ''",
                &[&Action::DeviceThreat.name(), &device, &detail],
            )
            .await?;
        }
        self.note_written();
        Ok(())
    }
}
