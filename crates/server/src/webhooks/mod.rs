//! Webhooks: addresses of other systems that are told what happens here, signed, tried again, and never led into a network of our own.
//!
//! Rules queue what is to be told; the job sends it. An address is resolved once for each try, every one of its addresses is checked, and the
//! connection goes to a checked one. Redirects are not followed.

mod job;
mod networks;
mod rows;
mod send;
mod sign;

pub use job::Webhooks;
pub use networks::Networks;
pub use rows::{Delivery, Webhook};
pub(crate) use send::{AddressProblem, URL_MAX, check_url};
pub(crate) use sign::{SECRETS, Secret, secret_place};
