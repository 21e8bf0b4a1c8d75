//! The guard from outside: devices replayed, and real processes that are attacked.

mod process;
mod recorded;
mod replay;
