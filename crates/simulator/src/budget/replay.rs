//! Spend replayed period by period under the ladder of `planning::budget`.
//!
//! What is in the file is what is asked for. Projection, findings and coverage are of that; the ladder decides how much of
//! it is spent. A row is one request: it is served whole or not, and what waits is not asked again.

use domain::Money;
use planning::budget::{
    Account, Admission, Ask, Finding, Ladder, LadderMove, LadderSituation, Projection, RequestClass, SpendRow,
    SpendWatch, explain_move, project,
};

use super::spend::{Row, Spend};
use crate::problem::SimulationError;

/// A budget to replay under.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// The most that each budget period may cost.
    pub limit: Money,
    /// Periods of the file in a budget period.
    pub periods: usize,
    /// Probability of the interval.
    pub level: f64,
    /// What a downgraded request saves, as a share of its cost.
    pub downgrade_saving: f64,
}

/// Money of one budget period.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// Asked for.
    pub asked: Money,
    /// Spent.
    pub spent: Money,
    /// Refused to interactive requests.
    pub refused: Money,
    /// Asked for by batch that waits.
    pub waiting: Money,
    /// Saved by cheaper models.
    pub saved: Money,
}

/// A move of the ladder, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// Periods that were over.
    pub period: usize,
    /// The move.
    pub moved: LadderMove,
    /// Why, in a sentence.
    pub why: String,
}

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BudgetRun {
    /// Of what is asked for, at the end of each period of the file.
    pub projections: Vec<Option<Projection>>,
    /// In order of time.
    pub findings: Vec<Finding>,
    /// In order of time.
    pub ladder: Vec<Moved>,
    /// Of each budget period, the last of which may be cut.
    pub spent: Vec<Spent>,
}

/// Replays a file.
///
/// # Errors
/// When the file's periods or dimensions are refused by the watch.
pub fn replay(spend: &Spend, budget: &Budget) -> Result<BudgetRun, SimulationError> {
    let wrong = |error: planning::budget::BudgetError| SimulationError::argument("spend", error.to_string());
    let mut watch = SpendWatch::new(spend.period_s, &spend.dimensions).map_err(wrong)?;
    let class_at = spend.dimensions.iter().position(|name| name == "class");
    let mut run = BudgetRun::default();
    let (mut account, mut ladder) = (Account::new(budget.limit), Ladder::default());
    let mut usual_ask = Money::ZERO;
    for (number, rows) in spend.periods.iter().enumerate() {
        if number % budget.periods == 0 {
            (account, ladder) = (Account::new(budget.limit), Ladder::default());
            run.spent.push(Spent::default());
        }
        let Some(spent) = run.spent.last_mut() else { break };
        for row in rows {
            serve(row, class_at, &mut account, ladder, budget, spent);
        }
        let seen: Vec<SpendRow<'_>> = rows.iter().map(Row::seen).collect();
        run.findings.extend(watch.observe(&seen).map_err(wrong)?);
        usual_ask = rows.iter().map(|row| row.spend).max().unwrap_or(usual_ask);
        let left = budget.periods - 1 - number % budget.periods;
        let projection = project(watch.total(), spent.asked, left, budget.level);
        run.projections.push(projection);
        if left > 0 {
            let now_s = (number + 1) as f64 * spend.period_s;
            let situation = seen_from(now_s, &account, usual_ask, projection);
            let (next, moved) = ladder.step(&situation);
            ladder = next;
            let told = |moved| Moved { period: number + 1, moved, why: explain_move(&moved, &situation) };
            run.ladder.extend(moved.map(told));
        }
    }
    Ok(run)
}

/// What the ladder sees: the rest of what will be asked for, on top of what is spent.
fn seen_from(now_s: f64, account: &Account, usual_ask: Money, projection: Option<Projection>) -> LadderSituation {
    LadderSituation {
        now_s,
        limit: account.limit(),
        spent: account.spent(),
        reserved: account.reserved(),
        usual_ask,
        projection: projection.map(|projection| projection.on_top_of(account.spent())),
    }
}

/// Serves a row, or not.
fn serve(
    row: &Row,
    class_at: Option<usize>,
    account: &mut Account,
    ladder: Ladder,
    budget: &Budget,
    spent: &mut Spent,
) {
    let is_batch = class_at.and_then(|at| row.values.get(at)).is_some_and(|value| value == "batch");
    let class = if is_batch { RequestClass::Batch } else { RequestClass::Interactive };
    let cheaper = Money::from_dollars(row.spend.dollars() * (1.0 - budget.downgrade_saving)).min(row.spend);
    let cheaper_worst_case = (budget.downgrade_saving > 0.0).then_some(cheaper);
    spent.asked = spent.asked + row.spend;
    match account.admit(ladder.rung(), &Ask { class, worst_case: row.spend, cheaper_worst_case }) {
        Admission::Serve(promised) => account.settle(promised, promised),
        Admission::Downgrade(promised) => {
            account.settle(promised, promised);
            spent.saved = spent.saved + (row.spend - promised);
        }
        Admission::Wait => spent.waiting = spent.waiting + row.spend,
        Admission::Refuse => spent.refused = spent.refused + row.spend,
    }
    spent.spent = account.spent();
}

/// Share of the moments of whole budget periods at which what was asked for in the end lay in the interval, and the mean
/// width of the interval as a share of that; `None` without a moment that had one.
#[must_use]
pub fn coverage(run: &BudgetRun, budget: &Budget) -> Option<(f64, f64)> {
    let (mut moments, mut within, mut width) = (0.0, 0.0, 0.0);
    for (projections, spent) in run.projections.chunks_exact(budget.periods).zip(&run.spent) {
        for seen in projections.iter().flatten().filter(|seen| seen.periods_left > 0) {
            moments += 1.0;
            within += f64::from(u8::from(seen.low <= spent.asked && spent.asked <= seen.high));
            width += (seen.high - seen.low).dollars() / spent.asked.dollars().max(f64::MIN_POSITIVE);
        }
    }
    (moments > 0.0).then(|| (within / moments, width / moments))
}
