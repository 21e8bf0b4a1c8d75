//! Roles and what they may do: the one table behind every permission check.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The four standard roles, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads records.
    Viewer,
    /// Works with records.
    Member,
    /// Runs the workspace: people, schema, integrations.
    Admin,
    /// Owns the workspace.
    Owner,
}

/// Something that a role allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Capability {
    /// See records.
    #[serde(rename = "records.read")]
    RecordsRead,
    /// Create and change records.
    #[serde(rename = "records.write")]
    RecordsWrite,
    /// Delete and restore records.
    #[serde(rename = "records.delete")]
    RecordsDelete,
    /// Import files of records.
    #[serde(rename = "records.import")]
    RecordsImport,
    /// Define custom fields and objects, pipelines, record sets, forms.
    #[serde(rename = "schema.manage")]
    SchemaManage,
    /// Invite people, change roles, deactivate, export, read the audit log.
    #[serde(rename = "users.manage")]
    UsersManage,
    /// Policies, keys, integrations.
    #[serde(rename = "workspace.manage")]
    WorkspaceManage,
    /// Transfer or delete the workspace, appoint owners.
    #[serde(rename = "workspace.own")]
    WorkspaceOwn,
}

/// Which role has which capability: the weakest role that has it.
const TABLE: [(Capability, Role); 8] = [
    (Capability::RecordsRead, Role::Viewer),
    (Capability::RecordsWrite, Role::Member),
    (Capability::RecordsDelete, Role::Member),
    (Capability::RecordsImport, Role::Member),
    (Capability::SchemaManage, Role::Admin),
    (Capability::UsersManage, Role::Admin),
    (Capability::WorkspaceManage, Role::Admin),
    (Capability::WorkspaceOwn, Role::Owner),
];

impl Role {
    /// All roles, weakest first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Member, Self::Admin, Self::Owner];

    /// Whether this role has `capability`. Unknown pairs are refused.
    pub fn can(self, capability: Capability) -> bool {
        TABLE
            .iter()
            .any(|(known, weakest)| *known == capability && self >= *weakest)
    }

    /// Every capability of this role, in the table's order.
    pub fn capabilities(self) -> impl Iterator<Item = Capability> {
        TABLE
            .into_iter()
            .filter(move |(_, weakest)| self >= *weakest)
            .map(|(capability, _)| capability)
    }

    /// The name used in the API and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or(UnknownRole)
    }
}

/// A text names none of the four roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of owner, admin, member, viewer")]
pub struct UnknownRole;

impl Capability {
    /// The name used in the API, e.g. `records.read`.
    pub fn name(self) -> &'static str {
        match self {
            Self::RecordsRead => "records.read",
            Self::RecordsWrite => "records.write",
            Self::RecordsDelete => "records.delete",
            Self::RecordsImport => "records.import",
            Self::SchemaManage => "schema.manage",
            Self::UsersManage => "users.manage",
            Self::WorkspaceManage => "workspace.manage",
            Self::WorkspaceOwn => "workspace.own",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_published_one() {
        let row = |capability| Role::ALL.map(|role| role.can(capability));
        assert_eq!(row(Capability::RecordsRead), [true, true, true, true]);
        assert_eq!(row(Capability::RecordsImport), [false, true, true, true]);
        assert_eq!(row(Capability::UsersManage), [false, false, true, true]);
        assert_eq!(row(Capability::WorkspaceOwn), [false, false, false, true]);
    }
}
