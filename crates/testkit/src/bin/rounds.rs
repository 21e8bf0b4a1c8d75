//! `fieldstone-rounds`: crashes for real, round after round, until something is lost or all rounds are over.
#![allow(
    clippy::print_stdout,
    reason = "a command that reports to the terminal"
)]

use clap::Parser;
use fieldstone_testkit::rounds::Rounds;

#[derive(Debug, Parser)]
#[command(
    name = "fieldstone-rounds",
    about = "Kill devices, server and database at random moments, and look for what was entered"
)]
struct Arguments {
    /// How many rounds
    #[arg(long, default_value_t = 200)]
    rounds: u32,

    /// Chooses what happens
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Kill the server and its database alone, and no devices
    #[arg(long)]
    server_only: bool,
}

fn main() {
    let arguments = Arguments::parse();
    println!("seed {}", arguments.seed);
    let mut rounds = if arguments.server_only {
        Rounds::of_the_server(arguments.seed)
    } else {
        Rounds::start(arguments.seed)
    };
    for round in 1..=arguments.rounds {
        rounds.round();
        if round % 10 == 0 {
            println!("{round}: {:?}", rounds.figures);
        }
    }
    println!(
        "Nothing lost, nothing skipped, nothing twice: {:?}",
        rounds.figures
    );
}
