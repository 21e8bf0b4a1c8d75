//! Who works at the demo companies.

use fieldstone_model::{RecordId, Role};

/// A company that demo data is about.
#[derive(Debug, Clone, Copy)]
pub struct Company {
    /// The workspace's address.
    pub slug: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its people; the first one is the owner.
    pub people: &'static [Person],
    /// What it does.
    pub business: Business,
}

/// What a demo company does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Business {
    /// Sells workshop equipment.
    Sales,
    /// Looks after lifts.
    Service,
}

/// Somebody at a demo company.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    /// What they are called.
    pub name: &'static str,
    /// The part of their address before the `@`.
    pub mailbox: &'static str,
    /// What they may do.
    pub role: Role,
    /// Whether they get a password. The others are there for their records.
    pub signs_in: bool,
}

impl Person {
    const fn with_password(name: &'static str, mailbox: &'static str, role: Role) -> Self {
        Self {
            name,
            mailbox,
            role,
            signs_in: true,
        }
    }

    const fn colleague(name: &'static str, mailbox: &'static str) -> Self {
        Self {
            name,
            mailbox,
            role: Role::Member,
            signs_in: false,
        }
    }

    /// Their address, of a domain that is kept for examples.
    pub fn email(&self, company: &Company) -> String {
        format!("{}@{}.example", self.mailbox, company.slug)
    }
}

/// The demo companies.
pub const COMPANIES: [Company; 2] = [
    Company {
        slug: "brackenwell",
        name: "Brackenwell Supply",
        business: Business::Sales,
        people: &[
            Person::with_password("Marta Penhallow", "owner", Role::Owner),
            Person::with_password("Edgar Lorimond", "admin", Role::Admin),
            Person::with_password("Lena Fairholm", "member", Role::Member),
            Person::with_password("Silas Ravensby", "viewer", Role::Viewer),
            Person::colleague("Ida Calloway", "ida"),
            Person::colleague("Omar Thornevale", "omar"),
            Person::colleague("Greta Mossgrove", "greta"),
            Person::colleague("Jonas Whitlocke", "jonas"),
            Person::colleague("Priya Eastlake", "priya"),
            Person::colleague("Felix Drummore", "felix"),
        ],
    },
    Company {
        slug: "quillmere",
        name: "Quillmere Lift Service",
        business: Business::Service,
        people: &[
            Person::with_password("Hugo Winterbourne", "owner", Role::Owner),
            Person::with_password("Nadia Greymont", "admin", Role::Admin),
            Person::with_password("Ruben Kellaway", "member", Role::Member),
            Person::with_password("Tessa Varley", "viewer", Role::Viewer),
            Person::colleague("Yara Northgale", "yara"),
            Person::colleague("Emil Stannimore", "emil"),
        ],
    },
];

/// Those of a company's people who have records of their own, by how many.
pub(super) fn owners(company: &Company, ids: &[RecordId]) -> Vec<(RecordId, u32)> {
    company
        .people
        .iter()
        .zip(ids)
        .zip(1..)
        .filter_map(|((person, id), place)| match person.role {
            Role::Viewer => None,
            Role::Owner => Some((*id, 2)),
            Role::Admin => Some((*id, 3)),
            Role::Member => Some((*id, 10 + place % 4 * 3)),
        })
        .collect()
}
