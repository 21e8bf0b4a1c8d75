//! A device in use: its folder, the open login, the way to the platform. What the command line and the app's window both stand on.

use std::{path::Path, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fieldstone_model::{Clock, RecordId, Role};
use fieldstone_protocol::{
    device::{Registered, Registration},
    guard::SignedPolicy,
    hello::{Policy, Schema},
    pull::Proof,
    sighting::Sightings,
};
use fieldstone_store::User;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    drive::{self, Ending},
    engine::{Engine, Report, Settings},
    home::{Home, HomeError, Login, State},
    journal::{Journal, JournalError, LoginPair, Place, SealError},
    keys::{LoginKey, NoRandomness},
    keystore::{Keystore, KeystoreError},
    sentry,
    store::{CustomObject, DatabaseError, DeviceStore, Local, SchemaDocument, new_uuid},
    transport::{self, Credentials, Transport, TransportError},
};

/// Where the profile is kept in the database.
const PROFILE: &str = "profile";
/// Where the journal's last number is.
const SEALED: &str = "journal.sequence";

/// Why a device doesn't do what it was asked. The texts are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// Nobody is logged in.
    #[error(
        "Nobody is logged in on this device. Log in with “fieldstone-device login https://… --email …”."
    )]
    LoggedOut,
    /// Somebody is already.
    #[error(
        "Somebody is logged in on this device already. Log out first; “fieldstone-device status” says who."
    )]
    LoggedIn,
    /// The key isn't in the keystore.
    #[error(
        "The key of this login is lost: the system's keystore doesn't have it (after --ephemeral, a restart does that). What is on this \
         device can't be read without it, and nothing was deleted. If you can bring the keystore back, everything is there again. \
         Otherwise log out with --keep-sealed, which keeps changes that weren't sent for delivery, and log in anew."
    )]
    KeyLost,
    /// There are changes that weren't sent.
    #[error(
        "{0} of your changes haven't been sent. Choose: --send sends them first, --keep-sealed keeps them encrypted for the next login, \
         --discard gives them up."
    )]
    Unsent(u64),
    /// The workspace forbids to keep changes sealed, or has no key for it.
    #[error(
        "This workspace doesn't let changes be kept sealed. Send them with --send, or give them up with --discard."
    )]
    MayNotSeal,
    /// The folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The keystore.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The platform.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

impl From<SealError> for DeviceError {
    fn from(error: SealError) -> Self {
        Self::Journal(error.into())
    }
}

impl DeviceError {
    /// Whether it is a lock: somebody has to log in before anything goes on.
    pub fn is_locked(&self) -> bool {
        matches!(
            self,
            Self::LoggedOut
                | Self::KeyLost
                | Self::Keystore(_)
                | Self::Transport(TransportError::SignedOut { .. })
        )
    }
}

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
    session: String,
    /// What the platform gave this device.
    registered: Registered,
    /// What the workspace asks of its devices.
    pub policy: Policy,
    /// When the records were last known to be up to date.
    pub synced_at: Option<Timestamp>,
    /// Whether the digests were compared then.
    pub proven: bool,
    /// What the workspace has said last about threats, signed.
    #[serde(default)]
    guard: Option<SignedPolicy>,
}

impl Profile {
    /// The device, as the platform knows it.
    pub fn device(&self) -> RecordId {
        self.registered.device
    }
}

/// How somebody logs in.
pub struct LoginWish<'a> {
    /// The platform's address.
    pub url: &'a str,
    /// Certificates to trust besides the system's, as PEM.
    pub ca: Option<String>,
    /// Whether the key goes into the keystore that forgets at a restart.
    pub ephemeral: bool,
    /// Who.
    pub credentials: Credentials<'a>,
}

/// What happens at logout to changes that weren't sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsent {
    /// Refuse to log out when there are any.
    Ask,
    /// Send them first.
    Send,
    /// Leave them sealed to the workspace.
    KeepSealed,
    /// Give them up.
    Discard,
}

