//! What a route needs of whoever calls it, what a caller has, and the one decision between the two.

use std::fmt;

use crate::{Capability, Role};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Needs {
    /// Everybody, signed in or not.
    Nothing,
    /// Whoever is signed in.
    SignedIn,
    /// A person with a session, not a program with a token.
    Session,
    /// Whoever has this capability.
    Capability(Capability),
    /// A person who has proved a moment ago who they are.
    Proof,
    /// A person with this capability who has proved a moment ago who they are.
    ProvenCapability(Capability),
}

/// Why a call isn't let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is signed in.
    SignedOut,
    /// The role, or the token, lacks the capability.
    Denied,
    /// A token calls what only a person may.
    SessionNeeded,
    /// The person's last proof of who they are is too old.
    ProofNeeded,
}

/// What a caller may do: what the role allows, less what an API token leaves out.
#[derive(Debug, Clone)]
pub struct Rights {
    role: Role,
    /// Names of capabilities; none for a caller that may do all the role allows.
    scopes: Option<Vec<String>>,
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Caller<'a> {
    /// What they may do.
    pub rights: &'a Rights,
    /// Whether they are a person with a session.
    pub has_session: bool,
    /// Whether they have proved a moment ago who they are.
    pub is_proven: bool,
}

impl Needs {
    /// Whether `caller` (`None`: nobody is signed in) may go on.
    ///
    /// A proof is asked for last: whoever lacks a right isn't asked to prove themselves in vain.
    pub fn admit(self, caller: Option<&Caller<'_>>) -> Result<(), Refusal> {
        if self == Self::Nothing {
            return Ok(());
        }
        let caller = caller.ok_or(Refusal::SignedOut)?;
        if self
            .capability()
            .is_some_and(|capability| !caller.rights.can(capability))
        {
            return Err(Refusal::Denied);
        }
        if self.needs_session() && !caller.has_session {
            return Err(Refusal::SessionNeeded);
        }
        if self.needs_proof() && !caller.is_proven {
            return Err(Refusal::ProofNeeded);
        }
        Ok(())
    }

    /// The capability needed, if any.
    pub fn capability(self) -> Option<Capability> {
        match self {
            Self::Capability(capability) | Self::ProvenCapability(capability) => Some(capability),
            Self::Nothing | Self::SignedIn | Self::Session | Self::Proof => None,
        }
    }

    /// Whether only a person with a session will do. A token can't prove anything.
    pub fn needs_session(self) -> bool {
        self == Self::Session || self.needs_proof()
    }

    /// Whether a recent proof is needed.
    pub fn needs_proof(self) -> bool {
        matches!(self, Self::Proof | Self::ProvenCapability(_))
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::SignedIn => f.write_str("signing in"),
            Self::Session => f.write_str("a session"),
            Self::Capability(capability) => f.write_str(capability.name()),
            Self::Proof => f.write_str("a recent proof"),
            Self::ProvenCapability(capability) => {
                write!(f, "{} and a recent proof", capability.name())
            }
        }
    }
}

impl Rights {
    /// The rights of a role, narrowed to `scopes` unless they are empty.
    pub fn new(role: Role, scopes: &[String]) -> Self {
        Self {
            role,
            scopes: (!scopes.is_empty()).then(|| scopes.to_vec()),
        }
    }

    /// Whether the caller has `capability`.
    pub fn can(&self, capability: Capability) -> bool {
        let in_scope = self
            .scopes
            .as_ref()
            .is_none_or(|scopes| scopes.iter().any(|scope| scope == capability.name()));
        in_scope && self.role.can(capability)
    }

    /// Everything the caller may do.
    pub fn capabilities(&self) -> impl Iterator<Item = Capability> {
        self.role
            .capabilities()
            .filter(|capability| self.can(*capability))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(needs: Needs, role: Role, has_session: bool, is_proven: bool) -> Result<(), Refusal> {
        let rights = Rights::new(role, &[]);
        needs.admit(Some(&Caller {
            rights: &rights,
            has_session,
            is_proven,
        }))
    }

    #[test]
    fn nobody_gets_in_where_something_is_needed() {
        assert_eq!(Needs::Nothing.admit(None), Ok(()));
        for needs in [
            Needs::SignedIn,
            Needs::Session,
            Needs::Proof,
            Needs::Capability(Capability::RecordsRead),
            Needs::ProvenCapability(Capability::UsersManage),
        ] {
            assert_eq!(needs.admit(None), Err(Refusal::SignedOut), "{needs:?}");
        }
    }

    #[test]
    fn rights_come_before_proofs() {
        let needs = Needs::ProvenCapability(Capability::UsersManage);
        assert_eq!(ask(needs, Role::Member, true, false), Err(Refusal::Denied));
        assert_eq!(
            ask(needs, Role::Admin, true, false),
            Err(Refusal::ProofNeeded)
        );
        assert_eq!(ask(needs, Role::Admin, true, true), Ok(()));
    }

    #[test]
    fn a_token_is_no_session_and_proves_nothing() {
        let users = Capability::UsersManage;
        for needs in [Needs::Session, Needs::Proof, Needs::ProvenCapability(users)] {
            assert_eq!(
                ask(needs, Role::Owner, false, true),
                Err(Refusal::SessionNeeded)
            );
        }
        assert_eq!(
            ask(Needs::Capability(users), Role::Owner, false, false),
            Ok(())
        );
    }
}
