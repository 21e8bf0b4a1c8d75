//! What keeps programs: service accounts with their tokens, applications, and how long tokens live. For those who manage the workspace.

use fieldstone_model::{FieldError, Problem, RecordId, Role};
use fieldstone_store::StoreError;
use jiff::Timestamp;
use serde_json::Value as Json;
use zeroize::Zeroizing;

use super::{ApiStore, call::Call, error::ApiError};
use crate::{
    identity::{
        oauth::{Application, NewApplication},
        service_account::{ServiceAccount, TokenPolicy},
        token::ApiTokenSummary,
    },
    store::PgStore,
};

/// Keeps the programs of a workspace.
pub trait ProgramStore: Send + Sync {
    /// The service accounts, by name.
    fn service_accounts(
        &self,
    ) -> impl Future<Output = Result<Vec<ServiceAccount>, StoreError>> + Send;

    /// One of them.
    fn service_account(
        &self,
        id: RecordId,
    ) -> impl Future<Output = Result<Option<ServiceAccount>, StoreError>> + Send;

    /// Makes one with a role that is not above the caller's own; answers its id.
    fn add_service_account(
        &self,
        name: &str,
        role: Role,
    ) -> impl Future<Output = Result<RecordId, StoreError>> + Send;

    /// Gives one another name and role.
    fn update_service_account(
        &self,
        id: RecordId,
        name: &str,
        role: Role,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Switches one on or off; off, its tokens end for good.
    fn switch_service_account(
        &self,
        id: RecordId,
        active: bool,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The living tokens of one.
    fn service_tokens(
        &self,
        id: RecordId,
    ) -> impl Future<Output = Result<Vec<ApiTokenSummary>, StoreError>> + Send;

    /// Makes a token for one; answers its id and its secret.
    fn add_service_token(
        &self,
        id: RecordId,
        name: &str,
        scopes: &[&str],
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<(RecordId, Zeroizing<String>), StoreError>> + Send;

    /// The applications, what is built in first, then by name.
    fn applications(&self) -> impl Future<Output = Result<Vec<Application>, StoreError>> + Send;

    /// One of them.
    fn application(
        &self,
        id: RecordId,
    ) -> impl Future<Output = Result<Option<Application>, StoreError>> + Send;

    /// Registers one; answers its id and, if it keeps one, its secret.
    fn add_application(
        &self,
        new: &NewApplication,
    ) -> impl Future<Output = Result<(RecordId, Option<Zeroizing<String>>), StoreError>> + Send;

    /// Changes one that isn't built in.
    fn update_application(
        &self,
        id: RecordId,
        new: &NewApplication,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Switches one on or off.
    fn switch_application(
        &self,
        id: RecordId,
        active: bool,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Removes one that isn't built in, with all its sign-ins.
    fn remove_application(
        &self,
        id: RecordId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Gives a confidential one another secret.
    fn renew_secret(
        &self,
        id: RecordId,
    ) -> impl Future<Output = Result<Option<Zeroizing<String>>, StoreError>> + Send;

    /// How long tokens may live.
    fn token_policy(&self) -> impl Future<Output = Result<TokenPolicy, StoreError>> + Send;

    /// Sets that, for tokens that are made from now on.
    fn set_token_policy(
        &self,
        policy: TokenPolicy,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl ProgramStore for PgStore {
    async fn service_accounts(&self) -> Result<Vec<ServiceAccount>, StoreError> {
        Self::service_accounts(self).await
    }

    async fn service_account(&self, id: RecordId) -> Result<Option<ServiceAccount>, StoreError> {
        Self::service_account(self, id).await
    }

    async fn add_service_account(&self, name: &str, role: Role) -> Result<RecordId, StoreError> {
        Self::add_service_account(self, name, role).await
    }

    async fn update_service_account(
        &self,
        id: RecordId,
        name: &str,
        role: Role,
    ) -> Result<bool, StoreError> {
        Self::update_service_account(self, id, name, role).await
    }

    async fn switch_service_account(&self, id: RecordId, active: bool) -> Result<bool, StoreError> {
        Self::switch_service_account(self, id, active).await
    }

    async fn service_tokens(&self, id: RecordId) -> Result<Vec<ApiTokenSummary>, StoreError> {
        self.tokens_of(id).await
    }

    async fn add_service_token(
        &self,
        id: RecordId,
        name: &str,
        scopes: &[&str],
        expires_at: Timestamp,
    ) -> Result<(RecordId, Zeroizing<String>), StoreError> {
        let (id, token) = Self::add_token(self, id, name, scopes, expires_at).await?;
        Ok((id, Zeroizing::new(token.expose().to_owned())))
    }

    async fn applications(&self) -> Result<Vec<Application>, StoreError> {
        Self::applications(self).await
    }

    async fn application(&self, id: RecordId) -> Result<Option<Application>, StoreError> {
        Self::application(self, id).await
    }

    async fn add_application(
        &self,
        new: &NewApplication,
    ) -> Result<(RecordId, Option<Zeroizing<String>>), StoreError> {
        let (id, secret) = Self::add_application(self, new).await?;
        Ok((
            id,
            secret.map(|secret| Zeroizing::new(secret.expose().to_owned())),
        ))
    }

    async fn update_application(
        &self,
        id: RecordId,
        new: &NewApplication,
    ) -> Result<bool, StoreError> {
        Self::update_application(self, id, new).await
    }

    async fn switch_application(&self, id: RecordId, active: bool) -> Result<bool, StoreError> {
        Self::switch_application(self, id, active).await
    }

    async fn remove_application(&self, id: RecordId) -> Result<bool, StoreError> {
        Self::remove_application(self, id).await
    }

    async fn renew_secret(&self, id: RecordId) -> Result<Option<Zeroizing<String>>, StoreError> {
        let secret = Self::renew_secret(self, id).await?;
        Ok(secret.map(|secret| Zeroizing::new(secret.expose().to_owned())))
    }

    async fn token_policy(&self) -> Result<TokenPolicy, StoreError> {
        Self::token_policy(self).await
    }

    async fn set_token_policy(&self, policy: TokenPolicy) -> Result<(), StoreError> {
        Self::set_token_policy(self, policy).await
    }
}

/// The id in the path. One that can't be is of nothing that is there.
pub(super) async fn id<S: ApiStore>(
    call: &mut Call<S>,
    name: &str,
    missing: fn() -> ApiError,
) -> Result<RecordId, ApiError> {
    let id = call.path(name).await?.parse();
    id.map_err(|_| missing())
}

/// What is wrong with the members of a body, gathered.
#[derive(Default)]
pub(super) struct Faults(Vec<FieldError>);

impl Faults {
    /// Takes what could be read and remembers what couldn't.
    pub(super) fn read<T>(&mut self, name: &str, read: Result<T, Problem>) -> Option<T> {
        read.map_err(|problem| self.0.push(FieldError::new(name.to_owned(), problem)))
            .ok()
    }

    /// Remembers that a member that nothing is known of is there.
    pub(super) fn unknown(&mut self, name: &str) {
        self.0
            .push(FieldError::new(name.to_owned(), Problem::UnknownField));
    }

    /// Remembers one more.
    pub(super) fn add(&mut self, name: &'static str, problem: Problem) {
        self.0.push(FieldError::new(name, problem));
    }

    /// Refuses the body if anything is wrong with it.
    pub(super) fn check(self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ApiError::invalid("", &self.0))
        }
    }
}

pub(super) fn flag(json: &Json) -> Result<bool, Problem> {
    let expected = "true or false";
    json.as_bool().ok_or(Problem::WrongType { expected })
}