/// A device with somebody logged in.
pub struct Device {
    home: Home,
    keystore: Keystore,
    login: Login,
    local: Local,
    transport: Transport,
    profile: Profile,
    journal: Option<Journal>,
    clock: Arc<dyn Clock>,
}

/// Finds the keystore for a login. A parameter, so that tests have one of their own.
pub type Keystores = dyn Fn(bool) -> Result<Keystore, KeystoreError> + Send + Sync;

/// Takes the folder and finishes what an earlier process began: a logout, or a login that wasn't completed.
pub fn take_home(path: &Path, keystores: &Keystores) -> Result<Home, DeviceError> {
    let installation = new_uuid()?;
    let home = Home::open(path, || installation)?;
    if let Some(unfinished) = home.unfinished()? {
        let keystore = keystores(unfinished.login().ephemeral)?;
        unfinished.run(&keystore)?;
    }
    Ok(home)
}

impl Device {
    /// Opens the device for whoever is logged in.
    pub async fn open(
        path: &Path,
        keystores: &Keystores,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, DeviceError> {
        let mut home = take_home(path, keystores)?;
        let State::LoggedIn(login) = home.state()? else {
            return Err(DeviceError::LoggedOut);
        };
        let keystore = keystores(login.ephemeral)?;
        let key = keystore
            .find(&home.key_name(&login))?
            .ok_or(DeviceError::KeyLost)?;
        let check = home.was_left_open();
        home.note_open(true)?;
        let local = Local::open(&home.database(&login), &key, clock.clone(), check).await?;
        let mut profile: Profile = local
            .kept(PROFILE)
            .await?
            .ok_or(DatabaseError::Content("who is logged in"))?;
        let mut transport = Transport::new(&login.origin, login.ca.as_deref())?;
        transport.resume(&profile.session)?;
        transport.be(&profile.registered)?;
        sentry::adopt(&mut profile.guard, None, &transport);
        let journal = open_journal(&home, &login, &profile, &key, &local).await?;
        let mut device = Self {
            home,
            keystore,
            login,
            local,
            transport,
            profile,
            journal,
            clock,
        };
        device.keep_journal().await?;
        Ok(device)
    }

    /// Logs in. The platform is asked first: a refusal leaves nothing behind.
    pub async fn log_in(
        path: &Path,
        keystores: &Keystores,
        clock: Arc<dyn Clock>,
        wish: LoginWish<'_>,
    ) -> Result<Self, DeviceError> {
        let mut home = take_home(path, keystores)?;
        if home.state()? != State::LoggedOut {
            return Err(DeviceError::LoggedIn);
        }
        let keystore = keystores(wish.ephemeral)?;
        let mut transport = Transport::new(wish.url, wish.ca.as_deref())?;
        let (user, session) = transport.sign_in(&wish.credentials).await?;
        let key = LoginKey::generate()?;
        let login = Login {
            id: new_uuid()?,
            user,
            origin: transport.origin(),
            ca: wish.ca.clone(),
            ephemeral: wish.ephemeral,
        };
        let email = wish.credentials.email.to_owned();
        let answer = Self::introduce(&transport, &home, &key).await;
        let (registered, welcome, schema) = match answer {
            Ok(answer) => answer,
            Err(error) => {
                // The session isn't needed; that it can't be ended either changes nothing.
                let _ = transport.sign_out().await;
                return Err(error);
            }
        };
        transport.be(&registered)?;
        let profile = Profile {
            user,
            role: schema.role.clone(),
            email,
            session: session.as_str().to_owned(),
            registered,
            policy: welcome,
            synced_at: None,
            proven: false,
            guard: None,
        };
        home.begin_login(&login)?;
        let made = Self::make(
            &mut home, &keystore, &login, &key, &profile, &schema, &clock,
        )
        .await;
        let local = match made {
            Ok(local) => local,
            Err(error) => {
                if let Some(unfinished) = home.unfinished()? {
                    unfinished.run(&keystore)?;
                }
                return Err(error);
            }
        };
        let journal = open_journal(&home, &login, &profile, &key, &local).await?;
        Ok(Self {
            home,
            keystore,
            login,
            local,
            transport,
            profile,
            journal,
            clock,
        })
    }

    async fn introduce(
        transport: &Transport,
        home: &Home,
        key: &LoginKey,
    ) -> Result<(Registered, Policy, Schema), DeviceError> {
        let welcome = transport.hello().await?;
        let registration = Registration {
            installation: home.installation().to_owned(),
            name: format!("fieldstone-device on {}", std::env::consts::OS),
            platform: std::env::consts::OS.to_owned(),
            app: transport::app(),
            login_key: Some(STANDARD.encode(LoginPair::of(key)?.public())),
        };
        let registered = transport.register(&registration).await?;
        let schema = transport.schema().await?;
        Ok((registered, welcome.policy, schema))
    }

    async fn make(
        home: &mut Home,
        keystore: &Keystore,
        login: &Login,
        key: &LoginKey,
        profile: &Profile,
        schema: &Schema,
        clock: &Arc<dyn Clock>,
    ) -> Result<Local, DeviceError> {
        keystore.keep(&home.key_name(login), key)?;
        home.note_open(true)?;
        let local = Local::open(&home.database(login), key, clock.clone(), false).await?;
        local.set_blind_key(profile.registered.blind_key).await?;
        local.set_schema(document(schema)).await?;
        local.keep(PROFILE, profile).await?;
        home.complete_login()?;
        Ok(local)
    }

    /// Who is logged in.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The login.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// The folder.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Everything in the database.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// The records as the user reads and changes them.
    pub fn store(&self) -> DeviceStore {
        self.local.store(User {
            id: self.profile.user,
            role: self.profile.role.parse().unwrap_or(Role::Viewer),
        })
    }

    /// Seals what waits into the journal. To be called after every change.
    pub async fn keep_journal(&mut self) -> Result<(), DeviceError> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        let pending = self.local.pending().await?;
        let before = journal.sequence();
        journal.keep(pending.iter().map(|pending| &pending.mutation))?;
        if journal.sequence() != before {
            self.local.keep(SEALED, &journal.sequence()).await?;
        }
        Ok(())
    }

