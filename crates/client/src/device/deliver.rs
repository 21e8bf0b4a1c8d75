//! Delivering what earlier logins on this device have left sealed, whoever made it.

use std::{collections::BTreeMap, path::PathBuf};

use fieldstone_protocol::sealed::{DeliveryRequest, ENTRIES_MAX, Fate};

use super::{Device, DeviceError};
use crate::journal::{self, Entry};

/// Most bytes of sealed texts in one request.
const BYTES_MAX: usize = 4 << 20;
/// What a platform says of entries that it can't know: they are another workspace's, whose people may still come.
const ANOTHERS: [&str; 3] = ["unknown_login", "unknown_key", "forbidden"];

/// What became of sealed changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivered {
    /// The platform has them.
    pub taken: usize,
    /// Their authors may not change records any more; an administrator decides.
    pub quarantined: usize,
    /// They can't be opened, now or ever; why.
    pub refused: Vec<String>,
    /// They stay here until the platform that they are for takes them.
    pub kept: usize,
    /// They can't be read here any more: the files that held them, put out of the way.
    pub damaged: Vec<PathBuf>,
}

impl Device {
    /// Delivers what earlier logins have left. What the platform has, and what nobody can open, goes.
    pub async fn deliver(&self) -> Result<Delivered, DeviceError> {
        let mut delivered = Delivered::default();
        let own = format!("{}.sealed", self.login.id);
        for file in journal::all(&self.home.journals()?) {
            if file.file_name().is_some_and(|name| name == own.as_str()) {
                continue;
            }
            let left = journal::read(&file)?;
            if left
                .origin
                .is_some_and(|origin| origin != self.login.origin)
            {
                delivered.kept += left.entries.len();
                continue;
            }
            let mut rest = left.entries.as_slice();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(fitting(rest));
                let gone = self.deliver_some(now, &mut delivered).await?;
                if !gone.is_empty() {
                    journal::let_go(&file, &gone)?;
                }
                rest = later;
            }
            if left.damaged > 0 && journal::read(&file)?.entries.is_empty() {
                delivered.damaged.push(journal::set_aside(&file)?);
            }
        }
        Ok(delivered)
    }

    /// Delivers entries that fit into one request; answers the mutations that need not be kept.
    async fn deliver_some(
        &self,
        entries: &[Entry],
        delivered: &mut Delivered,
    ) -> Result<Vec<String>, DeviceError> {
        let request = DeliveryRequest {
            protocol: fieldstone_protocol::VERSION,
            device: self.profile.device(),
            entries: entries.to_vec(),
        };
        let answer = match self.transport.deliver(&request).await {
            Ok(answer) => answer,
            // They wait for another time.
            Err(error) => {
                tracing::debug!(%error, "sealed changes can't be delivered");
                delivered.kept += entries.len();
                return Ok(Vec::new());
            }
        };
        let sent: BTreeMap<(&str, u64), &Entry> = entries
            .iter()
            .map(|entry| ((entry.place.device.as_str(), entry.place.sequence), entry))
            .collect();
        let mut gone = Vec::new();
        let mut answered = 0;
        for result in answer.results {
            let Some(entry) = sent.get(&(result.device.as_str(), result.sequence)) else {
                continue;
            };
            answered += 1;
            match result.fate {
                Fate::Refused { code, .. } if ANOTHERS.contains(&code.as_str()) => {
                    delivered.kept += 1;
                    continue;
                }
                Fate::Refused { message, .. } => delivered.refused.push(message),
                Fate::Quarantined => delivered.quarantined += 1,
                Fate::Taken | Fate::Known | Fate::Other => delivered.taken += 1,
            }
            gone.push(entry.uuid.clone());
        }
        delivered.kept += entries.len().saturating_sub(answered);
        Ok(gone)
    }
}

/// How many of these fit into one request: at least one.
fn fitting(entries: &[Entry]) -> usize {
    let mut bytes = 0;
    let fit = entries.iter().take(ENTRIES_MAX).take_while(|entry| {
        bytes += entry.text.len() + entry.key.len();
        bytes <= BYTES_MAX
    });
    fit.count().max(1)
}
