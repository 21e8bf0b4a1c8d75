//! The pool of `fieldstone_auth`: connections that can call the look-up functions and nothing else.

use deadpool_postgres::{Object, Pool};

use super::IdentityError;

/// Hands out connections for looking people up. Cheap to clone.
#[derive(Clone)]
pub struct AuthPool(Pool);

impl std::fmt::Debug for AuthPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthPool")
    }
}

impl AuthPool {
    /// `pool` connects as `fieldstone_auth`.
    pub fn new(pool: Pool) -> Self {
        Self(pool)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this role reads no table: it has no tenant, and calls fixed functions by prepared statements"
    )]
    pub(crate) async fn get(&self) -> Result<Object, IdentityError> {
        Ok(self.0.get().await?)
    }
}
