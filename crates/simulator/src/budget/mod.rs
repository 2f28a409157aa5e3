//! A budget on a file of spend: what it was projected to come to, what was unusual, and what the ladder did.

mod drawn;
mod replay;
mod spend;

use clap::Args;
use domain::Money;
use planning::budget::{Finding, FindingKind, LadderReason, Projection, Rung, explain_finding, explain_projection};
use serde::Serialize;

pub use drawn::{Change, SpendWorld, csv};
pub use replay::{Budget, BudgetRun, Moved, Spent, coverage, replay};
pub use spend::{Row, Spend, read_spend};

use crate::problem::{SimulationError, positive, share};

/// `simulate budget`.
#[derive(Debug, Clone, Args)]
pub struct BudgetArgs {
    /// CSV of spend: t_seconds, usd, and a column for each dimension.
    #[arg(long)]
    pub spend: std::path::PathBuf,
    /// The most that a budget period may cost.
    #[arg(long)]
    pub limit_usd: f64,
    /// Days of a budget period; the first begins with the file.
    #[arg(long, default_value_t = 30.0)]
    pub period_days: f64,
    /// Probability that the interval is to hold, below 1.
    #[arg(long, default_value_t = 0.95)]
    pub level: f64,
    /// What a request on a cheaper model saves, as a share of its cost.
    #[arg(long, default_value_t = 0.0)]
    pub downgrade_saving: f64,
    /// Read only so many days of the file, as one would have seen them then.
    #[arg(long)]
    pub until_days: Option<f64>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct BudgetReport {
    /// What the last budget period of the file comes to at its end; null while too little is known.
    pub projected_usd: Option<f64>,
    /// Lower end of the interval.
    pub projected_low_usd: Option<f64>,
    /// Upper end.
    pub projected_high_usd: Option<f64>,
    /// The same in a sentence.
    pub projection: Option<String>,
    /// Share of the moments of whole budget periods at which the end lay in the interval; null without a whole one.
    pub coverage: Option<f64>,
    /// Mean width of the interval at those moments, as a share of the end.
    pub mean_width_share: Option<f64>,
    /// Asked for in the whole file.
    pub asked_usd: f64,
    /// Of that, spent under the ladder.
    pub spent_usd: f64,
    /// Refused to interactive requests.
    pub refused_usd: f64,
    /// Asked for by batch that waits.
    pub waiting_usd: f64,
    /// Saved by cheaper models.
    pub saved_usd: f64,
    /// The most spent in one budget period; never over the limit.
    pub highest_period_usd: f64,
    /// Budget periods begun.
    pub budget_periods: usize,
    /// Days read.
    pub days: f64,
    /// How many spikes and drifts were found.
    pub spikes: usize,
    /// The same of drifts.
    pub drifts: usize,
    /// What was unusual, in order of time.
    pub findings: Vec<FindingLine>,
    /// Moves of the ladder, in order of time.
    pub ladder: Vec<LadderLine>,
}

/// Something unusual.
#[derive(Debug, Clone, Serialize)]
pub struct FindingLine {
    /// Days after the file's beginning when it was found.
    pub day: f64,
    /// Spike or drift.
    pub kind: FindingKind,
    /// What explains it; null when all values rose alike.
    pub dimension: Option<String>,
    /// Its value.
    pub value: Option<String>,
    /// That value's part of the rise.
    pub share: Option<f64>,
    /// How much more it cost than was expected.
    pub size_usd: f64,
    /// In a sentence.
    pub why: String,
}

/// A move of the ladder.
#[derive(Debug, Clone, Serialize)]
pub struct LadderLine {
    /// Days after the file's beginning.
    pub day: f64,
    /// Before.
    pub from: Rung,
    /// After.
    pub to: Rung,
    /// Why.
    pub reason: LadderReason,
    /// In a sentence.
    pub why: String,
}

const DAY_S: f64 = 86_400.0;

/// Replays a file of spend under a budget.
pub fn budget(args: &BudgetArgs) -> Result<BudgetReport, SimulationError> {
    let limit = positive("limit-usd", args.limit_usd)?;
    if limit > 9e9 {
        return Err(SimulationError::argument("limit-usd", format!("{limit} is over 9e9")));
    }
    let level = share("level", args.level)?;
    if level <= 0.0 || level >= 1.0 {
        return Err(SimulationError::argument("level", format!("{level} is not between 0 and 1")));
    }
    let downgrade_saving = share("downgrade-saving", args.downgrade_saving)?;
    let (period_days, until_days) = (positive("period-days", args.period_days)?, args.until_days);
    let until_days = until_days.map(|days| positive("until-days", days)).transpose()?;
    let mut spend = read_spend(&args.spend)?;
    let periods = whole_periods("period-days", period_days, spend.period_s)?;
    if let Some(days) = until_days {
        spend.periods.truncate(whole_periods("until-days", days, spend.period_s)?);
    }
    let budget = Budget { limit: Money::from_dollars(limit), periods, level, downgrade_saving };
    let run = replay(&spend, &budget)?;
    Ok(report(&spend, &budget, &run))
}

/// Days as a whole number of the file's periods.
fn whole_periods(flag: &'static str, days: f64, period_s: f64) -> Result<usize, SimulationError> {
    let periods = (days * DAY_S / period_s).round();
    if (1.0..=1e9).contains(&periods) && (periods * period_s - days * DAY_S).abs() < 1e-6 * period_s.max(days * DAY_S) {
        Ok(periods as usize)
    } else {
        let cause = format!("{days} days are not a whole number of the file's periods of {period_s} s");
        Err(SimulationError::argument(flag, cause))
    }
}

fn report(spend: &Spend, budget: &Budget, run: &BudgetRun) -> BudgetReport {
    let last = run.projections.last().copied().flatten();
    let end = |of: fn(&Projection) -> Money| last.as_ref().map(|projection| of(projection).dollars());
    let covered = coverage(run, budget);
    let sum = |of: fn(&Spent) -> Money| run.spent.iter().map(of).sum::<Money>().dollars();
    let day = |periods: usize| periods as f64 * spend.period_s / DAY_S;
    let count = |kind: FindingKind| run.findings.iter().filter(|finding| finding.kind == kind).count();
    BudgetReport {
        projected_usd: end(|projection| projection.expected),
        projected_low_usd: end(|projection| projection.low),
        projected_high_usd: end(|projection| projection.high),
        projection: last.as_ref().map(explain_projection),
        coverage: covered.map(|(covered, _)| covered),
        mean_width_share: covered.map(|(_, width)| width),
        asked_usd: sum(|spent| spent.asked),
        spent_usd: sum(|spent| spent.spent),
        refused_usd: sum(|spent| spent.refused),
        waiting_usd: sum(|spent| spent.waiting),
        saved_usd: sum(|spent| spent.saved),
        highest_period_usd: run.spent.iter().map(|spent| spent.spent).max().unwrap_or_default().dollars(),
        budget_periods: run.spent.len(),
        days: day(spend.periods.len()),
        spikes: count(FindingKind::Spike),
        drifts: count(FindingKind::Drift),
        findings: run.findings.iter().map(|finding| finding_line(finding, day(finding.period + 1))).collect(),
        ladder: run.ladder.iter().map(|moved| ladder_line(moved, day(moved.period))).collect(),
    }
}

fn finding_line(finding: &Finding, day: f64) -> FindingLine {
    FindingLine {
        day,
        kind: finding.kind,
        dimension: finding.dimension.clone(),
        value: finding.value.clone(),
        share: finding.share,
        size_usd: (finding.actual - finding.expected).dollars(),
        why: explain_finding(finding),
    }
}

fn ladder_line(moved: &Moved, day: f64) -> LadderLine {
    let planning::budget::LadderMove { from, to, reason } = moved.moved;
    LadderLine { day, from, to, reason, why: moved.why.clone() }
}
