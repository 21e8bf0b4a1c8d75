//! A page of somebody who is signed in, with what the server knows of them beyond what pages know.

use std::{ops::Deref, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};
use fieldstone_ui::{PageError, Session};

use crate::{
    identity::{Identity, IdentityError},
    store::PgStore,
};

/// One request of a person with a session.
#[derive(Clone)]
pub(crate) struct Inside {
    session: Session<PgStore>,
    /// By what they proved themselves.
    pub(crate) identity: Arc<Identity>,
}

impl Deref for Inside {
    type Target = Session<PgStore>;

    fn deref(&self) -> &Session<PgStore> {
        &self.session
    }
}

impl<T: Send + Sync> FromRequestParts<T> for Inside {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &T) -> Result<Self, PageError> {
        let session = Session::from_request_parts(parts, state).await?;
        let identity = parts.extensions.get::<Arc<Identity>>();
        let identity = Arc::clone(identity.ok_or(PageError::SignedOut)?);
        Ok(Self { session, identity })
    }
}

impl From<IdentityError> for PageError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Unauthenticated => Self::SignedOut,
            IdentityError::ProofNeeded => Self::Unproven,
            IdentityError::SessionNeeded | IdentityError::AboveOwnRole => Self::Forbidden,
            IdentityError::CrossSite | IdentityError::Unacceptable(_) | IdentityError::Weak(_) => {
                Self::Invalid
            }
            IdentityError::Missing(_) | IdentityError::LinkSpent => Self::NotFound,
            IdentityError::LastOwner
            | IdentityError::Taken(_)
            | IdentityError::FactorChanged
            | IdentityError::AlreadyMember(_)
            | IdentityError::AlreadyInvited(_) => Self::Conflict,
            IdentityError::Busy | IdentityError::TooOften | IdentityError::Throttled { .. } => {
                Self::Busy
            }
            IdentityError::Records(error) => error.into(),
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "a page failed");
                Self::Failed
            }
        }
    }
}
