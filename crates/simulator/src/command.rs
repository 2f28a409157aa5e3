//! The commands, as `mcp simulate …` and `simulate …` both mount them.

use std::fmt;

use clap::{Subcommand, ValueEnum};
use domain::Problem;
use serde::Serialize;

use crate::autoscale::{AutoscaleArgs, autoscale};
use crate::batch::{SpotBatchArgs, spot_batch};
use crate::bench::{BenchArgs, bench};
use crate::budget::{BudgetArgs, budget};
use crate::checkpoint::{CheckpointArgs, checkpoint};
use crate::draw::{GenerateArgs, generate};
use crate::egress::{EgressArgs, egress};
use crate::flows::{FlowArgs, flows};
use crate::place::{PlaceArgs, place};
use crate::route::{RouteArgs, route};
use crate::scenario::{ScenarioArgs, scenario};
use crate::serve::{SpotServeArgs, spot_serve};

/// Replays of traces under a policy.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Batch work with a deadline on spot capacity.
    #[command(allow_negative_numbers = true)]
    SpotBatch {
        #[command(flatten)]
        args: SpotBatchArgs,
    },
    /// How often work on spot writes checkpoints, and what is lost between them.
    #[command(allow_negative_numbers = true)]
    Checkpoint {
        #[command(flatten)]
        args: CheckpointArgs,
    },
    /// The price of moving data between two places.
    #[command(allow_negative_numbers = true)]
    Egress {
        #[command(flatten)]
        args: EgressArgs,
    },
    /// The number of replicas under a changing rate of requests.
    #[command(allow_negative_numbers = true)]
    Autoscale {
        #[command(flatten)]
        args: AutoscaleArgs,
    },
    /// Spend under a budget: what it comes to, what is unusual, and what is done about it.
    #[command(allow_negative_numbers = true)]
    Budget {
        #[command(flatten)]
        args: BudgetArgs,
    },
    /// Replicas that must be ready, on spot capacity and on-demand.
    #[command(allow_negative_numbers = true)]
    SpotServe {
        #[command(flatten)]
        args: SpotServeArgs,
    },
    /// Which offers the tasks of a job run on, at the least cost.
    Place {
        #[command(flatten)]
        args: PlaceArgs,
    },
    /// Requests among replicas in several regions.
    #[command(allow_negative_numbers = true)]
    Route {
        #[command(flatten)]
        args: RouteArgs,
    },
    /// A day of requests as flows between regions.
    #[command(allow_negative_numbers = true)]
    Flows {
        #[command(flatten)]
        args: FlowArgs,
    },
    /// A world of the project's own, drawn and written to files that the other commands read.
    Generate {
        #[command(flatten)]
        args: GenerateArgs,
    },
    /// A scenario from a text file, with what it expects.
    Scenario {
        #[command(flatten)]
        args: ScenarioArgs,
    },
    /// Everything above on a folder of public data, as one table with the bars beside it.
    #[command(allow_negative_numbers = true)]
    Bench {
        #[command(flatten)]
        args: BenchArgs,
    },
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

/// Runs one command; its result prints itself in `format`.
///
/// # Errors
/// When a file is missing or malformed, or an argument makes no sense.
pub fn run(command: Command, format: OutputFormat) -> Result<Output, Problem> {
    match command {
        Command::SpotBatch { args } => report(&spot_batch(&args)?, format),
        Command::Autoscale { args } => report(&autoscale(&args)?, format),
        Command::Checkpoint { args } => report(&checkpoint(&args)?, format),
        Command::Budget { args } => report(&budget(&args)?, format),
        Command::Egress { args } => report(&egress(&args)?, format),
        Command::Place { args } => report(&place(&args)?, format),
        Command::Bench { args } => {
            let report = bench(&args)?;
            let text = report.table();
            Ok(Output { text: Some(text), ..self::report(&report, format)? })
        }
        Command::Flows { args } => report(&flows(&args)?, format),
        Command::Generate { args } => report(&generate(&args)?, format),
        Command::Route { args } => report(&route(&args)?, format),
        Command::Scenario { args } => {
            let outcome = scenario(&args)?;
            let text = outcome.text.clone();
            Ok(Output { text: Some(text), ..self::report(&outcome, format)? })
        }
        Command::SpotServe { args } => report(&spot_serve(&args)?, format),
    }
}

fn report<T: Serialize>(figures: &T, format: OutputFormat) -> Result<Output, Problem> {
    let figures = serde_json::to_value(figures).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(Output { figures, format, text: None })
}
