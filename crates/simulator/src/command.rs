//! The commands, as `mcp simulate …` and `simulate …` both mount them.

use std::fmt;

use clap::{Args, Subcommand, ValueEnum};
use domain::Problem;
use serde::Serialize;

use crate::autoscale::{AutoscaleArgs, autoscale};
use crate::batch::{SpotBatchArgs, spot_batch};
use crate::bench::{BenchArgs, bench};
use crate::egress::{EgressArgs, egress};
use crate::place::{PlaceArgs, place};
use crate::serve::{SpotServeArgs, spot_serve};

/// Replays of traces under a policy.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Batch work with a deadline on spot capacity.
    #[command(allow_negative_numbers = true)]
    SpotBatch {
        #[command(flatten)]
        args: SpotBatchArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// The price of moving data between two places.
    #[command(allow_negative_numbers = true)]
    Egress {
        #[command(flatten)]
        args: EgressArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// The number of replicas under a changing rate of requests.
    #[command(allow_negative_numbers = true)]
    Autoscale {
        #[command(flatten)]
        args: AutoscaleArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Replicas that must be ready, on spot capacity and on-demand.
    #[command(allow_negative_numbers = true)]
    SpotServe {
        #[command(flatten)]
        args: SpotServeArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Which offers the tasks of a job run on, at the least cost.
    Place {
        #[command(flatten)]
        args: PlaceArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Everything above on a folder of public data, as one table with the bars beside it.
    Bench {
        #[command(flatten)]
        args: BenchArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// How to print.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// One JSON object, or text for people.
    #[arg(long, value_enum, default_value = "text")]
    pub output: OutputFormat,
}

/// The two forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// One JSON object.
    Json,
    /// A line for each figure.
    Text,
}

/// What a command found, ready to print.
#[derive(Debug, Clone)]
pub struct Output {
    /// The figures.
    pub figures: serde_json::Value,
    /// How to print them.
    pub format: OutputFormat,
    /// The text to print instead of a line for each figure.
    pub text: Option<String>,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.figures, self.format) {
            (_, OutputFormat::Text) if self.text.is_some() => f.write_str(self.text.as_deref().unwrap_or_default()),
            (figures, OutputFormat::Json) => write!(f, "{figures}"),
            (serde_json::Value::Object(map), OutputFormat::Text) => {
                let width = map.keys().map(String::len).max().unwrap_or(0);
                for (at, (name, value)) in map.iter().enumerate() {
                    let newline = if at == 0 { "" } else { "\n" };
                    write!(f, "{newline}{name:width$}  {value}")?;
                }
                Ok(())
            }
            (figures, OutputFormat::Text) => write!(f, "{figures}"),
        }
    }
}

/// Runs one command.
///
/// # Errors
/// When a file is missing or malformed, or an argument makes no sense.
pub fn run(command: Command) -> Result<Output, Problem> {
    match command {
        Command::SpotBatch { args, output } => report(&spot_batch(&args)?, output),
        Command::Autoscale { args, output } => report(&autoscale(&args)?, output),
        Command::Egress { args, output } => report(&egress(&args)?, output),
        Command::Place { args, output } => report(&place(&args)?, output),
        Command::Bench { args, output } => {
            let report = bench(&args)?;
            let text = report.table();
            Ok(Output { text: Some(text), ..self::report(&report, output)? })
        }
        Command::SpotServe { args, output } => report(&spot_serve(&args)?, output),
    }
}

fn report<T: Serialize>(figures: &T, output: OutputArgs) -> Result<Output, Problem> {
    let figures = serde_json::to_value(figures).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(Output { figures, format: output.output, text: None })
}
