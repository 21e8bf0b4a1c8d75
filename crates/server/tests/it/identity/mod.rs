//! Identity against PostgreSQL: people sign in, are recognised, and lose access when they should.

mod audit;
pub(crate) mod people;
mod sign_in;
mod token;
