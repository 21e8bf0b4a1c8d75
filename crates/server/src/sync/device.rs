//! Devices: registering one at login, the list of them, taking one off it, ordering one to erase everything; and what a device learns
//! before it syncs.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use fieldstone_model::{Object, RecordId, Registry};
use fieldstone_protocol::{
    device::{Registered, Registration, WipeOrder},
    hello::{Hello, Schema, Shape, Versions, Welcome},
    tag::BlindKey,
};
use fieldstone_store::{Store as _, StoreError};
use fieldstone_vault::{Place, Purpose};

use super::{Counts, Device, SyncError, keys::number, reading::column};
use crate::{identity::audit::Action, store::PgStore};

/// The prefix of devices' ids.
const PREFIX: [u8; 3] = *b"fD0";
/// Most devices listed.
const LISTED: i32 = 500;
/// What receipts are sealed for.
pub(crate) const RECEIPTS: Purpose = Purpose::new("wipe receipts");

impl PgStore {
    pub(super) async fn sync_hello(&self, hello: &Hello) -> Result<Welcome, SyncError> {
        let protocol = Versions::OURS
            .common(hello.protocol)
            .ok_or(SyncError::Incompatible)?;
        let rules = self.device_rules().await?;
        let interval = self.shortest_interval().await?;
        let keys = self.device_keys().await?;
        let known = match hello.device {
            Some(device) => self.note_build(device, &hello.app).await?,
            None => None,
        };
        let guard = match (&keys, known) {
            (Some(keys), Some(kid)) => self.signed_policy(&rules, keys, kid)?,
            _ => None,
        };
        let sealing_key = match &keys {
            Some(keys) if rules.may_keep_sealed => Some(keys.sealing()?),
            _ => None,
        };
        Ok(Welcome {
            protocol,
            schema: self.registry().version(),
            policy: rules.policy(interval),
            guard,
            sealing_key,
        })
    }

    /// Notes which build a device runs, and by which session, which ends with the device; answers the number of the signing key that it
    /// knows.
    async fn note_build(&self, device: RecordId, app: &str) -> Result<Option<i32>, SyncError> {
        let app: String = app.chars().filter(|c| !c.is_control()).take(100).collect();
        let credential = self.actor().credential.map(|id| id.to_string());
        let rows = self
            .run_step(
                "SELECT d.signing_kid, d.app = $2 AND d.credential IS NOT DISTINCT FROM $3 FROM app.sync_device d \
                 WHERE d.id = $1 AND d.revoked_at IS NULL",
                &[&device.as_str(), &app, &credential],
            )
            .await?;
        let row = rows.first().ok_or(SyncError::UnknownDevice)?;
        if !column::<bool>(row, 1)? {
            let sql = "UPDATE app.sync_device d SET app = $2, credential = $3 WHERE d.id = $1";
            let device = device.as_str();
            self.run_step(sql, &[&device, &app, &credential]).await?;
        }
        column(row, 0)
    }

