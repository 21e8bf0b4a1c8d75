//! Leaving a device: logging out, and being erased by order. In both everything goes but what is to be kept sealed.

use std::path::Path;

use fieldstone_protocol::device::WipeOrder;

use super::{Device, DeviceError, Keystores, take_home};
use crate::{
    home::{Home, Receipt, State},
    transport::{Transport, TransportError},
};

/// What happens at logout to changes that weren't sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsent {
    /// Refuse to log out when there are any.
    Ask,
    /// Leave them sealed to the workspace.
    KeepSealed,
    /// Give them up.
    Discard,
}

impl Device {
    /// Erases everything because the platform has ordered it, and tells it so. What wasn't sent stays sealed, if the workspace allows that.
    pub async fn obey_wipe(self, order: Option<&WipeOrder>) -> Result<(), DeviceError> {
        let keep = self.local.is_kept_sealed();
        let receipt = order
            .filter(|order| !order.receipt.is_empty())
            .map(|order| Receipt {
                origin: self.login.origin.clone(),
                ca: self.login.ca.clone(),
                device: order.device,
                receipt: order.receipt.clone(),
            });
        let home = self.erase(keep, receipt)?;
        settle(&home).await;
        Ok(())
    }

    /// Whether there is nothing that the platform lacks.
    pub async fn is_all_sent(&self) -> Result<bool, DeviceError> {
        Ok(self.local.pending_count().await? == 0 && self.waiting_files().await?.is_empty())
    }

    /// Logs out: everything is erased but what is to be kept sealed.
    pub async fn log_out(self, unsent: Unsent) -> Result<(), DeviceError> {
        let waiting = self.local.pending_count().await?;
        let files = self.waiting_files().await?.len();
        let keep_sealed = match unsent {
            _ if waiting == 0 && files == 0 => false,
            Unsent::Ask if waiting == 0 => return Err(DeviceError::UnsentFiles(files)),
            Unsent::Ask => return Err(DeviceError::Unsent(waiting)),
            Unsent::Discard => false,
            Unsent::KeepSealed if !self.local.is_kept_sealed() => {
                return Err(DeviceError::MayNotSeal);
            }
            Unsent::KeepSealed if files > 0 => return Err(DeviceError::UnsentFiles(files)),
            Unsent::KeepSealed => true,
        };
        // Without the platform the session ends there by itself.
        let _ = self.transport.sign_out().await;
        self.erase(keep_sealed, None).map(drop)
    }

    fn erase(self, keep_sealed: bool, receipt: Option<Receipt>) -> Result<Home, DeviceError> {
        let Self {
            mut home,
            keystore,
            login,
            local,
            ..
        } = self;
        drop(local);
        home.erase(&login, keep_sealed, receipt).run(&keystore)?;
        home.note_open(false)?;
        Ok(home)
    }
}

/// Erases a login that can't be opened any more, because its user asks for it by name.
pub fn erase_unopened(
    path: &Path,
    keystores: &Keystores,
    keep_sealed: bool,
) -> Result<(), DeviceError> {
    let mut home = take_home(path, keystores)?;
    let State::LoggedIn(login) = home.state()? else {
        return Err(DeviceError::LoggedOut);
    };
    let keystore = keystores(login.ephemeral)?;
    home.erase(&login, keep_sealed, None).run(&keystore)?;
    home.note_open(false)?;
    Ok(())
}

/// Tells the platform that its order was carried out, where that is still to be done.
pub async fn acknowledge_erasure(path: &Path, keystores: &Keystores) -> Result<(), DeviceError> {
    settle(&take_home(path, keystores)?).await;
    Ok(())
}

/// The same for a folder that is held. Without an answer it is tried again at the next contact.
pub(super) async fn settle(home: &Home) {
    let Ok(Some(receipt)) = home.receipt() else {
        return;
    };
    let answer = match Transport::new(&receipt.origin, receipt.ca.as_deref()) {
        Ok(transport) => transport.erased(receipt.device, &receipt.receipt).await,
        Err(error) => Err(error),
    };
    match answer {
        // A platform that doesn't know the order won't know it later either.
        Ok(()) | Err(TransportError::Refused { .. }) => {
            if let Err(error) = home.forget_receipt() {
                tracing::warn!(%error, "the receipt of an order to erase can't be removed");
            }
        }
        Err(error) => tracing::debug!(%error, "the platform can't be told that it was obeyed"),
    }
}
