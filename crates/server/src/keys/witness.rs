//! Whether anything of a workspace is sealed already, asked of the database before keys are made for it.
//!
//! That happens once in a workspace's life, and again and again once its keys are lost. So there is one question at a time, on a connection of its
//! own, and a yes is remembered for a while; whoever asks is in the middle of anything and waits.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fieldstone_vault::{VaultError, Witness};
use tokio::runtime::{self, Handle, RuntimeFlavor};
use tokio_postgres::Config;

use crate::database::{connect, serving};

/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// For how long a workspace counts as one that has something sealed.
const REMEMBERED: Duration = Duration::from_secs(10);

/// The database, as whoever looks people up reaches it. Clones ask in turn.
#[derive(Debug, Clone)]
pub struct SealedInDatabase {
    auth: Config,
    turn: Arc<Turn>,
}

impl SealedInDatabase {
    /// Asks the database as this role, which is `fieldstone_auth`.
    pub fn new(auth: Config) -> Self {
        Self {
            auth: serving(auth),
            turn: Arc::default(),
        }
    }

    async fn ask(auth: Config, tenant: String) -> io::Result<bool> {
        let client = connect(&auth).await.map_err(io::Error::other)?;
        let row = client
            .query_one("SELECT app.has_sealed($1)", &[&tenant])
            .await
            .map_err(io::Error::other)?;
        row.try_get(0).map_err(io::Error::other)
    }

    /// Asks on a thread of its own, since whoever waits may be one that others are run on.
    fn ask_aside(&self, tenant: &str) -> io::Result<bool> {
        let asked = Self::ask(self.auth.clone(), tenant.to_owned());
        let asking = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await? })
        });
        let answer = asking.join();
        answer.unwrap_or_else(|_| Err(io::Error::other("the question failed")))
    }
}

/// Whose turn it is to ask, and what is remembered from one turn to the next.
#[derive(Debug, Default)]
struct Turn(Mutex<Answers>);

#[derive(Debug, Default)]
struct Answers {
    /// Workspaces that have something sealed, and until when that needn't be asked.
    sealed: HashMap<String, Instant>,
    /// When a question failed last.
    failed: Option<Instant>,
}

impl Turn {
    /// The answer for somebody who came then, by `ask` unless it is remembered. Whoever waited while a question failed isn't made to wait for
    /// another one.
    fn answer(
        &self,
        tenant: &str,
        came: Instant,
        ask: impl FnOnce() -> io::Result<bool>,
    ) -> io::Result<bool> {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        answers.sealed.retain(|_, until| *until > now);
        if answers.sealed.contains_key(tenant) {
            return Ok(true);
        }
        if answers.failed.is_some_and(|failed| failed >= came) {
            return Err(io::Error::other("it didn't answer the question before"));
        }
        let answer = ask();
        match answer {
            Ok(true) => {
                let until = Instant::now() + REMEMBERED;
                answers.sealed.insert(tenant.to_owned(), until);
                tracing::error!(workspace = tenant, "{}", VaultError::KeysLost);
            }
            Ok(false) => {}
            Err(_) => answers.failed = Some(Instant::now()),
        }
        answer
    }
}

impl Witness for SealedInDatabase {
    fn has_sealed(&self, tenant: &str) -> Result<bool, VaultError> {
        let came = Instant::now();
        let wait = || self.turn.answer(tenant, came, || self.ask_aside(tenant));
        let in_the_way = Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
        let answer = if in_the_way {
            tokio::task::block_in_place(wait)
        } else {
            wait()
        };
        answer.map_err(|source| VaultError::Source {
            path: "the database".into(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_yes_is_remembered_and_a_no_is_asked_again() {
        let turn = Turn::default();
        let asked = AtomicUsize::new(0);
        let ask = |tenant: &str, answer: io::Result<bool>| {
            turn.answer(tenant, Instant::now(), || {
                asked.fetch_add(1, Ordering::Relaxed);
                answer
            })
        };
        for _ in 0..3 {
            assert!(ask("one", Ok(true)).unwrap());
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        // Keys are made then, or by somebody else.
        assert!(!ask("two", Ok(false)).unwrap());
        assert!(ask("two", Ok(true)).unwrap());
        assert!(ask("three", Err(io::Error::other("down"))).is_err());
        assert!(
            !ask("three", Ok(false)).unwrap(),
            "who comes later asks again"
        );
        assert_eq!(asked.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn there_is_one_question_at_a_time() {
        const ASKING: usize = 8;
        let turn = Turn::default();
        let (inside, most, asked) = (
            AtomicUsize::new(0),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        let together = Barrier::new(ASKING);
        thread::scope(|scope| {
            for number in 0..ASKING {
                let (turn, inside, most, asked, together) =
                    (&turn, &inside, &most, &asked, &together);
                scope.spawn(move || {
                    together.wait();
                    let answer = turn.answer(&number.to_string(), Instant::now(), || {
                        asked.fetch_add(1, Ordering::SeqCst);
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        for _ in 0..1_000 {
                            thread::yield_now();
                        }
                        inside.fetch_sub(1, Ordering::SeqCst);
                        Ok(false)
                    });
                    assert!(!answer.unwrap());
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 1);
        assert_eq!(asked.load(Ordering::SeqCst), ASKING);
    }

    #[test]
    fn nobody_waits_for_one_question_after_the_other_to_fail() {
        let turn = Turn::default();
        let (came, down) = (Instant::now(), || Err(io::Error::other("down")));
        assert!(turn.answer("one", came, down).is_err());
        let waited = turn.answer("two", came, || unreachable!("it isn't asked"));
        assert!(waited.is_err());
        assert!(!turn.answer("two", Instant::now(), || Ok(false)).unwrap());
    }
}
