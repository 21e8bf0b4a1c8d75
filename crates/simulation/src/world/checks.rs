//! What must be true: after every step, and when everything has come to rest.

use fieldstone_client::engine::{Event, memory::State};

use super::World;
use crate::device::Device;

impl World {
    pub(super) fn check(&mut self, at: usize) -> Result<(), String> {
        let device = self.devices.get(at).ok_or("no such device")?;
        if device.erased {
            let empty = device.local.is_empty();
            return if empty {
                Ok(())
            } else {
                Err(format!("{} was erased and isn't empty", device.id))
            };
        }
        let wiped = self
            .platform
            .devices
            .get(&device.id)
            .is_some_and(|known| known.wipe);
        if wiped && device.local.is_empty() {
            self.ledger.forget_device(device.id);
        }
        self.ledger.check_edits(device, &self.platform)?;
        self.ledger.check_views(device, &self.platform)?;
        let scope = device
            .local
            .published()
            .and_then(|published| self.platform.scopes.get(&published.cursor));
        if let Some(scope) = scope.filter(|_| device.mismatches == 0) {
            let base = device.local.base();
            let same = base.len() == scope.len()
                && base.iter().all(|(id, row)| scope.get(id) == Some(&row.tag));
            if !same {
                let base: Vec<_> = base.iter().map(|(id, row)| (*id, row.tag)).collect();
                return Err(format!(
                    "{} shows {base:?}, but the scope at its cursor was {scope:?}",
                    device.id
                ));
            }
        }
        Ok(())
    }

    /// Lets everything come to rest: what must be true then is what a person would expect.
    pub(super) fn come_to_rest(&mut self) -> Result<(), String> {
        note!(self, "everything comes to rest");
        self.calm = true;
        while !self.platform.open.is_empty() {
            self.platform.commit(0);
        }
        let uploads = !self.random.once_in(4);
        for at in 0..self.devices.len() {
            let now = self.now;
            let device = self.device(at)?;
            device.online = true;
            device.uploads = uploads;
            let id = device.id;
            device.kill();
            device.start(now);
            if let Some(known) = self.platform.devices.get_mut(&id) {
                known.signed_in = true;
            }
            self.tell(at, Event::SyncNow)?;
        }
        if !uploads {
            self.drain(false)?;
            // What isn't in scope is gone, and what is is there, though not a single edit could be sent.
            self.check_scopes(false)?;
            for device in &mut self.devices {
                device.uploads = true;
            }
        }
        // Somebody looks twice: what the first look has sent comes back with the second.
        for _ in 0..3 {
            for at in 0..self.devices.len() {
                self.tell(at, Event::SyncNow)?;
            }
            self.drain(true)?;
        }
        self.check_scopes(true)?;
        if let Some((text, count)) = self
            .platform
            .data
            .written
            .iter()
            .find(|(text, count)| text.starts_with("e-") && **count > 1)
        {
            return Err(format!("{text} was written {count} times"));
        }
        self.tally.arrived = self.ledger.arrived;
        self.tally.conflicts = self.ledger.conflicts;
        self.tally.mismatches = self
            .devices
            .iter()
            .map(|device| u64::from(device.mismatches))
            .sum();
        Ok(())
    }

    pub(super) fn drain(&mut self, uploads: bool) -> Result<(), String> {
        for _ in 0..20_000 {
            self.tally.steps += 1;
            if !self.network.is_empty() {
                self.network_works()?;
                continue;
            }
            if let Some(at) = self
                .devices
                .iter()
                .position(|device| !device.calls.is_empty())
            {
                self.storage_works(at)?;
                continue;
            }
            let busy = |device: &Device| {
                let engine = device.engine.as_ref();
                engine.is_some_and(|engine| {
                    if uploads {
                        !engine.is_idle()
                    } else {
                        engine.is_downloading()
                    }
                })
            };
            match self.devices.iter().position(busy) {
                Some(at) => self.time_passes(at)?,
                None => return Ok(()),
            }
        }
        Err("it doesn't come to rest".to_owned())
    }

    pub(super) fn check_scopes(&mut self, uploads: bool) -> Result<(), String> {
        for at in 0..self.devices.len() {
            self.check(at)?;
        }
        for device in &self.devices {
            let Some(known) = self.platform.devices.get(&device.id) else {
                continue;
            };
            if known.wipe {
                if !device.local.is_empty() {
                    return Err(format!("{} was to be wiped and isn't", device.id));
                }
                continue;
            }
            let Some(person) = self.platform.admit(device.id) else {
                continue;
            };
            let scope = self.platform.scope(person);
            let rows = scope
                .iter()
                .filter_map(|id| self.platform.render(person, *id));
            let base = device.local.base();
            let same = base.len() == scope.len()
                && rows.into_iter().all(|row| base.get(&row.id) == Some(&row));
            if !same {
                let base: Vec<_> = base.keys().collect();
                return Err(format!(
                    "at rest {} shows {base:?}, but its scope is {scope:?}",
                    device.id
                ));
            }
            let unsent = device
                .local
                .outbox()
                .iter()
                .filter(|pending| !matches!(pending.state, State::SetAside(_)));
            if uploads && unsent.count() > 0 {
                return Err(format!("at rest {} still has something to send", device.id));
            }
            if device.mismatches > 0 {
                return Err(format!(
                    "the digests of {} differed {} times",
                    device.id, device.mismatches
                ));
            }
        }
        Ok(())
    }
}
