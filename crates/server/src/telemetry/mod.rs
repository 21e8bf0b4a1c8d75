//! What the server counts of itself, for Prometheus, on a listener of its own.
//!
//! No label ever names a workspace, a person, an address or a record: routes are told by their patterns. Counting costs next to nothing
//! while nobody has asked for it with [`start`].

mod listener;
mod names;
pub mod traces;

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use deadpool::managed::{Manager, Pool, WeakPool};
use metrics::{counter, gauge, histogram};

pub use self::listener::{Exporter, start};

/// How long requests take, in seconds; a page should stay below the third.
const SECONDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

/// What says how many connections a pool has.
type Look = Box<dyn Fn() -> Option<deadpool::Status> + Send>;

/// The pools of this process, which are looked at when somebody asks.
static POOLS: OnceLock<Mutex<Vec<(&'static str, Look)>>> = OnceLock::new();

/// Has a pool's connections counted while it lives.
pub(crate) fn watch<M: Manager + 'static>(name: &'static str, pool: &Pool<M>) {
    let weak: WeakPool<M> = pool.weak();
    let look: Look = Box::new(move || Some(weak.upgrade()?.status()));
    let pools = POOLS.get_or_init(Mutex::default);
    pools
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push((name, look));
}

/// Looks at all pools, and forgets those that are gone.
fn look_at_pools() {
    let Some(pools) = POOLS.get() else { return };
    let mut pools = pools.lock().unwrap_or_else(PoisonError::into_inner);
    pools.retain(|(name, look)| {
        let Some(status) = look() else { return false };
        #[expect(clippy::cast_precision_loss, reason = "some dozens of connections")]
        for (state, count) in [
            ("busy", status.size.saturating_sub(status.available) as f64),
            ("free", status.available as f64),
            ("awaited", status.waiting as f64),
            ("most", status.max_size as f64),
        ] {
            gauge!(names::CONNECTIONS, "pool" => *name, "state" => state).set(count);
        }
        true
    });
}

/// One request was answered.
pub(crate) fn request(method: &http::Method, route: Option<&str>, status: u16, took: Duration) {
    let method = known_method(method);
    let route = route.unwrap_or("none").to_owned();
    counter!(names::REQUESTS, "method" => method.to_owned(), "route" => route.clone(), "status" => status.to_string()).increment(1);
    histogram!(names::REQUEST_SECONDS, "method" => method.to_owned(), "route" => route)
        .record(took);
}

/// A label per invented word would be a way to fill the memory.
fn known_method(method: &http::Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
        _ => "other",
    }
}

/// Somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The password was wrong, or the address.
    Password,
    /// The second factor was wrong.
    Code,
    /// There were too many attempts.
    Throttled,
}

/// Counts a sign-in that was refused.
pub(crate) fn sign_in_refused(why: Refusal) {
    let reason = match why {
        Refusal::Password => "password",
        Refusal::Code => "code",
        Refusal::Throttled => "throttled",
    };
    counter!(names::SIGN_IN_REFUSALS, "reason" => reason).increment(1);
}

/// A device was sent a page, and said whether what it has was as it should be.
pub(crate) fn pulled(rows: u64, proven: Option<bool>) {
    counter!(names::SYNC_PAGES).increment(1);
    counter!(names::SYNC_ROWS).increment(rows);
    if proven == Some(false) {
        counter!(names::SYNC_REPAIRS).increment(1);
    }
}

/// A device sent changes.
pub(crate) fn pushed(changes: u64, conflicts: u64) {
    counter!(names::SYNC_CHANGES).increment(changes);
    counter!(names::SYNC_CONFLICTS).increment(conflicts);
}

/// A job came to an end.
pub(crate) fn job(name: &'static str, ok: bool, took: Duration) {
    let outcome = if ok { "done" } else { "failed" };
    counter!(names::JOB_RUNS, "job" => name, "outcome" => outcome).increment(1);
    histogram!(names::JOB_SECONDS, "job" => name).record(took);
    traces::job(name, ok, took);
}

/// The object store was used.
pub(crate) fn object_store(operation: &'static str, ok: bool) {
    let outcome = if ok { "done" } else { "failed" };
    counter!(names::OBJECT_STORE, "operation" => operation, "outcome" => outcome).increment(1);
}

/// What `/readyz` found.
pub(crate) fn readiness(ready: bool, checks: impl Iterator<Item = (&'static str, bool)>) {
    let number = |ok| if ok { 1.0 } else { 0.0 };
    gauge!(names::READY).set(number(ready));
    for (check, ok) in checks {
        gauge!(names::CHECK, "check" => check).set(number(ok));
    }
}

/// How long ago the last backup and the last drill ended, and for how long one transaction has held devices back; in seconds.
pub(crate) fn ages(backup: Option<f64>, drill: Option<f64>, held: f64) {
    if let Some(age) = backup {
        gauge!(names::BACKUP_AGE).set(age);
    }
    if let Some(age) = drill {
        gauge!(names::DRILL_AGE).set(age);
    }
    gauge!(names::SYNC_HELD).set(held);
}

/// The least room of the folders that must not fill up, in bytes.
#[expect(
    clippy::cast_precision_loss,
    reason = "a disk's size to some megabytes"
)]
pub(crate) fn room(free: u64, total: u64) {
    gauge!(names::DISK, "of" => "free").set(free as f64);
    gauge!(names::DISK, "of" => "total").set(total as f64);
}
