//! What people do with their own account: prove themselves again, change their profile.

mod profile;
mod proof;
