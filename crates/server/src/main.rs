//! The binary `fieldstone`.
fn main() {}
