//! The secrets manager as the rest of the server sees it: one login that is kept alive, and questions that can be asked from anywhere.
//!
//! Questions are answered on a thread of its own, so that whoever asks may be in the middle of anything.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use fieldstone_vault::{SecretSession, SecretStore, VaultError};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::{self, Handle, RuntimeFlavor};
use tokio::sync::{Mutex as Turn, Notify, oneshot};
use zeroize::Zeroizing;

use super::client::{Connection, Found, Token};
use super::settings::SecretSettings;
use super::{SecretError, as_vault_error};

/// How long somebody who asks waits at most for everything that one piece of work needs: a login and some answers.
const PATIENCE: Duration = Duration::from_secs(12);
/// For how long nobody asks again after there was no answer: what is running has what it needs, and must not wait.
const PAUSE: Duration = Duration::from_secs(5);
/// For how long it counts as seen.
const FRESH: Duration = Duration::from_secs(10);
/// How soon something is tried again that didn't work.
const AGAIN: Duration = Duration::from_secs(10);
/// A login is made longer when a third of its time is left, and no more rarely than this.
const LONGEST_SLEEP: Duration = Duration::from_hours(1);
/// The field that a key of a workspace is kept in.
const KEYS: &str = "keys";
/// How long it may take until an answer, once there, is with whoever asked.
const HANDOVER: Duration = Duration::from_secs(1);
const TRIES: u32 = 5;

/// How the login stands, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// When the login ends; nothing for one that doesn't.
    pub ends_in: Option<Duration>,
    /// Whether that can be made longer by itself.
    pub lasts: bool,
}

/// A secrets manager that is logged in to. Cheap to clone.
#[derive(Clone)]
pub struct Manager(Arc<Shared>);

struct Shared {
    inner: Arc<Inner>,
    handle: Handle,
    /// Ends the thread with the last clone.
    _stop: oneshot::Sender<()>,
}

struct Inner {
    connection: Connection,
    login: Turn<Option<Login>>,
    /// Told when there is another login to keep alive.
    made: Notify,
    seen: Mutex<Seen>,
}

/// A token, and until when it is good.
#[derive(Clone)]
struct Login {
    text: SecretString,
    ends: Option<Instant>,
    /// Nothing for one that doesn't end.
    lease: Option<Duration>,
    renewable: bool,
}

/// When it last answered, and when it last didn't.
#[derive(Default)]
struct Seen {
    good: Option<Instant>,
    bad: Option<(Instant, SecretError)>,
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Manager")
    }
}

impl Manager {
    /// Logs in and keeps the login alive. Fails when that can't be done just now.
    pub fn open(settings: &SecretSettings) -> Result<Self, SecretError> {
        let manager = Self::new(settings)?;
        manager.ask(|inner| async move { inner.token().await.map(|_| ()) })?;
        Ok(manager)
    }

