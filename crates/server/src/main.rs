//! The binary `fieldstone`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fieldstone_server::cli::main()
}
