//! The sync engine: `step(event) -> effects`. It does no I/O and has no clock and no randomness of its own.
