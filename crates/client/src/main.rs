//! `fieldstone-device`: the offline field app without its window.

use std::process::ExitCode;

fn main() -> ExitCode {
    fieldstone_client::cli::run()
}
