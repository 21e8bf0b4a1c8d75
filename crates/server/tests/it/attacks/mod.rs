//! Attacks on tenancy, as the serving role over SQL.
//!
//! Each attack is data: what the attacker does, and the defences that stop it. Every attack is run three ways: with all
//! defences it has to fail; without any it has to *succeed*, or it would prove nothing; and with each defence alone it has
//! to fail, or that defence would be none.

mod accounts;
mod catalog;
mod forgery;
mod keys;
mod leftovers;
mod rights;
mod scratch;

use futures_util::future::BoxFuture;

use scratch::Scratch;

/// One attack.
pub(crate) struct Attack {
    /// What the attacker wants.
    name: &'static str,
    /// Does it; true when they got it. Runs twice in one database, so what it arranges may be there already.
    run: for<'a> fn(&'a Scratch) -> BoxFuture<'a, bool>,
    /// Each of these alone stops it.
    defences: &'static [Defence],
}

/// One defence, and how a scratch database loses it.
pub(crate) struct Defence {
    name: &'static str,
    remove: Removal,
}

pub(crate) enum Removal {
    /// Statements of a superuser.
    Sql(&'static str),
    /// Replaces text in the body of the functions `app.<name>`; fails when it is not there.
    Body {
        functions: &'static [&'static str],
        from: &'static str,
        to: &'static str,
    },
    /// Turns one refusal of the functions `app.<name>` into nothing: the RAISE with this message.
    Refusal {
        functions: &'static [&'static str],
        message: &'static str,
    },
}

/// Runs `attack` forwards, backwards, and against each defence alone.
async fn prove(attack: &Attack) {
    prove_in(attack, Scratch::new).await;
}

async fn prove_in(attack: &Attack, scratch: impl AsyncFn() -> Scratch) {
    assert!(
        !attack.defences.is_empty(),
        "{}: nothing is said to stop it",
        attack.name
    );
    let both_ways = scratch().await;
    assert!(
        !(attack.run)(&both_ways).await,
        "{} succeeded against all defences",
        attack.name
    );
    remove(&both_ways, attack.defences, |_| true).await;
    assert!(
        (attack.run)(&both_ways).await,
        "{} failed although every defence was removed, so it proves nothing",
        attack.name
    );
    if attack.defences.len() > 1 {
        for (kept, defence) in attack.defences.iter().enumerate() {
            let alone = scratch().await;
            remove(&alone, attack.defences, |at| at != kept).await;
            assert!(
                !(attack.run)(&alone).await,
                "{}: \"{}\" alone does not stop it",
                attack.name,
                defence.name
            );
        }
    }
}

async fn remove(scratch: &Scratch, defences: &[Defence], which: impl Fn(usize) -> bool) {
    for (_, defence) in defences.iter().enumerate().filter(|(at, _)| which(*at)) {
        scratch.remove(defence).await;
    }
}

/// One test for each attack.
macro_rules! attacks {
    ($($attack:ident),* $(,)?) => {
        #[allow(non_snake_case, reason = "the test is named after the attack it proves")]
        mod proven {
            $(#[tokio::test]
            async fn $attack() {
                $crate::attacks::prove(&super::$attack).await;
            })*
        }
    };
}
use attacks;
