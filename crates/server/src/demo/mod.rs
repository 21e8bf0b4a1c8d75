//! Demo data: two companies with two years of records, the same on every machine for the same day.
//!
//! Everything in it is invented. Only the passwords differ: each installation makes its own.

mod activity;
mod install;
mod making;
mod people;
mod random;
mod sales;
mod service;
#[cfg(test)]
mod tests;
mod words;

use fieldstone_model::{Change, RecordId, Registry};
use jiff::civil::Date;

pub use install::{DemoError, DemoUser, file, install};
pub use people::{Business, COMPANIES, Company, Person};

/// Most changes that a store takes at once.
pub const CHUNK: usize = 5_000;

/// Everything that a demo company has on `today`, in the order in which it can be made.
///
/// `users` are the ids of the company's people, in their order.
pub fn changes(
    company: &Company,
    today: Date,
    registry: &Registry,
    users: &[RecordId],
) -> Vec<Change> {
    let owners = people::owners(company, users);
    match company.business {
        Business::Sales => sales::changes(today, registry, owners),
        Business::Service => service::changes(today, registry, owners),
    }
}
