//! Devices: registering one at login, the list of one's own, taking one off it; and what a device learns before it syncs.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use fieldstone_model::RecordId;
use fieldstone_protocol::{
    device::{Registered, Registration},
    hello::{Hello, Policy, Schema, Shape, Versions, Welcome},
    tag::BlindKey,
};
use fieldstone_store::{Store as _, StoreError};

use super::{Device, SyncError, reading::column};
use crate::{identity::audit::Action, store::PgStore};

/// The prefix of devices' ids.
const PREFIX: [u8; 3] = *b"fD0";
/// Most devices listed.
const LISTED: i64 = 200;

impl PgStore {
    pub(super) async fn sync_hello(&self, hello: &Hello) -> Result<Welcome, SyncError> {
        let protocol = Versions::OURS
            .common(hello.protocol)
            .ok_or(SyncError::Incompatible)?;
        self.check_access().await?;
        Ok(Welcome {
            protocol,
            schema: self.registry().version(),
            policy: Policy::default(),
            guard: None,
            sealing_key: None,
        })
    }

    pub(super) async fn sync_describe(&self) -> Result<Schema, SyncError> {
        let registry = self.fresh_registry().await?;
        let shape = |object: &std::sync::Arc<fieldstone_model::Object>| Shape {
            name: object.name.to_string(),
            plural: object.plural.to_string(),
            prefix: object.prefix_str().to_owned(),
            label: object.label.clone(),
            plural_label: object.plural_label.clone(),
            custom: object.custom,
            fields: object
                .fields
                .iter()
                .filter(|field| field.custom)
                .cloned()
                .collect(),
            withheld: Vec::new(),
            read_only: Vec::new(),
        };
        // How the user's pages address them, on the platform as on the device.
        let rows = self
            .run_step(
                "SELECT w.name, u.locale, u.time_zone, coalesce(w.settings ->> 'currency', 'EUR') \
                 FROM app.\"user\" u JOIN app.workspace w ON w.tenant_id = u.tenant_id WHERE u.id = $1",
                &[&self.actor().user.as_str()],
            )
            .await?;
        let row = rows.first().ok_or(StoreError::SessionEnded)?;
        let text = |at| column::<&str>(row, at).map(str::to_owned);
        Ok(Schema {
            version: registry.version(),
            user: self.actor().user,
            role: self.actor().role.name().to_owned(),
            workspace: Some(text(0)?),
            locale: Some(text(1)?),
            time_zone: Some(text(2)?),
            currency: Some(text(3)?),
            objects: registry.objects().map(shape).collect(),
        })
    }

    pub(super) async fn sync_register(
        &self,
        registration: &Registration,
    ) -> Result<Registered, SyncError> {
        let Registration {
            installation,
            name,
            platform,
            app,
            login_key,
        } = registration;
        let fits = |text: &str, least: usize| {
            (least..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control)
        };
        let fit = fits(installation, 1) && fits(name, 1) && fits(platform, 0) && fits(app, 0);
        if !fit || login_key.as_ref().is_some_and(|key| key.len() > 100) {
            return Err(SyncError::BadRequest(
                "Name the device and its app in at most 100 characters each.",
            ));
        }
        let device = self.fresh_id(PREFIX);
        let (mut blind, mut secret) = ([0; 16], [0; 32]);
        rand::fill(&mut blind)
            .and_then(|()| rand::fill(&mut secret))
            .map_err(|_| StoreError::internal("no randomness"))?;
        let secret = URL_SAFE_NO_PAD.encode(secret);
        let hash = digest(&SHA256, secret.as_bytes());
        let now = self.now();
        self.run_step(
            "INSERT INTO app.sync_device (tenant_id, user_id, id, installation, name, platform, app, blind_key, secret_hash, login_key, created_at, last_seen_at) \
             SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), $1, $2, $3, $4, $5, $6, $7, $8, $9, $9",
            &[&device.as_str(), installation, name, platform, app, &blind.as_slice(), &hash.as_ref(), login_key, &now],
        )
        .await?;
        self.audit_device(Action::DeviceRegister, device).await?;
        self.note_written();
        Ok(Registered {
            device,
            blind_key: BlindKey(blind),
            secret,
            wipe_key: String::new(),
            sealing_key: None,
        })
    }

    pub(super) async fn sync_devices(&self) -> Result<Vec<Device>, SyncError> {
        let rows = self
            .run_step(
                "SELECT d.id, d.name, d.platform, d.app, d.created_at, d.last_seen_at, d.revoked_at IS NOT NULL \
                 FROM app.sync_device d ORDER BY d.last_seen_at DESC, d.id LIMIT $1",
                &[&LISTED],
            )
            .await?;
        let device = |row: &tokio_postgres::Row| {
            Ok(Device {
                id: column::<&str>(row, 0)?
                    .parse()
                    .map_err(StoreError::internal)?,
                name: column(row, 1)?,
                platform: column(row, 2)?,
                app: column(row, 3)?,
                created_at: column(row, 4)?,
                last_seen_at: column(row, 5)?,
                revoked: column(row, 6)?,
            })
        };
        rows.iter().map(device).collect()
    }

    pub(super) async fn sync_revoke(&self, device: RecordId) -> Result<bool, SyncError> {
        let now = self.now();
        let rows = self
            .run_step(
                "UPDATE app.sync_device d SET revoked_at = coalesce(d.revoked_at, $2) WHERE d.id = $1 RETURNING d.id",
                &[&device.as_str(), &now],
            )
            .await?;
        if !rows.is_empty() {
            self.audit_device(Action::DeviceRevoke, device).await?;
        }
        self.note_written();
        Ok(!rows.is_empty())
    }

    async fn audit_device(&self, action: Action, device: RecordId) -> Result<(), SyncError> {
        // The trigger fills what is empty here.
        self.run_step(
            "INSERT INTO app.audit_event (tenant_id, seq, at, actor, action, target, detail, prev_hash, hash) \
             SELECT (SELECT app.tenant_id()), 0, transaction_timestamp(), '', $1, $2, '{}', '', ''",
            &[&action.name(), &device.as_str()],
        )
        .await?;
        Ok(())
    }
}
