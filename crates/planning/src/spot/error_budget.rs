//! The stock of time that may still be short, and what an hour short is worth while so much of it is left.
//!
//! An error budget as in site reliability engineering (Beyer et al., "Site Reliability Engineering", chapter 3): it grows
//! with time by what the target allows and shrinks by what was short. The worth of an hour short is a power of the stock,
//! which is online dual ascent on the constraint that the target be met: while much is left hazards are taken, and when
//! it is overdrawn they are bought off. The stock starts overdrawn, so that what is reached lies above the target by a
//! cold start or so and not half of the time below it.
//!
//! The constants were chosen by hand on generated worlds (`simulator::generate::VariedWorld`, seeds 0 to 15, two to five
//! zones) and on the two public one-node sets that [`super::holding`] names, each node counted four times.

use super::serving::ServingGoal;

/// The share of the allowance that is spent.
const SPENT: f64 = 0.95;
/// What the stock starts at, in cold starts overdrawn.
const RESERVE_COLD_STARTS: f64 = 1.0;
/// What the target allows in so many hours lowers the worth by a factor of e.
const STEP_HOURS: f64 = 24.0;
/// But one cold start changes the worth by no more than this power of e, or where few are allowed the first one would
/// turn everything to on-demand.
const MOST_STEP: f64 = 0.4;
/// The worth rises this many times as steeply once the stock is overdrawn as it falls before.
const OVERDRAWN: f64 = 2.0;
/// Steps of e that the stock may come to, overdrawn and saved up: what is beyond is forgotten.
const STEPS: (f64, f64) = (4.0, 2.1);
/// Share of time that may be short, at the least.
const LEAST_ALLOWANCE: f64 = 1e-5;

/// Where spot is nearly free, the worth does not start from less than this price does.
const LEAST_PRICE_RATIO: f64 = 0.05;

/// The stock of one deployment.
#[derive(Debug, Clone)]
pub struct ErrorBudget {
    goal: ServingGoal,
    stock_s: f64,
}

impl ErrorBudget {
    /// At the start.
    #[must_use]
    pub fn new(goal: ServingGoal) -> Self {
        Self { goal, stock_s: -RESERVE_COLD_STARTS * goal.cold_start_s }
    }

    /// Takes in that of `elapsed_s` seconds `short_s` were short of replicas.
    pub fn observe(&mut self, short_s: f64, elapsed_s: f64) {
        let step_s = self.step_s();
        let stock_s = self.stock_s + self.allowance() * elapsed_s - short_s;
        self.stock_s = stock_s.clamp(-STEPS.0 * step_s, STEPS.1 * step_s);
    }

    /// What an hour short is worth now, in hours of one on-demand instance. It starts from where a spot instance that
    /// takes away all the time short that is allowed just pays.
    #[must_use]
    pub fn worth(&self) -> f64 {
        let steps = self.stock_s / self.step_s();
        let raised = if steps < 0.0 { -steps * OVERDRAWN } else { -steps };
        self.goal.price_ratio.max(LEAST_PRICE_RATIO) / self.allowance() * raised.exp()
    }

    /// The stock over which the worth changes by a factor of e.
    fn step_s(&self) -> f64 {
        (self.allowance() * STEP_HOURS * 3_600.0).max(self.goal.cold_start_s / MOST_STEP)
    }

    fn allowance(&self) -> f64 {
        (1.0 - self.goal.target_availability).max(LEAST_ALLOWANCE) * SPENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOAL: ServingGoal =
        ServingGoal { replicas: 4, cold_start_s: 183.0, price_ratio: 0.3, target_availability: 0.999 };

    #[test]
    fn an_hour_short_is_worth_less_the_more_is_left() {
        let (mut calm, mut hit) = (ErrorBudget::new(GOAL), ErrorBudget::new(GOAL));
        let start = calm.worth();
        (0..1_000).for_each(|_| calm.observe(0.0, 300.0));
        hit.observe(183.0, 300.0);
        assert!(calm.worth() < start && start < hit.worth());
        let before = hit.worth();
        hit.observe(183.0, 300.0);
        assert!(hit.worth() < 3.0 * before, "one cold start changes it within bounds");
    }

    #[test]
    fn the_worth_stays_within_bounds() {
        for short_s in [0.0, 300.0] {
            let mut budget = ErrorBudget::new(ServingGoal { target_availability: 1.0, ..GOAL });
            (0..100_000).for_each(|_| budget.observe(short_s, 300.0));
            assert!(budget.worth().is_finite() && budget.worth() > 0.0);
        }
    }
}
