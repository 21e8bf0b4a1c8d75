//! One call of the API: who makes it, with which rights, and what it says.

use std::sync::Arc;

use axum::{
    RequestPartsExt as _,
    body::Body,
    extract::{RawPathParams, rejection::RawPathParamsRejection},
};
use bytes::Bytes;
use fieldstone_model::{
    Caller, Capability, Needs, Object, ObjectClass, RecordId, Refusal, Rights, Role,
    query::Environment,
};
use fieldstone_store::{Store, StoreError};
use fieldstone_ui::Viewer;
use http::{Method, request::Parts};

use super::{
    BATCH_BYTES_MAX, body,
    error::{ApiError, Place},
    parameters::Parameters,
};
use crate::identity::{Identity, authenticate::Credential};

/// Most bytes of a call that needs nothing: a sign-in, or what a device says that has been erased.
const OPEN_BYTES_MAX: usize = 16 << 10;

/// One call of the API, already allowed.
pub(super) struct Call<S> {
    /// The caller's store; none where [`Needs::Nothing`] let nobody in.
    store: Option<S>,
    viewer: Option<Viewer>,
    rights: Rights,
    pub(super) parts: Parts,
    /// All of it; empty unless the method has one.
    body: Bytes,
}

impl<S: Store + Clone + 'static> Call<S> {
    /// Checks who calls against what the route needs.
    pub(super) async fn open(needs: Needs, mut parts: Parts, body: Body) -> Result<Self, ApiError> {
        let store = parts.extensions.remove::<S>();
        let viewer = parts.extensions.remove::<Viewer>();
        let credential = parts
            .extensions
            .get::<Arc<Identity>>()
            .map(|identity| &identity.credential);
        let role = store
            .as_ref()
            .map_or(Role::Viewer, |store| store.user().role);
        let rights = Rights::new(role, credential.map_or(&[], Credential::scopes));
        let mut call = Self {
            store,
            viewer,
            rights,
            parts,
            body: Bytes::new(),
        };
        call.admit(needs)?;
        let has_body = matches!(
            call.parts.method,
            Method::POST | Method::PATCH | Method::PUT
        );
        if has_body {
            // Before anybody has proved anything, there is little to say.
            let most = if needs == Needs::Nothing {
                OPEN_BYTES_MAX
            } else {
                BATCH_BYTES_MAX
            };
            call.body = body::bytes(body, most).await?;
        }
        Ok(call)
    }

    /// Refuses whoever hasn't got what the route needs, or what a part of what is asked for needs besides.
    pub(super) fn admit(&self, needs: Needs) -> Result<(), ApiError> {
        let identity = self.parts.extensions.get::<Arc<Identity>>();
        let caller = self.store.as_ref().and(self.viewer.as_ref());
        let caller = caller.map(|viewer| Caller {
            rights: &self.rights,
            has_session: identity.is_none_or(|identity| identity.credential.is_session()),
            is_proven: viewer.is_proven,
        });
        needs
            .admit(caller.as_ref())
            .map_err(|refusal| match refusal {
                Refusal::SignedOut => ApiError::not_signed_in(),
                Refusal::Denied => ApiError::denied(),
                Refusal::SessionNeeded => ApiError::session_needed(),
                Refusal::ProofNeeded => ApiError::proof_needed(),
            })
    }

    /// The body, which has to be JSON of at most `max` bytes.
    pub(super) fn json(&self, max: usize) -> Result<Bytes, ApiError> {
        body::check_type(&self.parts.headers)?;
        if self.body.len() > max {
            return Err(body::too_large(max));
        }
        Ok(self.body.clone())
    }

    /// The body as it came.
    pub(super) fn bytes(&self) -> Bytes {
        self.body.clone()
    }

    /// The caller's store.
    pub(super) fn store(&self) -> Result<&S, ApiError> {
        self.store.as_ref().ok_or_else(ApiError::not_signed_in)
    }

    /// The caller.
    pub(super) fn viewer(&self) -> Result<&Viewer, ApiError> {
        self.viewer.as_ref().ok_or_else(ApiError::not_signed_in)
    }

    /// What the caller may do.
    pub(super) fn rights(&self) -> &Rights {
        &self.rights
    }

    /// What `:me` and `:today` stand for.
    pub(super) fn environment(&self) -> Result<Environment, ApiError> {
        let viewer = self.viewer()?;
        Ok(Environment {
            me: viewer.user_id,
            today: viewer.today(),
        })
    }

    /// A part of the path, decoded.
    pub(super) async fn path(&mut self, name: &str) -> Result<String, ApiError> {
        match self.parts.extract::<RawPathParams>().await {
            Ok(params) => params
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_owned())
                .ok_or_else(|| ApiError::not_found("There is nothing at this address.")),
            Err(RawPathParamsRejection::InvalidUtf8InPathParam(_)) => Err(ApiError::bad_request(
                "not-utf8",
                "Encode the address as UTF-8.",
            )),
            Err(_) => Err(ApiError::not_found("There is nothing at this address.")),
        }
    }

    /// The object that the path names.
    pub(super) async fn object(&mut self) -> Result<Arc<Object>, ApiError> {
        let name = self.path("object").await?;
        let object = self.store()?.registry().object(&name).cloned();
        object.ok_or_else(|| StoreError::UnknownObject(name).into())
    }

    /// The object whose records are to be written. Those that Settings manage take the right to do so of the credential, not only of its
    /// owner's role.
    pub(super) async fn object_to_write(&mut self) -> Result<Arc<Object>, ApiError> {
        let object = self.object().await?;
        self.may_write(&object)?;
        Ok(object)
    }

    /// The object and the record to be written.
    pub(super) async fn record_to_write(&mut self) -> Result<(Arc<Object>, RecordId), ApiError> {
        let found = self.record().await?;
        self.may_write(&found.0)?;
        Ok(found)
    }

    fn may_write(&self, object: &Object) -> Result<(), ApiError> {
        if object.class == ObjectClass::Managed {
            self.admit(Needs::Capability(Capability::SchemaManage))?;
        }
        Ok(())
    }

    /// The object and the record that the path names. An id that can't be one is a record that isn't there.
    pub(super) async fn record(&mut self) -> Result<(Arc<Object>, RecordId), ApiError> {
        let object = self.object().await?;
        let id = self.path("id").await?;
        let id = id.parse::<RecordId>().ok();
        match id.filter(|id| id.prefix() == object.prefix_str()) {
            Some(id) => Ok((object, id)),
            None => Err(ApiError::no_such_record()),
        }
    }

    /// The query parameters; others than `known` are refused by name.
    pub(super) fn parameters(&self, known: &[&str]) -> Result<Parameters, ApiError> {
        Parameters::read(self.parts.uri.query().unwrap_or_default(), known)
    }

    /// The value of a header, if there is one that is text.
    pub(super) fn header(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.parts.headers.get(name).map(http::HeaderValue::to_str) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(_)) => {
                let detail = "Use visible ASCII characters only.";
                Err(
                    ApiError::bad_request("bad-header", "A header can't be read.").with(
                        Place::header(name),
                        "bad_header",
                        detail,
                    ),
                )
            }
        }
    }

    /// Whether the caller wants no representation of what was written (RFC 7240).
    pub(super) fn wants_minimal(&self) -> bool {
        let preferences = self.parts.headers.get_all("prefer").iter();
        preferences
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split([',', ';']))
            .any(|preference| preference.trim().eq_ignore_ascii_case("return=minimal"))
    }
}
