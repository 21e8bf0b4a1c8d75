//! Keeping the outbox sealed, for as long as the workspace allows it and to the key that it wants.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Device, DeviceError};
use crate::{
    journal::{Journal, Place},
    transport::TransportError,
};

impl Device {
    /// Opens the journal and seals into it what waits and isn't in it yet.
    pub(super) async fn keep_sealed(&self) -> Result<(), DeviceError> {
        let Some(workspace) = self
            .profile
            .registered
            .sealing_key
            .as_ref()
            .filter(|_| self.profile.policy.may_keep_sealed)
        else {
            return Ok(self.local.give_up_sealed()?);
        };
        let public = STANDARD
            .decode(&workspace.key)
            .map_err(|_| TransportError::Unexpected)?;
        let place = Place {
            device: self.profile.device().to_string(),
            user: self.login.user.to_string(),
            login: self.login.id.clone(),
            sequence: 0,
            kid: workspace.kid,
        };
        let (folder, pair) = (self.home.journals()?, self.pair.clone());
        let origin = &self.login.origin;
        let opened = self.local.keep_sealed(|sequence| {
            let place = Place { sequence, ..place };
            Journal::open(&folder, origin, public, pair, place).map(Some)
        });
        Ok(opened.await?)
    }
}
