//! Scenarios as text files: a world, a load, outages, policies, and what is to be printed and expected.
//!
//! One statement a line; `#` begins a comment. Every figure printed depends on the file alone, so that the output can be
//! kept beside it and compared.

mod parse;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use domain::Problem;
use planning::balance::ForecastWeights;

pub use parse::{Compare, Figure, Operand, Scenario, Statement, parse_scenario};

use crate::problem::SimulationError;
use crate::route::{Conversations, RoutePolicyName, RouteReport, World, measured, named, read_world};
use crate::trace::read_text;

/// `simulate scenario`.
#[derive(Debug, Clone, Args)]
pub struct ScenarioArgs {
    /// The scenario.
    pub file: PathBuf,
}

/// What a scenario printed, and what did not come true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioOutcome {
    /// One line for each `print` and `expect`.
    pub text: String,
    /// Expectations that failed, with their line numbers.
    pub failures: Vec<String>,
}

/// Runs a scenario from its file.
///
/// # Errors
/// When the file or its world is malformed, or an expectation fails.
pub fn scenario(args: &ScenarioArgs) -> Result<String, Problem> {
    let outcome = play(&args.file)?;
    if outcome.failures.is_empty() {
        return Ok(outcome.text);
    }
    let failures = outcome.failures.join("; ");
    Err(Problem::invalid(format!("{}: {failures}", args.file.display()))
        .next("compare the figures with the file's print lines, or change what is expected"))
}

/// Plays a scenario file to its end, whatever comes true.
pub fn play(file: &Path) -> Result<ScenarioOutcome, SimulationError> {
    let scenario = parse_scenario(&read_text(file)?).map_err(|cause| SimulationError::malformed(file, cause))?;
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let world = staged(read_world(&folder.join(&scenario.world))?, &scenario)
        .map_err(|cause| SimulationError::malformed(file, cause))?;
    let requests = Conversations { block_tokens: world.block_tokens, ..scenario.load }.generate(scenario.seed);
    let figures = scenario.policies.iter().map(|name| {
        let mut policy = named(*name, ForecastWeights::default(), 2, scenario.seed);
        (parse::policy_word(*name), measured(*name, &world, &requests, policy.as_mut()))
    });
    Ok(told(&scenario, &figures.collect()))
}

fn staged(mut world: World, scenario: &Scenario) -> Result<World, String> {
    world.seed = scenario.seed;
    for outage in &scenario.outages {
        let region = world.regions.iter().position(|region| region.name == outage.region);
        let region = region.ok_or_else(|| format!("line {}: there is no region {:?}", outage.line, outage.region))?;
        let (from_us, until_us) = (outage.from_us, outage.from_us + outage.length_us);
        world.outages.push(crate::route::Outage { region, from_us, until_us });
    }
    Ok(world)
}

fn told(scenario: &Scenario, reports: &BTreeMap<&'static str, RouteReport>) -> ScenarioOutcome {
    let mut outcome = ScenarioOutcome { text: String::new(), failures: Vec::new() };
    for (line, statement) in &scenario.statements {
        match statement {
            Statement::Print(figures) => {
                for (policy, report) in reports {
                    let values: Vec<String> =
                        figures.iter().map(|figure| format!("{} {:.4}", figure.word(), figure.of(report))).collect();
                    let _ = writeln!(outcome.text, "{policy}: {}", values.join(", "));
                }
            }
            Statement::Expect { left, compare, right } => {
                let value = |operand: &Operand| match operand {
                    Operand::Number(number) => *number,
                    Operand::Of(policy, figure) => {
                        reports.get(parse::policy_word(*policy)).map_or(f64::NAN, |report| figure.of(report))
                    }
                };
                let (left_value, right_value) = (value(left), value(right));
                let said = format!("{left} {compare} {right}");
                if compare.holds(left_value, right_value) {
                    let _ = writeln!(outcome.text, "yes: {said}");
                } else {
                    let _ = writeln!(outcome.text, "NO: {said}");
                    outcome.failures.push(format!("line {line}: {said} does not hold: {left_value} and {right_value}"));
                }
            }
        }
    }
    outcome.text.truncate(outcome.text.trim_end().len());
    outcome
}

impl Figure {
    /// Its value in a report.
    #[must_use]
    pub fn of(self, report: &RouteReport) -> f64 {
        match self {
            Self::MeanTtft => report.mean_ttft_s,
            Self::P99Ttft => report.p99_ttft_s,
            Self::Usd => report.usd,
            Self::CompletedShare => report.completed_share,
            Self::PrefixHitShare => report.prefix_hit_share,
            Self::Resent => report.resent as f64,
            Self::Unserved => report.unserved as f64,
        }
    }
}

/// The policies in a scenario's words.
pub(crate) const POLICIES: [(&str, RoutePolicyName); 4] = [
    ("ours", RoutePolicyName::Ours),
    ("round-robin", RoutePolicyName::RoundRobin),
    ("least-outstanding", RoutePolicyName::LeastOutstanding),
    ("prefix-hash", RoutePolicyName::PrefixHash),
];
