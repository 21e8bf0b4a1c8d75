//! A page of somebody who is signed in: who asks, and why there may be no answer.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use fieldstone_model::Capability;
use fieldstone_store::{Store as _, StoreError};
use fieldstone_ui::{Ask, Frame, PageError, Viewer, respond};
use jiff::Timestamp;

use crate::{
    identity::{Identity, IdentityError},
    store::PgStore,
};

/// The answer of a page.
pub(crate) type PageResult = Result<Response, Refusal>;

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A page that says so, in the frame.
    Page(PageError),
    #[allow(
        dead_code,
        reason = "the first page that weighs much comes with the next step"
    )]
    /// The person has to prove themselves first, and comes back to this address.
    Proof {
        /// Path and query.
        return_to: String,
    },
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Page(error) => error.into_response(),
            Self::Proof { return_to } => {
                let back = percent_encoding::utf8_percent_encode(
                    &return_to,
                    percent_encoding::NON_ALPHANUMERIC,
                );
                Redirect::to(&format!("/confirm?return_to={back}")).into_response()
            }
        }
    }
}

impl From<PageError> for Refusal {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Page(error.into())
    }
}

impl From<IdentityError> for Refusal {
    fn from(error: IdentityError) -> Self {
        Self::Page(match error {
            IdentityError::Unauthenticated => PageError::SignedOut,
            IdentityError::SessionNeeded
            | IdentityError::ProofNeeded
            | IdentityError::AboveOwnRole => PageError::Forbidden,
            IdentityError::CrossSite | IdentityError::Unacceptable(_) => PageError::Invalid,
            IdentityError::Missing(_) | IdentityError::LinkSpent => PageError::NotFound,
            IdentityError::LastOwner | IdentityError::Taken(_) => PageError::Conflict,
            IdentityError::Busy | IdentityError::Throttled { .. } => PageError::Busy,
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "a page failed");
                PageError::Failed
            }
        })
    }
}

/// One request of a person with a session.
#[derive(Clone)]
pub(crate) struct Inside {
    /// Their store.
    pub(crate) store: PgStore,
    /// How they are addressed.
    pub(crate) viewer: Viewer,
    /// By what they proved themselves.
    pub(crate) identity: Arc<Identity>,
    /// How the page was asked for.
    pub(crate) ask: Ask,
    /// Path of the request.
    pub(crate) path: String,
    /// Its query, as it came; empty when there is none.
    pub(crate) query: String,
    #[allow(
        dead_code,
        reason = "the first page that weighs much comes with the next step"
    )]
    is_read: bool,
}

impl Inside {
    /// The request's instant.
    pub(crate) fn now(&self) -> Timestamp {
        self.viewer.now
    }

    /// Refuses whoever lacks `capability`.
    pub(crate) fn require(&self, capability: Capability) -> Result<(), Refusal> {
        if self.viewer.can(capability) {
            Ok(())
        } else {
            Err(PageError::Forbidden.into())
        }
    }

    /// Sends whoever has not proved themselves lately to `/confirm`, and back here afterwards.
    ///
    /// A form that was sent is lost on that way, so the page with the form asks too; `form` is where that is.
    #[allow(
        dead_code,
        reason = "the first page that weighs much comes with the next step"
    )]
    pub(crate) fn require_recent_proof(&self, form: &str) -> Result<(), Refusal> {
        match self.identity.require_recent_proof(self.now()) {
            Ok(()) => Ok(()),
            Err(IdentityError::ProofNeeded) => Err(Refusal::Proof {
                return_to: match (self.is_read, self.query.as_str()) {
                    (false, _) => form.to_owned(),
                    (true, "") => self.path.clone(),
                    (true, query) => format!("{}?{query}", self.path),
                },
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// Answers with `partial` inside the frame.
    pub(crate) fn page_with(
        &self,
        status: StatusCode,
        title: impl Into<String>,
        partial: &impl askama::Template,
    ) -> Response {
        let frame = Frame::inside(&self.viewer, self.store.registry(), &self.path, title);
        respond(self.ask, status, &frame, partial)
    }
}

impl<T: Send + Sync> FromRequestParts<T> for Inside {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &T) -> Result<Self, Refusal> {
        let (Some(store), Some(viewer), Some(identity)) = (
            parts.extensions.get::<PgStore>(),
            parts.extensions.get::<Viewer>(),
            parts.extensions.get::<Arc<Identity>>(),
        ) else {
            return Err(PageError::SignedOut.into());
        };
        Ok(Self {
            store: store.clone(),
            viewer: viewer.clone(),
            identity: Arc::clone(identity),
            ask: Ask::of(&parts.headers),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            is_read: parts.method.is_safe(),
        })
    }
}
