//! The promises of `Store`, as tests that every implementation runs.
