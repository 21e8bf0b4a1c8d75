//! What devices and the platform say to each other, versioned. Types and their framing only: no I/O, and nothing that decides.
