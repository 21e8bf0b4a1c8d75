//! What people do with their own account: prove themselves, change password and profile, end sessions, set up a second factor.

mod password;
mod policy;
mod profile;
mod proof;
mod sessions;
mod together;
pub(crate) mod two_step;
