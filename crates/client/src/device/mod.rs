//! A device in use: its folder, the open login, the way to the platform. What the command line and the app's window both stand on.

mod attach;
mod deliver;
mod error;
mod leave;
mod profile;
mod seal;

use std::{path::Path, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fieldstone_model::{Clock, Role};
use fieldstone_protocol::{
    device::{Registered, Registration},
    hello::{Policy, Schema},
    pull::Proof,
    sighting::Sightings,
};
use fieldstone_store::User;
use zeroize::Zeroizing;

use crate::{
    drive::{self, Ending},
    engine::{Engine, Report, Settings},
    files::Files,
    home::{Home, Login, State},
    journal::LoginPair,
    keys::LoginKey,
    keystore::{Keystore, KeystoreError},
    sentry,
    store::{CustomObject, DatabaseError, DeviceStore, Local, SchemaDocument, new_uuid},
    transport::{self, Credentials, Transport},
};

pub use deliver::Delivered;
pub use error::DeviceError;
pub use leave::{Unsent, acknowledge_erasure, erase_unopened};
pub use profile::{Address, Profile};
use profile::{Lock, Shaped};

/// Where the profile is kept in the database.
const PROFILE: &str = "profile";

/// How somebody logs in.
#[derive(Clone)]
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

/// A device with somebody logged in.
pub struct Device {
    home: Home,
    keystore: Keystore,
    login: Login,
    local: Local,
    transport: Transport,
    profile: Profile,
    pair: LoginPair,
    files: Files,
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

/// A login whose key is at hand.
struct Opened {
    home: Home,
    keystore: Keystore,
    login: Login,
    key: LoginKey,
    local: Local,
    transport: Transport,
    profile: Profile,
    clock: Arc<dyn Clock>,
}

impl Opened {
    /// The device, with what follows from the key, and its journal sealed to the key that the workspace has now.
    async fn ready(self) -> Result<Device, DeviceError> {
        let device = Device {
            files: Files::new(self.home.attachments(), self.key.clone()),
            pair: LoginPair::of(&self.key)?,
            home: self.home,
            keystore: self.keystore,
            login: self.login,
            local: self.local,
            transport: self.transport,
            profile: self.profile,
            clock: self.clock,
        };
        device.keep_sealed().await?;
        Ok(device)
    }
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
        let database = home.database(&login);
        let local = match Local::open(&database, &key, clock.clone(), check).await {
            // What is here can still be read, and logged out of.
            Err(DatabaseError::DiskFull) if home.give_room() => {
                let local = Local::open(&database, &key, clock.clone(), check).await?;
                local.only_read();
                local
            }
            opened => opened?,
        };
        // A login is never without it: the file that was made for this one is gone, or has been emptied.
        let kept = local.kept(PROFILE).await?;
        let mut profile: Profile = kept.ok_or(DatabaseError::Damaged)?;
        let now = clock.now();
        if profile
            .latest
            .is_none_or(|latest| now > latest + profile::CLOCK_STEP)
        {
            profile.latest = Some(now);
            if !local.is_only_read() {
                local.keep(PROFILE, &profile).await?;
            }
        }
        let mut transport = Transport::new(&login.origin, login.ca.as_deref())?;
        transport.resume(&profile.session)?;
        transport.be(&profile.registered)?;
        sentry::adopt(&mut profile.guard, None, &transport);
        let opened = Opened {
            home,
            keystore,
            login,
            key,
            local,
            transport,
            profile,
            clock,
        };
        opened.ready().await
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
        leave::settle(&home).await;
        let keystore = keystores(wish.ephemeral)?;
        keystore.try_out(home.installation())?;
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
            policy_at: Some(clock.now()),
            latest: Some(clock.now()),
            lock: None,
            // What is published first may already belong to another.
            shaped: None,
            address: Address::of(&schema),
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
                let _ = transport.sign_out().await;
                // What can't be removed now is removed at the next start; why the login failed is what there is to say.
                if let Ok(Some(unfinished)) = home.unfinished() {
                    let _ = unfinished.run(&keystore);
                }
                return Err(error);
            }
        };
        let opened = Opened {
            home,
            keystore,
            login,
            key,
            local,
            transport,
            profile,
            clock,
        };
        opened.ready().await
    }

    /// Signs the same person in again, whose session has ended: everything on the device is as it was.
    pub async fn unlock(
        path: &Path,
        keystores: &Keystores,
        clock: Arc<dyn Clock>,
        wish: LoginWish<'_>,
    ) -> Result<Self, DeviceError> {
        let mut device = Self::open(path, keystores, clock).await?;
        match device.unlock_for(&wish).await {
            Ok(()) => Ok(device),
            Err(error) => {
                device.close()?;
                Err(error)
            }
        }
    }

    async fn unlock_for(&mut self, wish: &LoginWish<'_>) -> Result<(), DeviceError> {
        if self.profile.lock != Some(Lock::SignedOut) {
            return Err(DeviceError::LoggedIn);
        }
        let ca = wish.ca.as_deref().or(self.login.ca.as_deref());
        let mut transport = Transport::new(wish.url, ca)?;
        let is_same = self
            .profile
            .email
            .eq_ignore_ascii_case(wish.credentials.email);
        if transport.origin() != self.login.origin || !is_same {
            return Err(DeviceError::AnotherPerson);
        }
        let (user, session) = transport.sign_in(&wish.credentials).await?;
        if user != self.profile.user {
            let _ = transport.sign_out().await;
            return Err(DeviceError::AnotherPerson);
        }
        session.as_str().clone_into(&mut self.profile.session);
        self.profile.lock = None;
        // The platform learns of the new session with the device's first words in it, so that it ends with the device.
        self.profile.policy_at = None;
        self.local.keep(PROFILE, &self.profile).await?;
        self.transport.resume(&session)?;
        self.renew_policy(self.clock.now()).await;
        Ok(self.local.keep(PROFILE, &self.profile).await?)
    }

    async fn introduce(
        transport: &Transport,
        home: &Home,
        key: &LoginKey,
    ) -> Result<(Registered, Policy, Schema), DeviceError> {
        let welcome = transport.hello(None).await?;
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
        let user = User {
            id: self.profile.user,
            role: self.profile.role.parse().unwrap_or(Role::Viewer),
        };
        self.local
            .store(user)
            .in_zone(self.profile.address.time_zone())
    }

    /// Sends what waits and fetches what is new. An order to erase is carried out by whoever called, with [`Device::obey_wipe`].
    pub async fn sync(&mut self, mut report: impl FnMut(&Report)) -> Result<Ending, DeviceError> {
        let mut settings = Settings::new(self.profile.device());
        settings.proof = self.profile.proven.then_some(Proof::Equal);
        self.tell_sightings().await;
        let mut engine = Engine::new(settings);
        let ending = drive::sync(&self.local, &self.transport, &mut engine, &mut report).await;
        if let Ending::UpToDate { .. } = ending {
            self.renew_schema().await?;
        }
        self.profile.lock = match ending {
            Ending::UpToDate { .. } => None,
            Ending::SignedOut { revoked: true } => Some(Lock::Revoked),
            Ending::SignedOut { revoked: false } => Some(Lock::SignedOut),
            _ => self.profile.lock,
        };
        if let Ending::UpToDate { proven } = ending {
            let now = self.clock.now();
            // The platform has answered: whatever this clock has shown before, now counts.
            self.profile.latest = Some(now);
            self.profile.synced_at = Some(now);
            self.profile.proven = proven;
            self.renew_policy(now).await;
        }
        if !matches!(ending, Ending::Erase(_)) {
            self.local.keep(PROFILE, &self.profile).await?;
        }
        Ok(ending)
    }

    /// Fetches the schema and the user's role, if the records that are published belong to others than those that were fetched last. What
    /// couldn't be fetched once is asked for again.
    async fn renew_schema(&mut self) -> Result<(), DeviceError> {
        let Some(published) = self.local.published().await? else {
            return Ok(());
        };
        let shaped = Some(Shaped {
            epoch: published.epoch,
            schema: published.schema,
        });
        if self.profile.shaped == shaped {
            return Ok(());
        }
        let schema = self.transport.schema().await?;
        self.local.set_schema(document(&schema)).await?;
        self.profile.role.clone_from(&schema.role);
        self.profile.address = Address::of(&schema);
        self.profile.shaped = shaped;
        Ok(())
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

    /// Closes the database and gives the folder back.
    pub fn close(self) -> Result<(), DeviceError> {
        let Self {
            mut home, local, ..
        } = self;
        drop(local);
        home.keep_room();
        home.note_open(false)?;
        Ok(())
    }
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
        places: schema
            .objects
            .iter()
            .filter(|shape| !shape.places.is_empty())
            .map(|shape| (shape.name.clone(), shape.places.clone()))
            .collect(),
    }
}

/// A password that is wiped when it isn't needed any more.
pub type Password = Zeroizing<String>;