    pub(super) async fn sync_describe(&self) -> Result<Schema, SyncError> {
        let registry = self.fresh_registry().await?;
        let whole = registry.whole();
        let shape = |object: &std::sync::Arc<Object>| Shape {
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
            places: object.places.clone(),
            withheld: withheld(&whole, object, false),
            read_only: read_only(&whole, object),
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
        let rules = self.device_rules().await?;
        let keys = self.device_keys().await?;
        let (signing_kid, wipe_key, sealing_key) = match &keys {
            Some(keys) => {
                let (kid, public) = keys.signing()?;
                let sealing = rules.may_keep_sealed.then(|| keys.sealing()).transpose()?;
                (Some(kid), public, sealing)
            }
            None => (None, String::new(), None),
        };
        let device = self.fresh_id(PREFIX);
        let mut blind = [0; 16];
        rand::fill(&mut blind).map_err(|_| StoreError::internal("no randomness"))?;
        let (secret, hash) = secret()?;
        let now = self.now();
        let credential = self.actor().credential.map(|id| id.to_string());
        self.run_step(
            "INSERT INTO app.sync_device (tenant_id, user_id, id, installation, name, platform, app, blind_key, secret_hash, login_key, created_at, last_seen_at, credential, signing_kid) \
             SELECT (SELECT app.tenant_id()), (SELECT app.user_id()), $1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11",
            &[&device.as_str(), installation, name, platform, app, &blind.as_slice(), &hash, login_key, &now, &credential, &signing_kid],
        )
        .await?;
        self.audit_device(Action::DeviceRegister, device).await?;
        self.note_written();
        Ok(Registered {
            device,
            blind_key: BlindKey(blind),
            secret,
            wipe_key,
            sealing_key,
        })
    }

    pub(crate) async fn sync_devices(&self, everybodys: bool) -> Result<Vec<Device>, SyncError> {
        self.read_devices(everybodys, None).await
    }

    /// One device: the caller's own, or anybody's for those who manage people.
    pub(crate) async fn sync_device(
        &self,
        id: RecordId,
        everybodys: bool,
    ) -> Result<Option<Device>, SyncError> {
        Ok(self.read_devices(everybodys, Some(id)).await?.pop())
    }

    async fn read_devices(
        &self,
        everybodys: bool,
        one: Option<RecordId>,
    ) -> Result<Vec<Device>, SyncError> {
        let one = one.map(|id| id.to_string());
        let rows = self
            .run_step(
                "SELECT d.id, d.user_id, d.person, d.installation, d.name, d.platform, d.app, d.created_at, d.last_seen_at, d.proven, d.proven_at, d.revoked_at, \
                 d.wipe_ordered_at, d.erased_at, d.pulls, d.rows_sent, d.pushes, d.changes, d.conflicts, d.repairs, d.signing_kid FROM app.devices($1, $2, $3) d",
                &[&everybodys, &one, &LISTED],
            )
            .await?;
        let device = |row: &tokio_postgres::Row| {
            Ok(Device {
                id: parsed(row, 0)?,
                user: parsed(row, 1)?,
                person: column(row, 2)?,
                installation: column(row, 3)?,
                name: column(row, 4)?,
                platform: column(row, 5)?,
                app: column(row, 6)?,
                created_at: column(row, 7)?,
                last_seen_at: column(row, 8)?,
                proven: column(row, 9)?,
                proven_at: column(row, 10)?,
                revoked_at: column(row, 11)?,
                wipe_ordered_at: column(row, 12)?,
                erased_at: column(row, 13)?,
                counts: Counts {
                    pulls: number(row, 14)?,
                    rows: number(row, 15)?,
                    pushes: number(row, 16)?,
                    changes: number(row, 17)?,
                    conflicts: number(row, 18)?,
                    repairs: number(row, 19)?,
                },
                signing_kid: column(row, 20)?,
            })
        };
        rows.iter().map(device).collect()
    }

    pub(crate) async fn sync_revoke(&self, device: RecordId) -> Result<bool, SyncError> {
        let sql = "SELECT app.revoke_device($1)";
        let rows = self.run_step(sql, &[&device.as_str()]).await?;
        self.note_written();
        match rows.first() {
            Some(row) => column(row, 0),
            None => Ok(false),
        }
    }

    /// Orders a device to erase everything, and takes it off the list; false when there is none that the caller decides about.
    pub(crate) async fn sync_wipe(&self, device: RecordId) -> Result<bool, SyncError> {
        let everybodys = self
            .actor()
            .role
            .can(fieldstone_model::Capability::UsersManage);
        let Some(found) = self.sync_device(device, everybodys).await? else {
            return Ok(false);
        };
        let keys = self.device_keys().await?;
        let (Some(keys), Some(vault), Some(kid)) = (keys, self.vault(), found.signing_kid) else {
            return Err(SyncError::Unsignable);
        };
        // What the device reads back is as exact as what the database keeps.
        let now = self.now();
        let at = jiff::Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        let signature = keys.sign(kid, &WipeOrder::signed_text(device, at))?;
        let (receipt, hash) = secret()?;
        let tenant = self.actor().tenant;
        let place = receipt_place(tenant.as_str(), device.as_str());
        let sealed = vault
            .seal(RECEIPTS, &place, receipt.as_bytes())
            .map_err(StoreError::internal)?;
        let rows = self
            .run_step(
                "SELECT app.order_wipe($1, $2, $3, $4, $5)",
                &[&device.as_str(), &at, &signature, &sealed, &hash],
            )
            .await?;
        self.note_written();
        match rows.first() {
            Some(row) => column(row, 0),
            None => Ok(false),
        }
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

/// 256 random bits for a device, and what is kept of them.
fn secret() -> Result<(String, Vec<u8>), StoreError> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| StoreError::internal("no randomness"))?;
    let text = URL_SAFE_NO_PAD.encode(bytes);
    let hash = hash_of(&text);
    Ok((text, hash))
}

/// What is kept of a device's secret or receipt.
pub(super) fn hash_of(secret: &str) -> Vec<u8> {
    digest(&SHA256, secret.as_bytes()).as_ref().to_vec()
}

/// Where a receipt is sealed for.
pub(crate) fn receipt_place<'a>(tenant: &'a str, device: &'a str) -> Place<'a> {
    Place {
        tenant,
        object: "sync_standing",
        record: device,
        field: "wipe_receipt",
        version: 1,
    }
}

fn parsed(row: &tokio_postgres::Row, at: usize) -> Result<RecordId, SyncError> {
    let id = column::<&str>(row, at)?.parse();
    Ok(id.map_err(StoreError::internal)?)
}

/// Names of the fields of `object` that its reader may not see; standard ones, or custom ones as well.
pub(super) fn withheld(whole: &Registry, object: &Object, custom: bool) -> Vec<String> {
    let Some(all) = whole.object(&object.name) else {
        return Vec::new();
    };
    all.fields
        .iter()
        .filter(|field| (custom || !field.custom) && object.field(&field.name).is_none())
        .map(|field| field.name.to_string())
        .collect()
}

/// Names of those that its reader may see and not change, although others may.
fn read_only(whole: &Registry, object: &Object) -> Vec<String> {
    let may_be_set = |name: &str| {
        let all = whole.object(&object.name);
        all.and_then(|all| all.field(name))
            .is_some_and(fieldstone_model::Field::is_writable)
    };
    object
        .fields
        .iter()
        .filter(|field| !field.is_writable() && may_be_set(&field.name))
        .map(|field| field.name.to_string())
        .collect()
}
