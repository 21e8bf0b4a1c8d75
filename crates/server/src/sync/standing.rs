//! What a device learns that has no session any more: whether it is welcome, revoked, or has to erase everything; and that it has.
//!
//! The device proves to be it with the secret from its registration, or with the receipt of the order. Nothing else is told here.

use fieldstone_model::RecordId;
use fieldstone_protocol::device::{Standing, WipeOrder};
use fieldstone_store::StoreError;
use fieldstone_vault::Vault;

use super::{
    SyncError, base64,
    device::{RECEIPTS, hash_of, receipt_place},
};
use crate::identity::{AuthPool, IdentityError};

/// Answers devices about their standing. Cheap to clone.
#[derive(Clone)]
pub struct Standings {
    auth: AuthPool,
    vault: Vault,
}

impl std::fmt::Debug for Standings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Standings")
    }
}

impl Standings {
    /// `auth` is the pool of `fieldstone_auth`.
    pub fn new(auth: AuthPool, vault: Vault) -> Self {
        Self { auth, vault }
    }

    /// How the device stands that has this secret.
    pub(crate) async fn of(&self, device: RecordId, secret: &str) -> Result<Standing, SyncError> {
        let client = self.auth.get().await.map_err(|error| busy(&error))?;
        let sql = "SELECT s.tenant_id, s.revoked, s.wipe_ordered_at, s.wipe_signature, s.wipe_receipt FROM app.find_standing($1, $2) s";
        let statement = client.prepare_cached(sql).await.map_err(internal)?;
        let row = client
            .query_opt(&statement, &[&device.as_str(), &hash_of(secret)])
            .await
            .map_err(internal)?
            .ok_or(SyncError::UnknownDevice)?;
        let ordered: Option<jiff::Timestamp> = row.try_get(2).map_err(internal)?;
        let Some(ordered_at) = ordered else {
            let revoked: bool = row.try_get(1).map_err(internal)?;
            return Ok(if revoked {
                Standing::Revoked
            } else {
                Standing::Welcome
            });
        };
        let tenant: &str = row.try_get(0).map_err(internal)?;
        let signature: &[u8] = row.try_get(3).map_err(internal)?;
        let place = receipt_place(tenant, device.as_str());
        let receipt = self
            .vault
            .open(RECEIPTS, &place, row.try_get(4).map_err(internal)?)
            .map_err(StoreError::internal)?;
        Ok(Standing::Wipe(WipeOrder {
            device,
            ordered_at,
            signature: base64(signature),
            receipt: String::from_utf8(receipt.to_vec()).map_err(StoreError::internal)?,
        }))
    }

    /// Notes that the order with this receipt was carried out.
    pub(crate) async fn erased(&self, device: RecordId, receipt: &str) -> Result<(), SyncError> {
        let client = self.auth.get().await.map_err(|error| busy(&error))?;
        let sql = "SELECT app.note_erasure($1, $2)";
        let statement = client.prepare_cached(sql).await.map_err(internal)?;
        let row = client
            .query_one(&statement, &[&device.as_str(), &hash_of(receipt)])
            .await
            .map_err(internal)?;
        if row.try_get(0).map_err(internal)? {
            Ok(())
        } else {
            Err(SyncError::UnknownDevice)
        }
    }
}

fn busy(error: &IdentityError) -> SyncError {
    tracing::warn!(%error, "a device could not be told its standing");
    StoreError::Busy.into()
}

fn internal(error: tokio_postgres::Error) -> SyncError {
    StoreError::internal(error).into()
}
