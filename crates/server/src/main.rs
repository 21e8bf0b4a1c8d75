//! The binary `fieldstone`.

use std::process::ExitCode;

/// Takes about an eighth off the processor time of a request, beside the system's allocator, and some 15 MB more memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fieldstone_server::cli::main()
}
