//! `simulate …`: the simulator by itself; `mcp simulate …` mounts the same commands.

use std::process::ExitCode;

use clap::Parser;

/// Replay traces against planning policies.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Arguments {
    #[command(subcommand)]
    command: simulator::Command,
    /// One JSON object, or text for people.
    #[arg(long, global = true, value_enum, default_value = "text")]
    output: simulator::OutputFormat,
}

// Data goes to standard output and talk to standard error; that is all a command-line program is for.
#[allow(clippy::print_stdout, clippy::print_stderr)]
fn main() -> ExitCode {
    let Arguments { command, output } = Arguments::parse();
    match simulator::run(command, output) {
        Ok(output) => {
            println!("{output}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("error {}: {}", problem.code, problem.cause);
            if let Some(step) = &problem.next_step {
                eprintln!("hint: {step}");
            }
            ExitCode::FAILURE
        }
    }
}