    /// One that hasn't logged in yet.
    fn new(settings: &SecretSettings) -> Result<Self, SecretError> {
        let inner = Arc::new(Inner {
            connection: Connection::new(settings.clone())?,
            login: Turn::default(),
            made: Notify::new(),
            seen: Mutex::default(),
        });
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|_| SecretError::Settings("no thread can be started for it"))?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let kept = Arc::clone(&inner);
        thread::Builder::new()
            .name("secrets".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        () = kept.keep() => {}
                    }
                });
            })
            .map_err(|_| SecretError::Settings("no thread can be started for it"))?;
        Ok(Self(Arc::new(Shared {
            inner,
            handle,
            _stop: stop,
        })))
    }

    /// How it is reached, without anything secret.
    pub fn settings(&self) -> &SecretSettings {
        self.0.inner.connection.settings()
    }

    /// One field of a secret; nothing when there is none.
    pub fn field(&self, path: &str, field: &str) -> Result<Option<Zeroizing<String>>, SecretError> {
        let (path, field) = (path.to_owned(), field.to_owned());
        let found = self.ask(|inner| async move { inner.read(&path).await })?;
        Ok(found.and_then(|found| {
            let value = found.fields.get(&field)?;
            Some(Zeroizing::new(value.expose_secret().to_owned()))
        }))
    }

    /// Puts `new` in the place of `old` in one field of a secret (nothing: the field isn't there), and leaves the others as they are.
    /// Answers whether it did: not where the field holds something else by now.
    pub fn replace_field(
        &self,
        path: &str,
        field: &str,
        old: Option<&str>,
        new: &str,
    ) -> Result<bool, SecretError> {
        let (path, field) = (path.to_owned(), field.to_owned());
        let (old, new) = (old.map(SecretString::from), SecretString::from(new));
        self.ask(|inner| async move {
            for _ in 0..TRIES {
                let (mut fields, seen) = match inner.read(&path).await? {
                    Some(found) => (found.fields, found.version),
                    None => (BTreeMap::new(), 0),
                };
                let present = fields.get(&field).map(ExposeSecret::expose_secret);
                if present != old.as_ref().map(ExposeSecret::expose_secret) {
                    return Ok(false);
                }
                fields.insert(field.clone(), new.clone());
                // Somebody else was faster, perhaps with another field.
                if inner.write(&path, &fields, seen).await? {
                    return Ok(true);
                }
            }
            Err(SecretError::Contended(path))
        })
    }

    /// Whether it answers and how the login stands; asked at most every few seconds.
    pub fn standing(&self) -> Result<Standing, SecretError> {
        self.ask(|inner| async move {
            let login = inner.token().await?;
            let is_fresh = inner.seen().good.is_some_and(|good| good.elapsed() < FRESH);
            if !is_fresh {
                inner
                    .with_login(|inner, text| async move { inner.connection.look_up(&text).await })
                    .await?;
            }
            let can_log_in = !matches!(
                inner.connection.settings().login,
                super::LoginSettings::TokenFile(_)
            );
            Ok(Standing {
                ends_in: login
                    .ends
                    .map(|ends| ends.saturating_duration_since(Instant::now())),
                lasts: login.renewable || can_log_in || login.ends.is_none(),
            })
        })
    }

    /// Asks on the manager's own thread, and waits.
    fn ask<T, F>(&self, question: impl FnOnce(Arc<Inner>) -> F) -> Result<T, SecretError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SecretError>> + Send + 'static,
    {
        self.ask_until(Instant::now() + PATIENCE, question)
    }

    /// The same, and waits until then at most.
    fn ask_until<T, F>(
        &self,
        then: Instant,
        question: impl FnOnce(Arc<Inner>) -> F,
    ) -> Result<T, SecretError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SecretError>> + Send + 'static,
    {
        self.0.inner.rest()?;
        let patience = then.saturating_duration_since(Instant::now());
        if patience.is_zero() {
            // Whoever asks has spent their time; that says nothing of the manager.
            return Err(too_slow());
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let asked = question(Arc::clone(&self.0.inner));
        let inner = Arc::clone(&self.0.inner);
        self.0.handle.spawn(async move {
            let answer = tokio::time::timeout(patience, asked).await;
            // Those who ask next needn't wait as long to hear the same.
            let answer = answer.unwrap_or_else(|_| inner.note(Err(too_slow())));
            // Whoever asked may have given up.
            let _ = sender.send(answer);
        });
        let wait = || receiver.recv_timeout(patience + HANDOVER);
        let in_the_way = Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
        let answer = if in_the_way {
            tokio::task::block_in_place(wait)
        } else {
            wait()
        };
        answer.unwrap_or_else(|_| Err(too_slow()))
    }
}

fn too_slow() -> SecretError {
    SecretError::Unreachable("no answer in time".to_owned())
}

