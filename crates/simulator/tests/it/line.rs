//! A command line as a user would type it, run in this process.

use std::path::Path;

use clap::Parser;
use simulator::{Output, OutputFormat};

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: simulator::Command,
}

/// What the words after `simulate` print, or the cause of their refusal; `DIR` in them stands for `folder`.
pub fn output(line: &str, folder: &Path) -> Result<Output, String> {
    let words = format!("simulate {line}").replace("DIR", &folder.display().to_string());
    let parsed = Line::try_parse_from(words.split_whitespace()).map_err(|error| error.to_string())?;
    simulator::run(parsed.command, OutputFormat::Text).map_err(|problem| problem.cause)
}

/// The figures alone.
pub fn simulate(line: &str, folder: &Path) -> Result<serde_json::Value, String> {
    output(line, folder).map(|output| output.figures)
}
