//! Marks an answer that goes on for as long as somebody listens.

/// Among an answer's extensions: a server that is told to stop doesn't wait for its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endless;