impl Inner {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails at once while there was no answer a moment ago.
    fn rest(&self) -> Result<(), SecretError> {
        match &self.seen().bad {
            Some((at, error)) if at.elapsed() < PAUSE => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn note<T>(&self, answer: Result<T, SecretError>) -> Result<T, SecretError> {
        let mut seen = self.seen();
        match &answer {
            Err(error) if error.is_outage() => seen.bad = Some((Instant::now(), error.clone())),
            _ => {
                seen.good = Some(Instant::now());
                seen.bad = None;
            }
        }
        answer
    }

    /// The present login, made where there is none or it has ended.
    async fn token(&self) -> Result<Login, SecretError> {
        let mut login = self.login.lock().await;
        if let Some(login) = &*login
            && login.ends.is_none_or(|ends| ends > Instant::now())
        {
            return Ok(login.clone());
        }
        let fresh = Login::from(self.note(self.connection.log_in().await)?);
        *login = Some(fresh.clone());
        self.made.notify_one();
        Ok(fresh)
    }

    /// Asks with the present login, and once more with a new one when that was refused: it may have been taken back.
    async fn with_login<T, F>(
        self: &Arc<Self>,
        ask: impl Fn(Arc<Self>, SecretString) -> F,
    ) -> Result<T, SecretError>
    where
        F: Future<Output = Result<T, SecretError>>,
    {
        let login = self.token().await?;
        let answer = self.note(ask(Arc::clone(self), login.text.clone()).await);
        if !matches!(answer, Err(SecretError::Denied(_))) {
            return answer;
        }
        let mut current = self.login.lock().await;
        if current
            .as_ref()
            .is_some_and(|current| current.text.expose_secret() == login.text.expose_secret())
        {
            *current = None;
        }
        drop(current);
        let login = self.token().await?;
        self.note(ask(Arc::clone(self), login.text).await)
    }

    async fn read(self: &Arc<Self>, path: &str) -> Result<Option<Found>, SecretError> {
        self.with_login(|inner, text| async move { inner.connection.read(&text, path).await })
            .await
    }

    async fn write(
        self: &Arc<Self>,
        path: &str,
        fields: &BTreeMap<String, SecretString>,
        seen: u64,
    ) -> Result<bool, SecretError> {
        self.with_login(|inner, text| async move {
            inner.connection.write(&text, path, fields, seen).await
        })
        .await
    }

    /// Keeps the login alive. Never returns.
    async fn keep(&self) {
        loop {
            let pause = match &*self.login.lock().await {
                Some(login) => login.pause(Instant::now()),
                None => AGAIN,
            };
            tokio::select! {
                () = tokio::time::sleep(pause.max(Duration::from_millis(200))) => {}
                () = self.made.notified() => continue,
            }
            let Some(login) = self.login.lock().await.clone() else {
                continue;
            };
            let Some(lease) = login.lease else {
                continue;
            };
            let longer = if login.renewable {
                self.note(self.connection.renew(&login.text).await)
            } else {
                Err(SecretError::Denied("the renewal".to_owned()))
            };
            let longer = match longer {
                // A renewal can't go past the most that was ever allowed; a new login can.
                Ok(token) if token.lease.is_none_or(|longer| longer > lease / 2) => Ok(token),
                Err(error) if error.is_outage() => Err(error),
                _ => self.note(self.connection.log_in().await),
            };
            match longer {
                Ok(token) => *self.login.lock().await = Some(Login::from(token)),
                Err(error) => {
                    tracing::warn!(
                        "The login at the secrets manager could not be made longer. {error}"
                    );
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}

impl Login {
    /// How long it can be left alone from now on: until a third of its lease is left. What was left when a renewal failed is less than that.
    fn pause(&self, now: Instant) -> Duration {
        let (Some(ends), Some(lease)) = (self.ends, self.lease) else {
            return LONGEST_SLEEP;
        };
        ends.saturating_duration_since(now)
            .saturating_sub(lease / 3)
            .min(LONGEST_SLEEP)
    }
}

impl From<Token> for Login {
    fn from(token: Token) -> Self {
        Self {
            ends: token
                .lease
                .and_then(|lease| Instant::now().checked_add(lease)),
            text: token.text,
            lease: token.lease,
            renewable: token.renewable,
        }
    }
}

impl SecretStore for Manager {
    fn begin(&self) -> Box<dyn SecretSession + '_> {
        Box::new(Work {
            manager: self,
            until: Instant::now() + PATIENCE,
        })
    }

    fn check(&self) -> Result<(), VaultError> {
        self.standing()
            .map(|_| ())
            .map_err(|error| as_vault_error("workspaces", error))
    }
}

/// Questions that belong together, and all together take no longer than one.
struct Work<'a> {
    manager: &'a Manager,
    until: Instant,
}

impl Work<'_> {
    /// Asks with the present login.
    fn ask<T, F>(
        &self,
        path: &str,
        question: impl Fn(Arc<Inner>, SecretString, String) -> F + Send + Sync + 'static,
    ) -> Result<T, VaultError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SecretError>> + Send + 'static,
    {
        let asked = path.to_owned();
        self.manager
            .ask_until(self.until, |inner| async move {
                inner
                    .with_login(|inner, text| question(inner, text, asked.clone()))
                    .await
            })
            .map_err(|error| as_vault_error(path, error))
    }
}

impl SecretSession for Work<'_> {
    fn read(&self, path: &str) -> Result<Option<(Zeroizing<String>, u64)>, VaultError> {
        let found = self.ask(path, |inner, text, path| async move {
            inner.connection.read(&text, &path).await
        })?;
        let Some(found) = found else {
            return Ok(None);
        };
        let value = found
            .fields
            .get(KEYS)
            .ok_or_else(|| VaultError::Damaged(path.into()))?;
        Ok(Some((
            Zeroizing::new(value.expose_secret().to_owned()),
            found.version,
        )))
    }

    fn write(&self, path: &str, value: &str, seen: u64) -> Result<bool, VaultError> {
        let fields = BTreeMap::from([(KEYS.to_owned(), SecretString::from(value))]);
        self.ask(path, move |inner, text, path| {
            let fields = fields.clone();
            async move { inner.connection.write(&text, &path, &fields, seen).await }
        })
    }

    fn destroy(&self, path: &str, version: u64) -> Result<(), VaultError> {
        self.ask(path, move |inner, text, path| async move {
            inner.connection.destroy(&text, &path, version).await
        })
    }

    fn remove(&self, path: &str) -> Result<(), VaultError> {
        self.ask(path, |inner, text, path| async move {
            inner.connection.remove(&text, &path).await
        })
    }

    fn list(&self, path: &str) -> Result<Vec<String>, VaultError> {
        self.ask(path, |inner, text, path| async move {
            inner.connection.list(&text, &path).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_left_alone_until_a_third_of_it_is_left_and_no_longer() {
        let begun = Instant::now();
        let of = |lease: Option<Duration>| Login {
            text: SecretString::from("a token"),
            ends: lease.map(|lease| begun + lease),
            lease,
            renewable: true,
        };
        let minutes = Duration::from_mins;
        let short = of(Some(minutes(30)));
        assert_eq!(short.pause(begun), minutes(20));
        assert_eq!(short.pause(begun + minutes(15)), minutes(5));
        // A renewal has failed: what is left isn't slept away.
        assert_eq!(short.pause(begun + minutes(21)), Duration::ZERO);
        assert_eq!(short.pause(begun + minutes(31)), Duration::ZERO);
        let long = of(Some(minutes(60 * 24)));
        assert_eq!(long.pause(begun), LONGEST_SLEEP);
        assert_eq!(long.pause(begun + minutes(60 * 16 - 5)), minutes(5));
        assert_eq!(of(None).pause(begun), LONGEST_SLEEP);
    }

    #[tokio::test]
    async fn whoever_has_spent_their_time_elsewhere_says_nothing_of_the_manager() {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "address = \"https://127.0.0.1:9\"\nlogin = {{ token_file = {:?} }}",
            folder.path().join("token")
        );
        let manager = Manager::new(&toml::from_str(&settings).unwrap()).unwrap();
        let late = manager.ask_until(Instant::now(), |_| async { Ok(()) });
        assert!(matches!(late, Err(SecretError::Unreachable(_))), "{late:?}");
        assert!(manager.0.inner.rest().is_ok(), "the next one asks it");
        let in_time = manager.ask_until(Instant::now() + PATIENCE, |_| async { Ok(7) });
        assert_eq!(in_time.unwrap(), 7);
    }
}
