//! Scenarios as text files: commands to run, and what is to be printed and expected of their figures.
//!
//! One statement a line; `#` begins a comment. A run is a command line of `mcp simulate`, whose figures are called by the
//! names of its JSON. Paths are from the file's folder. Every figure printed depends on the files alone, so that the
//! output can be kept beside the scenario and compared.

mod parse;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Parser};
use domain::Problem;
use serde::Serialize;
use serde_json::Value;

pub use parse::{Compare, Operand, Run, Scenario, Statement, parse_scenario};

use crate::command::{Command, OutputFormat, run};
use crate::problem::SimulationError;
use crate::trace::read_text;

/// `simulate scenario`.
#[derive(Debug, Clone, Args)]
pub struct ScenarioArgs {
    /// The scenario.
    pub file: PathBuf,
}

/// Figures that measure the simulation and not what is simulated.
const CLOCK_FIGURES: [&str; 3] = ["seconds", "events_per_second", "requests_per_minute"];
/// Flags whose value is a path.
const PATH_FLAGS: &[&str] = &[
    "--traces",
    "--rates",
    "--world",
    "--problem",
    "--requests",
    "--clients",
    "--lengths",
    "--network",
    "--price-history",
    "--spend",
];

/// What a scenario printed, and what did not come true.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScenarioOutcome {
    /// One line for each `expect`, and one for each run of each `print`.
    pub text: String,
    /// Expectations that failed, with their line numbers.
    pub failures: Vec<String>,
    /// The figures of every run.
    pub runs: BTreeMap<String, Value>,
}

#[derive(Parser)]
#[command(name = "run", no_binary_name = true, disable_help_flag = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

/// Runs a scenario from its file.
///
/// # Errors
/// When the file is malformed, a run is refused, or an expectation fails.
pub fn scenario(args: &ScenarioArgs) -> Result<ScenarioOutcome, Problem> {
    let outcome = play(&args.file)?;
    if outcome.failures.is_empty() {
        return Ok(outcome);
    }
    let failures = outcome.failures.join("; ");
    Err(Problem::invalid(format!("{}: {failures}", args.file.display()))
        .next("compare the figures with the file's print lines, or change what is expected"))
}

/// Plays a scenario file to its end, whatever comes true.
pub fn play(file: &Path) -> Result<ScenarioOutcome, SimulationError> {
    let wrong = |cause: String| SimulationError::malformed(file, cause);
    let scenario = parse_scenario(&read_text(file)?).map_err(wrong)?;
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let mut figures: Vec<(usize, String, Value)> = Vec::with_capacity(scenario.runs.len());
    for run in &scenario.runs {
        let found = figures_of(run, folder).map_err(|cause| wrong(format!("line {}: {cause}", run.line)))?;
        figures.push((run.line, run.name.clone(), found));
    }
    told(&scenario, &figures).map_err(wrong)
}

fn figures_of(scenario_run: &Run, folder: &Path) -> Result<Value, String> {
    let mut words = scenario_run.words.clone();
    for at in 1..words.len() {
        if PATH_FLAGS.contains(&words[at - 1].as_str()) {
            words[at] = folder.join(&words[at]).display().to_string();
        }
    }
    let first_line = |error: clap::Error| {
        let text = error.to_string();
        text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    };
    let line = Line::try_parse_from(words).map_err(first_line)?;
    run(line.command, OutputFormat::Json).map(|output| output.figures).map_err(|problem| problem.cause)
}

fn told(scenario: &Scenario, figures: &[(usize, String, Value)]) -> Result<ScenarioOutcome, String> {
    let (mut text, mut failures) = (String::new(), Vec::new());
    for statement in &scenario.statements {
        match statement {
            Statement::Print(line, names) => {
                for (_, run, found) in figures.iter().filter(|(begun, _, _)| begun < line) {
                    let values = names.iter().map(|name| Ok(format!("{name} {:.4}", figure(found, name)?)));
                    let values = values.collect::<Result<Vec<_>, String>>();
                    let values = values.map_err(|cause| format!("line {line}: {run}: {cause}"))?;
                    let _ = writeln!(text, "{run}: {}", values.join(", "));
                }
            }
            Statement::Expect(line, left, compare, right) => {
                let value = |operand: &Operand| match operand {
                    Operand::Number(number) => Ok(*number),
                    Operand::Of(run, name) => {
                        let found = figures.iter().find(|(_, known, _)| known == run);
                        found.map_or_else(|| Err("it was not run".to_owned()), |(_, _, found)| figure(found, name))
                    }
                };
                let in_line = |cause| format!("line {line}: {cause}");
                let (a, b) = (value(left).map_err(in_line)?, value(right).map_err(in_line)?);
                let said = format!("{left} {compare} {right}");
                if compare.holds(a, b) {
                    let _ = writeln!(text, "yes: {said}");
                } else {
                    let _ = writeln!(text, "NO: {said}");
                    failures.push(format!("line {line}: {said} does not hold: {a} and {b}"));
                }
            }
        }
    }
    text.truncate(text.trim_end().len());
    let runs = figures.iter().map(|(_, name, found)| (name.clone(), found.clone())).collect();
    Ok(ScenarioOutcome { text, failures, runs })
}

/// A number of a report, by the names of the fields that lead to it.
fn figure(report: &Value, path: &str) -> Result<f64, String> {
    let found = path.split('.').try_fold(report, |value, name| value.get(name));
    if found.is_some_and(Value::is_null) {
        return Err(format!("{path:?} is null in this run"));
    }
    found.and_then(Value::as_f64).ok_or_else(|| {
        let known = report.as_object().into_iter().flatten();
        let mut numbers: Vec<&str> =
            known.filter(|(_, value)| value.is_number()).map(|(name, _)| name.as_str()).collect();
        numbers.sort_unstable();
        format!("{path:?} is no figure; there are {}", numbers.join(", "))
    })
}
