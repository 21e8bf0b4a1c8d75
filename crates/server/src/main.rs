//! The binary `fieldstone`.

use std::process::ExitCode;

/// A sixth of a request's time went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fieldstone_server::cli::main()
}
