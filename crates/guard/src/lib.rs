//! Threat detection for a device: whether it is rooted or an emulator, whether the process is debugged, whether something was put into it.
//!
//! It knows nothing of the app that it guards. Probes look at the world through a trait ([`World`]), so that recorded devices can be
//! replayed; what they find carries its evidence in words; a policy ([`Policy`]) says what follows, and can only ever be tightened.
//!
//! ```no_run
//! use fieldstone_guard::{Allowances, Libraries, Policy, Tracer, protect};
//!
//! let allowances = Allowances {
//!     libraries: Libraries::Listed(&["libc.so", "libgcc_s.so", "ld-linux-x86-64.so"]),
//!     jit: None,
//!     folders: Vec::new(),
//!     threads_max: 8,
//!     tracer: Tracer::default(),
//! };
//! // First in main. A threat ends the process before this returns.
//! let guard = protect(Policy::of_this_build(), &allowances, Box::new(|sighting| eprintln!("{sighting:?}")));
//! ```
//!
//! What this can't do: an expert with time and root wins. It detects and ends; docs/guard.md says what, how fast, and what it misses.

mod allow;
pub mod answers;
mod finding;
mod guard;
pub mod harden;
pub mod hide;
mod live;
pub mod parse;
mod policy;
pub mod probe;
mod seal;
mod secret;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod supervise;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod sys;
mod world;

pub use allow::{Allowances, Jit, Libraries, Tracer};
pub use finding::{EVIDENCE_MAX, Family, Finding};
pub use guard::{EXIT_STATUS, Guard, OnThreat, Probes, Sighting, protect};
pub use live::Live;
pub use policy::{Action, Device, Policy};
pub use seal::Seal;
pub use secret::Secret;
pub use world::{Kind, READ_MAX, Reading, Status, System, World};
