//! Where a sealed value belongs: it opens there and nowhere else.

use crate::key::framed;

/// What a data key is for. Keys of different purposes have nothing in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Purpose(&'static str);

impl Purpose {
    /// A purpose by its name, which never changes once something is sealed for it.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    pub(crate) fn name(self) -> &'static [u8] {
        self.0.as_bytes()
    }
}

/// The one place a value belongs to. All of it is authenticated with the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Whose it is; also says whose key seals it.
    pub tenant: &'a str,
    /// The kind of thing it is a part of.
    pub object: &'a str,
    /// Which one of them.
    pub record: &'a str,
    /// Which part.
    pub field: &'a str,
    /// Which version of the part; always the same one where old values may not be told from new ones.
    pub version: u64,
}

impl Place<'_> {
    /// The associated data.
    pub(crate) fn data(&self) -> Vec<u8> {
        framed(&[
            b"fieldstone place 1",
            self.tenant.as_bytes(),
            self.object.as_bytes(),
            self.record.as_bytes(),
            self.field.as_bytes(),
            &self.version.to_be_bytes(),
        ])
    }
}