    /// Sends what waits and fetches what is new. An order to erase is carried out by whoever called, with [`Device::obey_wipe`].
    pub async fn sync(&mut self, mut report: impl FnMut(&Report)) -> Result<Ending, DeviceError> {
        let mut settings = Settings::new(self.profile.device());
        settings.proof = self.profile.proven.then_some(Proof::Equal);
        self.tell_sightings().await;
        let mut engine = Engine::new(settings);
        let mut schema_changed = false;
        let ending = drive::sync(&self.local, &self.transport, &mut engine, |told| {
            schema_changed |= matches!(told, Report::SchemaChanged { .. });
            report(told);
        })
        .await;
        if schema_changed {
            let schema = self.transport.schema().await?;
            self.profile.role.clone_from(&schema.role);
            self.local.set_schema(document(&schema)).await?;
        }
        if let Ending::UpToDate { proven } = ending {
            self.profile.synced_at = Some(self.clock.now());
            self.profile.proven = proven;
        }
        if ending != Ending::Erase {
            self.local.keep(PROFILE, &self.profile).await?;
            self.keep_journal().await?;
        }
        Ok(ending)
    }

    /// Tells what the guard has seen, if there is something and the platform takes it.
    async fn tell_sightings(&self) {
        let seen = sentry::waiting(self.home.path());
        if seen.is_empty() {
            return;
        }
        let sightings = Sightings {
            device: self.profile.device(),
            seen,
        };
        // What isn't taken is told the next time.
        if self.transport.tell(&sightings).await.is_ok() {
            let _ = sentry::told_all(self.home.path(), &sightings.seen);
        }
    }

