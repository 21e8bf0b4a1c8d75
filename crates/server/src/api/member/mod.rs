//! The members of the workspace, for those who manage people.
//!
//! Who may change whom is decided by the store; the last owner stays, and nobody reaches above their own role.

pub(super) mod list;
pub(super) mod show;
pub(super) mod update;

use fieldstone_model::{RecordId, Role};

use super::{ApiStore, call::Call, error::ApiError};
use crate::{
    identity::IdentityError,
    store::{Invitation, Member, OwnEmail, PgStore},
};

/// Keeps people: those of the workspace, those who are invited, and the caller's own membership.
pub trait PeopleStore: Send + Sync {
    /// Members whose name or address contains `search`, by name, after the member `after`.
    fn members(
        &self,
        search: &str,
        after: Option<RecordId>,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<Member>, IdentityError>> + Send;

    /// One member.
    fn member(&self, id: RecordId) -> impl Future<Output = Result<Member, IdentityError>> + Send;

    /// Changes a member's role, access, or both.
    fn change_member(
        &self,
        id: RecordId,
        role: Option<Role>,
        active: Option<bool>,
    ) -> impl Future<Output = Result<(), IdentityError>> + Send;

    /// Invitations, the open ones first, then the newest.
    fn invitations(&self) -> impl Future<Output = Result<Vec<Invitation>, IdentityError>> + Send;

    /// Invites these addresses, all or none.
    fn invite(
        &self,
        emails: &[String],
        role: Role,
        locale: &str,
    ) -> impl Future<Output = Result<Vec<RecordId>, IdentityError>> + Send;

    /// Sends an invitation again.
    fn resend_invitation(
        &self,
        id: RecordId,
    ) -> impl Future<Output = Result<(), IdentityError>> + Send;

    /// Takes an invitation back.
    fn withdraw_invitation(
        &self,
        id: RecordId,
    ) -> impl Future<Output = Result<(), IdentityError>> + Send;

    /// The caller's own address.
    fn own_email(&self) -> impl Future<Output = Result<OwnEmail, IdentityError>> + Send;

    /// Asks for another address of the caller's own.
    fn ask_email_change(
        &self,
        email: &str,
    ) -> impl Future<Output = Result<(), IdentityError>> + Send;

    /// Stops the caller's own change of address; false when there is none.
    fn stop_email_change(&self) -> impl Future<Output = Result<bool, IdentityError>> + Send;

    /// The caller leaves the workspace.
    fn leave(&self) -> impl Future<Output = Result<(), IdentityError>> + Send;
}

impl PeopleStore for PgStore {
    async fn members(
        &self,
        search: &str,
        after: Option<RecordId>,
        limit: i64,
    ) -> Result<Vec<Member>, IdentityError> {
        Self::members(self, search, after, limit).await
    }

    async fn member(&self, id: RecordId) -> Result<Member, IdentityError> {
        Self::member(self, id).await
    }

    async fn change_member(
        &self,
        id: RecordId,
        role: Option<Role>,
        active: Option<bool>,
    ) -> Result<(), IdentityError> {
        Self::change_member(self, id, role, active).await
    }

    async fn invitations(&self) -> Result<Vec<Invitation>, IdentityError> {
        Self::invitations(self).await
    }

    async fn invite(
        &self,
        emails: &[String],
        role: Role,
        locale: &str,
    ) -> Result<Vec<RecordId>, IdentityError> {
        Self::invite(self, emails, role, locale).await
    }

    async fn resend_invitation(&self, id: RecordId) -> Result<(), IdentityError> {
        Self::resend_invitation(self, id).await
    }

    async fn withdraw_invitation(&self, id: RecordId) -> Result<(), IdentityError> {
        Self::withdraw_invitation(self, id).await
    }

    async fn own_email(&self) -> Result<OwnEmail, IdentityError> {
        Self::own_email(self).await
    }

    async fn ask_email_change(&self, email: &str) -> Result<(), IdentityError> {
        Self::ask_email_change(self, email).await
    }

    async fn stop_email_change(&self) -> Result<bool, IdentityError> {
        Self::stop_email_change(self).await
    }

    async fn leave(&self) -> Result<(), IdentityError> {
        Self::leave(self).await
    }
}

/// The id in the path. One that can't be is of nobody who is there.
pub(super) async fn id<S: ApiStore>(call: &mut Call<S>) -> Result<RecordId, ApiError> {
    let id = call.path("id").await?.parse();
    id.map_err(|_| IdentityError::Missing("member or invitation").into())
}
