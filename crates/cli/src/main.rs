//! `mcp`: what was asked for, under which configuration, and how it ended.

mod args;
mod command;
mod config;
mod demo;
mod detach;
mod lifetime;
mod log_file;
mod output;
mod paths;
mod phases;
mod pull;
mod rest;
mod running;
mod secret_file;
mod serve;
mod tree;

use std::process::ExitCode;

use clap::Parser as _;
use domain::{Kind, Problem};

fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => return misused(&error),
    };
    let format = args.output;
    let outcome = run(args);
    telemetry::log::flush();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            output::fail(format, &problem);
            ExitCode::from(if problem.kind == Kind::Invalid { 2 } else { 1 })
        }
    }
}

/// What was typed does not fit: told as clap does to people, and like every other problem to programs.
fn misused(error: &clap::Error) -> ExitCode {
    let environment = config::env::Environment::read();
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    if !(error.use_stderr() && output::is_json_wanted(arguments, environment.get("MCP_OUTPUT"))) {
        error.exit();
    }
    let text = error.render().to_string();
    let cause = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    output::fail(output::Format::Json, &Problem::invalid(cause).next("see 'mcp --help', or --help of the command"));
    ExitCode::from(2)
}

fn run(args: args::Args) -> Result<(), Problem> {
    // One TLS provider for the whole process; a second installation is refused and changes nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let context = command::Context::new(&args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Problem::internal(format!("the runtime cannot start: {e}")))?;
    runtime.block_on(command::run(args.command, context))
}
