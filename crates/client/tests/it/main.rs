//! The device as a whole: the store's promises on SQLCipher, and what is left of it on disk.

mod conformance;
