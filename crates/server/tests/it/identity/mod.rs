//! Identity against PostgreSQL: people sign in, are recognised, and lose access when they should.

mod audit;
mod people;
mod sign_in;
mod token;
