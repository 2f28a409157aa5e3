//! Placement of a job's tasks, by the product's own solver or by a whole-number programme beside it.

mod ilp;
mod reprice;
pub mod trial;
mod unmatched;
pub mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use domain::Money;
use planning::placement::filter::sentence;
use planning::placement::{self, Costs, PlacementError, Plan, Problem, Rejection, Relayed, WhyNot};
use serde::Serialize;

pub use self::ilp::solve as solve_as_ilp;
pub use self::reprice::{Repriced, reprice};
pub use self::unmatched::unmatched;
use crate::network::Network;
use crate::prices::{Date, PriceHistory};
use crate::problem::SimulationError;
use crate::trace::read_text;

/// `simulate place`.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// The problem, in the form of docs/placement.md.
    #[arg(long, value_name = "FILE.json")]
    pub problem: PathBuf,
    /// Who solves it.
    #[arg(long, value_enum, default_value = "ours")]
    pub solver: Solver,
    /// CSV of src, dst, rtt_min_ms, throughput_gbps_premium, egress_usd_gb: bandwidth and prices of bytes for pairs of regions
    /// that the problem has no row for.
    #[arg(long, value_name = "FILE.csv")]
    pub network: Option<PathBuf>,
    /// CSV of date, machine_type, region, hour, hour_spot: prices of the offers of the cloud gcp that name an instance.
    #[arg(long, value_name = "FILE.csv", requires = "date")]
    pub price_history: Option<PathBuf>,
    /// The day whose prices count, like 2026-07-22.
    #[arg(long, requires = "price_history")]
    pub date: Option<Date>,
    /// Also say why this task does not run on this offer.
    #[arg(long, value_name = "TASK=OFFER")]
    pub why_not: Option<String>,
}

