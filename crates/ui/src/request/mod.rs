//! What a request brings: who asks, for which object and record, with which parameters.
//!
//! Extractors answer with pages of their own when something is missing, never with axum's plain texts.

mod pairs;

use std::{ops::Deref, sync::Arc};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{StatusCode, Uri, request::Parts},
    response::Response,
};
use fieldstone_model::{Capability, Object, ObjectClass, RecordId, Registry};
use fieldstone_store::Store;

pub(crate) use pairs::{Pairs, Submitted};

use crate::{
    error::PageError,
    frame::{Ask, Frame, respond},
    layout::{self, Layout},
    shelf::OwnShelf,
    viewer::Viewer,
};

/// The answer of a page.
pub type PageResult = Result<Response, PageError>;

/// One request of a person who is signed in.
#[derive(Debug, Clone)]
pub struct Session<S> {
    /// The person's store.
    pub store: S,
    /// The person.
    pub viewer: Viewer,
    /// How the page was asked for.
    pub ask: Ask,
    /// The path of the request.
    pub path: String,
    pub(crate) parameters: Pairs,
    /// Where the person keeps views, if anywhere.
    pub(crate) shelf: Option<OwnShelf>,
}

impl<S: Store> Session<S> {
    /// The workspace's objects.
    pub fn registry(&self) -> &Registry {
        self.store.registry()
    }

    /// Whether the person's role has `capability`.
    pub fn can(&self, capability: Capability) -> bool {
        self.viewer.can(capability)
    }

    /// Whether the person may create and change records of `object`.
    pub(crate) fn may_write(&self, object: &Object) -> bool {
        match object.class {
            ObjectClass::Record => self.can(Capability::RecordsWrite),
            ObjectClass::Managed => self.can(Capability::SchemaManage),
            ObjectClass::Directory => false,
        }
    }

    /// Whether the person may delete and restore records of `object`.
    pub(crate) fn may_delete(&self, object: &Object) -> bool {
        match object.class {
            ObjectClass::Record => self.can(Capability::RecordsDelete),
            ObjectClass::Managed => self.can(Capability::SchemaManage),
            ObjectClass::Directory => false,
        }
    }

    /// A parameter of the address.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)
    }

    /// Answers with `partial` inside the frame.
    pub fn page(&self, title: impl Into<String>, partial: &impl askama::Template) -> Response {
        self.page_with(StatusCode::OK, title, partial)
    }

    /// Answers with `partial` inside the frame and a status of its own.
    pub fn page_with(
        &self,
        status: StatusCode,
        title: impl Into<String>,
        partial: &impl askama::Template,
    ) -> Response {
        let frame = Frame::inside(&self.viewer, self.registry(), &self.path, title);
        respond(self.ask, status, &frame, partial)
    }
}

impl<S, T> FromRequestParts<T> for Session<S>
where
    S: Store + Clone + Send + Sync + 'static,
    T: Send + Sync,
{
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &T) -> Result<Self, PageError> {
        let (Some(store), Some(viewer)) = (
            parts.extensions.get::<S>(),
            parts.extensions.get::<Viewer>(),
        ) else {
            return Err(PageError::SignedOut);
        };
        Ok(Self {
            store: store.clone(),
            viewer: viewer.clone(),
            ask: Ask::of(&parts.headers),
            path: parts.uri.path().to_owned(),
            parameters: Pairs::parse(parts.uri.query().unwrap_or_default())
                .ok_or(PageError::Invalid)?,
            shelf: parts.extensions.get::<OwnShelf>().cloned(),
        })
    }
}

/// A request about one object: `/deals…`.
#[derive(Debug, Clone)]
pub(crate) struct AtObject<S> {
    session: Session<S>,
    pub(crate) object: Arc<Object>,
    pub(crate) layout: Layout,
}

impl<S: Store> AtObject<S> {
    /// A request about `object`, whatever its own path says.
    pub(crate) fn new(session: Session<S>, object: Arc<Object>) -> Self {
        let layout = layout::of(&object, session.registry());
        Self {
            session,
            object,
            layout,
        }
    }
}

impl<S> Deref for AtObject<S> {
    type Target = Session<S>;

    fn deref(&self) -> &Session<S> {
        &self.session
    }
}

impl<S, T> FromRequestParts<T> for AtObject<S>
where
    S: Store + Clone + Send + Sync + 'static,
    T: Send + Sync,
{
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &T) -> Result<Self, PageError> {
        let session = Session::<S>::from_request_parts(parts, state).await?;
        let plural = parameter(parts, state, "objects").await?;
        let object = session
            .registry()
            .by_plural(&plural)
            .filter(|object| layout::has_pages(object))
            .cloned()
            .ok_or(PageError::NotFound)?;
        let layout = layout::of(&object, session.registry());
        Ok(Self {
            session,
            object,
            layout,
        })
    }
}

/// A request about one record: `/deals/0061…`.
#[derive(Debug, Clone)]
pub(crate) struct AtRecord<S> {
    object: AtObject<S>,
    pub(crate) id: RecordId,
}

impl<S> AtRecord<S> {
    /// A request about the record `id`, whatever its own path says.
    pub(crate) fn new(object: AtObject<S>, id: RecordId) -> Self {
        Self { object, id }
    }
}

impl<S> Deref for AtRecord<S> {
    type Target = AtObject<S>;

    fn deref(&self) -> &AtObject<S> {
        &self.object
    }
}

impl<S, T> FromRequestParts<T> for AtRecord<S>
where
    S: Store + Clone + Send + Sync + 'static,
    T: Send + Sync,
{
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &T) -> Result<Self, PageError> {
        let object = AtObject::<S>::from_request_parts(parts, state).await?;
        let id: RecordId = parameter(parts, state, "id")
            .await?
            .parse()
            .map_err(|_| PageError::NotFound)?;
        if id.prefix() != object.object.prefix_str() {
            return Err(PageError::NotFound);
        }
        Ok(Self { object, id })
    }
}

/// A request about one field of one object: `/deals/options/account_id`.
#[derive(Debug, Clone)]
pub(crate) struct AtField<S> {
    object: AtObject<S>,
    pub(crate) field: fieldstone_model::Field,
}

impl<S> Deref for AtField<S> {
    type Target = AtObject<S>;

    fn deref(&self) -> &AtObject<S> {
        &self.object
    }
}

impl<S, T> FromRequestParts<T> for AtField<S>
where
    S: Store + Clone + Send + Sync + 'static,
    T: Send + Sync,
{
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &T) -> Result<Self, PageError> {
        let object = AtObject::<S>::from_request_parts(parts, state).await?;
        let name = parameter(parts, state, "field").await?;
        let field = object
            .object
            .field(&name)
            .cloned()
            .ok_or(PageError::NotFound)?;
        Ok(Self { object, field })
    }
}

async fn parameter<T: Send + Sync>(
    parts: &mut Parts,
    state: &T,
    name: &str,
) -> Result<String, PageError> {
    let parameters = RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| PageError::NotFound)?;
    parameters
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
        .ok_or(PageError::NotFound)
}

/// Where a person should come back to after signing in; only a path of this site, never another one.
pub(crate) fn way_back(uri: &Uri) -> String {
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    percent_encoding::utf8_percent_encode(path, percent_encoding::NON_ALPHANUMERIC).to_string()
}
