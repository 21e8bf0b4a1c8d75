//! What a device's guard has seen: told to the platform at the next sync, for the audit log.

use fieldstone_model::RecordId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Most sightings in one request.
pub const SIGHTINGS_MAX: usize = 50;
/// Longest of the texts below, in characters.
pub const TEXT_MAX: usize = 400;

/// What a device has seen since it last told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sightings {
    /// The device.
    pub device: RecordId,
    /// What it has seen, the oldest first; at most [`SIGHTINGS_MAX`].
    pub seen: Vec<Sighting>,
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// When, by the device's clock.
    pub at: Timestamp,
    /// Its family: `root`, `emulator`, `debugger`, `tools`, or a newer device's word.
    pub family: String,
    /// The check that saw it.
    pub check: String,
    /// What was seen, in words.
    pub evidence: String,
    /// Whether the app ended because of it.
    pub ended: bool,
}

impl Sightings {
    /// Whether it is within the limits, and its texts are printable.
    pub fn is_fit(&self) -> bool {
        let fit =
            |text: &str| text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control);
        self.seen.len() <= SIGHTINGS_MAX
            && self.seen.iter().all(|sighting| {
                fit(&sighting.family) && fit(&sighting.check) && fit(&sighting.evidence)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_of_sightings() {
        let mut sightings = Sightings {
            device: "fD01kQh2S0a8Xbd".parse().unwrap(),
            seen: vec![Sighting {
                at: "2026-03-01T12:00:00Z".parse().unwrap(),
                family: "debugger".to_owned(),
                check: "tracer".to_owned(),
                evidence: "this process is traced by process 4711".to_owned(),
                ended: true,
            }],
        };
        insta::assert_json_snapshot!(&sightings);
        assert!(sightings.is_fit());
        sightings.seen[0].evidence.push('\n');
        assert!(!sightings.is_fit());
        sightings.seen.clear();
        assert!(sightings.is_fit());
    }
}