    /// Erases everything because the platform has ordered it. What wasn't sent stays sealed, if the workspace allows that.
    pub fn obey_wipe(self) -> Result<(), DeviceError> {
        let keep = self.journal.is_some();
        self.erase(keep)
    }

    /// Logs out: everything is erased but what is to be kept sealed.
    pub async fn log_out(mut self, unsent: Unsent) -> Result<(), DeviceError> {
        let waiting = self.local.pending_count().await?;
        let keep_sealed = match unsent {
            _ if waiting == 0 => false,
            Unsent::Ask => return Err(DeviceError::Unsent(waiting)),
            Unsent::Discard => false,
            Unsent::KeepSealed if self.journal.is_none() => return Err(DeviceError::MayNotSeal),
            Unsent::KeepSealed => {
                self.keep_journal().await?;
                true
            }
            Unsent::Send => {
                self.sync(|_| {}).await?;
                let left = self.local.pending_count().await?;
                if left > 0 {
                    return Err(DeviceError::Unsent(left));
                }
                false
            }
        };
        // Without the platform the session ends there by itself.
        let _ = self.transport.sign_out().await;
        self.erase(keep_sealed)
    }

    fn erase(self, keep_sealed: bool) -> Result<(), DeviceError> {
        let Self {
            mut home,
            keystore,
            login,
            local,
            ..
        } = self;
        drop(local);
        home.erase(&login, keep_sealed).run(&keystore)?;
        home.note_open(false)?;
        Ok(())
    }

    /// Closes the database and gives the folder back.
    pub fn close(self) -> Result<(), DeviceError> {
        let Self {
            mut home, local, ..
        } = self;
        drop(local);
        home.note_open(false)?;
        Ok(())
    }
}

/// Erases a login that can't be opened any more, because its user asks for it by name.
pub fn erase_unopened(
    path: &Path,
    keystores: &Keystores,
    keep_sealed: bool,
) -> Result<(), DeviceError> {
    let mut home = take_home(path, keystores)?;
    let State::LoggedIn(login) = home.state()? else {
        return Err(DeviceError::LoggedOut);
    };
    let keystore = keystores(login.ephemeral)?;
    home.erase(&login, keep_sealed).run(&keystore)?;
    home.note_open(false)?;
    Ok(())
}

async fn open_journal(
    home: &Home,
    login: &Login,
    profile: &Profile,
    key: &LoginKey,
    local: &Local,
) -> Result<Option<Journal>, DeviceError> {
    let Some(workspace) = profile
        .registered
        .sealing_key
        .as_ref()
        .filter(|_| profile.policy.may_keep_sealed)
    else {
        return Ok(None);
    };
    let public = STANDARD
        .decode(&workspace.key)
        .map_err(|_| TransportError::Unexpected)?;
    let place = Place {
        device: profile.device().to_string(),
        user: login.user.to_string(),
        login: login.id.clone(),
        sequence: local.kept(SEALED).await?.unwrap_or(0),
        kid: workspace.kid,
    };
    let journal = Journal::open(&home.journals()?, public, LoginPair::of(key)?, place)?;
    Ok(Some(journal))
}

/// The platform's schema as the database keeps it.
fn document(schema: &Schema) -> SchemaDocument {
    let custom = schema.objects.iter().filter(|shape| shape.custom);
    SchemaDocument {
        version: schema.version,
        objects: custom
            .map(|shape| CustomObject {
                name: shape.name.clone(),
                plural: shape.plural.clone(),
                prefix: shape.prefix.clone(),
                label: shape.label.clone().unwrap_or_default(),
                plural_label: shape.plural_label.clone().unwrap_or_default(),
            })
            .collect(),
        fields: schema
            .objects
            .iter()
            .filter(|shape| !shape.fields.is_empty())
            .map(|shape| (shape.name.clone(), shape.fields.clone()))
            .collect(),
    }
}

/// A password that is wiped when it isn't needed any more.
pub type Password = Zeroizing<String>;