/// The solvers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Solver {
    /// `planning::placement`.
    Ours,
    /// A whole-number programme over every offer, as an oracle for small problems.
    Ilp,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct PlaceReport {
    /// Dollars of the best plan: machines, egress and λ × transfer time.
    pub objective: f64,
    /// No plan costs less.
    pub lower_bound: f64,
    /// Seconds of pricing and solving, without reading the file.
    pub seconds: f64,
    /// The best plans, best first.
    pub plans: Vec<PlanReport>,
    /// Constraints that cost money, with the dollars saved without them.
    pub binding: Vec<BindingReport>,
    /// By task: offers that were filtered out, by reason.
    pub rejected: BTreeMap<String, BTreeMap<Rejection, usize>>,
    /// Offers whose price is that of `--price-history`, in order of the problem.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repriced: Vec<Repriced>,
    /// Names in quotas, outages, `hours_on` and price rows that are those of nothing in the problem.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmatched: Vec<String>,
    /// The answer to `--why-not`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

/// One plan in dollars.
#[derive(Debug, Clone, Serialize)]
pub struct PlanReport {
    /// What is minimised.
    pub objective: f64,
    /// Machines.
    pub machines_usd: f64,
    /// Egress.
    pub egress_usd: f64,
    /// λ × transfer time.
    pub waiting_usd: f64,
    /// The offer of each task, by name.
    pub offers: BTreeMap<String, String>,
    /// What goes through a relay on its way: from and to which task or place, and through which place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relays: Vec<Relayed>,
}

/// One constraint in dollars.
#[derive(Debug, Clone, Serialize)]
pub struct BindingReport {
    /// Which.
    pub constraint: Rejection,
    /// The quota's name, or `budget_usd`; absent for what each task asks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What the best plan would cost less without it.
    pub saves_usd: f64,
}

/// Solves a problem file.
pub fn place(args: &PlaceArgs) -> Result<PlaceReport, SimulationError> {
    let mut problem = read_problem(&args.problem)?;
    let unmatched = unmatched(&problem);
    if let Some(network) = args.network.as_deref().map(Network::read).transpose()? {
        network.extend(&mut problem);
    }
    let repriced = match (&args.price_history, args.date) {
        (Some(path), Some(date)) => reprice(&mut problem, &PriceHistory::read(path)?, date)?,
        _ => Vec::new(),
    };
    let at_fault = |error: PlacementError| at_fault(&args.problem, &error);
    let started = Instant::now();
    let mut report = match args.solver {
        Solver::Ours => {
            let found = placement::place(&problem).map_err(at_fault)?;
            let seconds = started.elapsed().as_secs_f64();
            let plans = found.plans.iter().map(|plan| plan_report(&problem, plan)).collect();
            let binding = placement::bindings(&problem, &found).map_err(at_fault)?;
            let binding = binding.into_iter().map(|binding| BindingReport {
                constraint: binding.constraint,
                name: binding.name,
                saves_usd: Money(binding.saves).dollars(),
            });
            let names = problem.tasks.iter().map(|task| task.name.clone());
            PlaceReport {
                objective: Money(found.objective).dollars(),
                lower_bound: Money(found.lower_bound).dollars(),
                seconds,
                plans,
                binding: binding.collect(),
                rejected: names.zip(found.rejected).collect(),
                repriced: Vec::new(),
                unmatched: Vec::new(),
                why_not: None,
            }
        }
        Solver::Ilp => ilp_report(&problem, &args.problem)?,
    };
    (report.repriced, report.unmatched) = (repriced, unmatched);
    report.why_not = args.why_not.as_deref().map(|asked| explain(&problem, asked, &args.problem)).transpose()?;
    Ok(report)
}

/// Reads a problem file.
pub fn read_problem(path: &Path) -> Result<Problem, SimulationError> {
    let wrong = |error: serde_json::Error| wrong(path, error.to_string(), FORM);
    serde_json::from_str(&read_text(path)?).map_err(wrong)
}

/// What to do about a problem of another form, and about one without an answer.
const FORM: &str = "see docs/placement.md for the form of a problem";
const LOOSEN: &str = "loosen what the message names, or add offers; docs/placement.md says what each constraint means";

fn wrong(path: &Path, cause: String, next_step: &'static str) -> SimulationError {
    SimulationError::Placement { path: path.to_owned(), cause, next_step }
}

fn at_fault(path: &Path, error: &PlacementError) -> SimulationError {
    let has_no_answer = matches!(
        error,
        PlacementError::NoOffer { .. }
            | PlacementError::OverBudget { .. }
            | PlacementError::OverQuota { .. }
            | PlacementError::GaveUp { .. }
    );
    wrong(path, error.to_string(), if has_no_answer { LOOSEN } else { FORM })
}

fn ilp_report(problem: &Problem, path: &Path) -> Result<PlaceReport, SimulationError> {
    let started = Instant::now();
    let costs = Costs::new(problem).map_err(|error| at_fault(path, &error))?;
    let offers = ilp::solve(problem, &costs).map_err(|cause| wrong(path, cause, LOOSEN))?;
    let seconds = started.elapsed().as_secs_f64();
    let plan = Plan::new(problem, &costs, offers);
    let objective = plan.objective;
    Ok(PlaceReport {
        objective: Money(objective).dollars(),
        lower_bound: Money(objective).dollars(),
        seconds,
        plans: vec![plan_report(problem, &plan)],
        binding: Vec::new(),
        rejected: BTreeMap::new(),
        repriced: Vec::new(),
        unmatched: Vec::new(),
        why_not: None,
    })
}

fn plan_report(problem: &Problem, plan: &Plan) -> PlanReport {
    let name = |offer: &usize| problem.offers[*offer].name.clone();
    let tasks = problem.tasks.iter().map(|task| task.name.clone());
    PlanReport {
        objective: Money(plan.objective).dollars(),
        machines_usd: Money(plan.machines).dollars(),
        egress_usd: Money(plan.egress).dollars(),
        waiting_usd: Money(plan.waiting).dollars(),
        offers: tasks.zip(plan.offers.iter().map(name)).collect(),
        relays: plan.relays.clone(),
    }
}

fn explain(problem: &Problem, asked: &str, path: &Path) -> Result<String, SimulationError> {
    let Some((task, offer)) = asked.split_once('=') else {
        return Err(SimulationError::argument("why-not", format!("{asked:?} is not written like TASK=OFFER")));
    };
    let answer = placement::why_not(problem, task, offer).map_err(|error| match error {
        PlacementError::Unknown { .. } => SimulationError::argument("why-not", error.to_string()),
        other => at_fault(path, &other),
    })?;
    Ok(match answer {
        WhyNot::Rejected(reason) => {
            let found = problem.tasks.iter().find(|other| other.name == task);
            let pair = found.zip(problem.offers.iter().find(|other| other.name == offer));
            let numbers = pair.and_then(|(task, offer)| sentence(task, offer, &problem.outages));
            format!("{offer} may not run {task}: {}", numbers.unwrap_or_else(|| reason.to_string()))
        }
        WhyNot::Dearer { by: 0, .. } => format!("{offer} for {task} is part of a plan as cheap as the best"),
        WhyNot::Dearer { by, .. } => format!("the best plan with {offer} for {task} costs {} more", Money(by)),
        WhyNot::NoPlan { cause } => format!("no plan has {offer} for {task}: {cause}"),
    })
}
