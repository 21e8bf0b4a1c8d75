//! The first exchange: which versions both sides speak, and what the workspace expects of a device.

use fieldstone_model::{Field, RecordId, object::Placed};
use serde::{Deserialize, Serialize};

use crate::{OLDEST, VERSION, device::SealingKey, guard::SignedPolicy};

/// What a device says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The versions of the protocol that the device speaks.
    pub protocol: Versions,
    /// The device's build, for the list of devices, e.g. `fieldstone-device 0.1.0`.
    pub app: String,
    /// The device, once it is registered: then the platform notes its build, and signs with the key that the device knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<RecordId>,
}

/// What the platform answers. A device asks at login and with every synchronisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version that both will speak.
    pub protocol: u16,
    /// The version of the workspace's schema; another one than the device knows means: describe.
    pub schema: i64,
    /// What the workspace asks of its devices.
    #[serde(default)]
    pub policy: Policy,
    /// What the device's guard does about threats, signed with the key that the device got as
    /// [`wipe_key`](crate::device::Registered::wipe_key). None before the device is registered, or where nobody has set anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<SignedPolicy>,
    /// The key that changes are sealed to from now on. None where that is forbidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing_key: Option<SealingKey>,
}

/// A range of versions, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The oldest.
    pub oldest: u16,
    /// The newest.
    pub newest: u16,
}

/// What a workspace asks of its devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// How often a device looks for changes, in seconds.
    pub interval_s: u64,
    /// After this many seconds without the platform a device locks.
    pub offline_max_s: Option<u64>,
    /// Most bytes that a device should keep.
    pub storage_max: Option<u64>,
    /// Whether unsent changes may be kept, sealed to the platform, when somebody logs out.
    pub may_keep_sealed: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            interval_s: 300,
            offline_max_s: None,
            storage_max: None,
            may_keep_sealed: true,
        }
    }
}

impl Versions {
    /// What this build speaks.
    pub const OURS: Self = Self {
        oldest: OLDEST,
        newest: VERSION,
    };

    /// The newest version that both speak.
    pub fn common(self, other: Self) -> Option<u16> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }
}

/// The workspace's schema as a device needs it to show and check records offline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Its version.
    pub version: i64,
    /// The user's own record.
    pub user: RecordId,
    /// The user's role, by its stored name.
    pub role: String,
    /// The workspace's name.
    #[serde(default)]
    pub workspace: Option<String>,
    /// The user's language and conventions, e.g. `de-CH`.
    #[serde(default)]
    pub locale: Option<String>,
    /// The user's time zone by its IANA name.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// The currency that amounts are in, by its ISO 4217 code, when the workspace has one.
    #[serde(default)]
    pub currency: Option<String>,
    /// All objects that the user may see.
    pub objects: Vec<Shape>,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// API name, singular.
    pub name: String,
    /// Plural API name.
    pub plural: String,
    /// First three characters of its ids.
    pub prefix: String,
    /// Label of a custom object.
    #[serde(default)]
    pub label: Option<String>,
    /// Plural label of a custom object.
    #[serde(default)]
    pub plural_label: Option<String>,
    /// Whether it is the tenant's own.
    #[serde(default)]
    pub custom: bool,
    /// Its custom fields. Standard fields are known to both sides by the version of the app.
    #[serde(default)]
    pub fields: Vec<Field>,
    /// In which order its fields stand, where the workspace has chosen one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Placed>,
    /// API names of fields that this user may not see. They come in no row.
    #[serde(default)]
    pub withheld: Vec<String>,
    /// API names of fields that this user may see and not change.
    #[serde(default)]
    pub read_only: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_version_is_spoken() {
        let versions = |oldest, newest| Versions { oldest, newest };
        assert_eq!(versions(1, 3).common(versions(2, 5)), Some(3));
        assert_eq!(versions(4, 6).common(versions(2, 4)), Some(4));
        assert_eq!(versions(1, 1).common(versions(2, 5)), None);
    }

    #[test]
    fn the_wire_form_of_a_welcome() {
        let welcome = Welcome {
            protocol: 1,
            schema: 4,
            policy: Policy::default(),
            guard: None,
            sealing_key: None,
        };
        insta::assert_json_snapshot!(welcome);
        // An older platform says nothing about policy, a newer one more than is known here.
        let read: Welcome = serde_json::from_str(
            r#"{"protocol":1,"schema":4,"policy":{"interval_s":300,"moon":1},"x":2}"#,
        )
        .unwrap();
        assert_eq!(read, welcome);
    }

    #[test]
    fn the_wire_form_of_a_schema() {
        let field = Field::text(1000, "route", 40);
        let shape = Shape {
            name: "visit".to_owned(),
            plural: "visits".to_owned(),
            prefix: "a01".to_owned(),
            label: Some("Visit".to_owned()),
            plural_label: Some("Visits".to_owned()),
            custom: true,
            fields: vec![field],
            places: vec![Placed {
                section: "section-details".to_owned(),
                fields: vec!["route".to_owned(), "name".to_owned()],
            }],
            withheld: vec!["external_id".to_owned()],
            read_only: Vec::new(),
        };
        let schema = Schema {
            version: 4,
            user: "0051kQh2S0a8Xbd".parse().unwrap(),
            role: "member".to_owned(),
            workspace: Some("Brackenwell".to_owned()),
            locale: Some("de-CH".to_owned()),
            time_zone: Some("Europe/Zurich".to_owned()),
            currency: Some("EUR".to_owned()),
            objects: vec![shape],
        };
        insta::assert_json_snapshot!(schema);
        let text = serde_json::to_string(&schema).unwrap();
        assert_eq!(serde_json::from_str::<Schema>(&text).unwrap(), schema);
    }
}
