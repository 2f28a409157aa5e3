//! Who of the answers with a form takes part in a step.
//!
//! A form's next tokens are computed on the engine's thread and can cost more than the step itself, so they are paid
//! for: a little is free in each step, beyond it the time of steps is credit, the time of forms is spent from it, and
//! whoever spent least goes first. Forms together then take about half of the engine's time while anything else runs,
//! and a costly form does not hold up a cheap one.

/// The most credit that is kept, in microseconds: a few costly tokens.
const MOST_CREDIT_US: i64 = 20_000;
/// What forms may cost in each step without credit, in microseconds.
const FREE_US: i64 = 1_000;

/// The most that one token of a form may cost, in microseconds of processor time.
const MOST_TOKEN_US: u64 = 100_000;
/// The most that all tokens of an answer may: so much at once, and so much more with each.
const MOST_START_US: u64 = 500_000;
const MOST_MEAN_US: u64 = 20_000;

/// Whether a form costs more than one answer may ask for: `spent_us` for `tokens` tokens, `last_us` for the last.
pub const fn exceeds(spent_us: u64, last_us: u64, tokens: u64) -> bool {
    last_us > MOST_TOKEN_US || spent_us > MOST_START_US + tokens.saturating_mul(MOST_MEAN_US)
}

/// An answer with a form whose next token is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Its slot.
    pub slot: usize,
    /// The account of what its form has cost, in microseconds.
    pub account_us: u64,
    /// What its last token cost.
    pub last_us: u64,
}

/// The account.
#[derive(Debug, Default)]
pub struct Share {
    credit_us: i64,
}

impl Share {
    /// The slots that sit out the next step. `others` says that something else than these runs.
    pub fn sit_out(&mut self, due: &[Due], others: bool) -> Vec<usize> {
        let mut order: Vec<&Due> = due.iter().collect();
        order.sort_by_key(|due| (due.account_us, due.slot));
        let (mut free, mut credit) = (FREE_US, self.credit_us);
        let mut out = Vec::new();
        for (at, due) in order.into_iter().enumerate() {
            let cost = i64::try_from(due.last_us).unwrap_or(i64::MAX);
            if cost <= free {
                free -= cost;
            } else if credit > 0 || (at == 0 && !others) {
                // The second: a step must do something.
                credit = credit.saturating_sub(cost);
            } else {
                out.push(due.slot);
            }
        }
        out
    }

    /// Counts a step that took `step_us`, `forms_us` of it for forms.
    pub fn count(&mut self, step_us: u64, forms_us: u64) {
        let rest = i64::try_from(step_us.saturating_sub(forms_us)).unwrap_or(MOST_CREDIT_US);
        let forms = i64::try_from(forms_us).unwrap_or(i64::MAX).saturating_sub(FREE_US).max(0);
        // A debt stays until steps have paid for it; it is one token of one form at most beyond the credit.
        self.credit_us = self.credit_us.saturating_add(rest).saturating_sub(forms).min(MOST_CREDIT_US);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs forms of these costs beside `others`, each step of 2,000 µs; how often each form took part, and the time.
    fn run(costs: &[u64], others: bool, steps: usize) -> (Vec<u64>, u64) {
        let mut share = Share::default();
        let mut due: Vec<Due> = (0..costs.len()).map(|slot| Due { slot, account_us: 0, last_us: 0 }).collect();
        let mut taken = vec![0; costs.len()];
        let mut total_us = 0;
        for _ in 0..steps {
            let out = share.sit_out(&due, others);
            let mut forms_us = 0;
            for (slot, &cost) in costs.iter().enumerate().filter(|(slot, _)| !out.contains(slot)) {
                forms_us += cost;
                taken[slot] += 1;
                due[slot] = Due { slot, account_us: due[slot].account_us + cost, last_us: cost };
            }
            share.count(2_000 + forms_us, forms_us);
            total_us += 2_000 + forms_us;
        }
        (taken, total_us)
    }

    #[test]
    fn costly_forms_leave_half_of_the_time_to_others() {
        for costs in [vec![15_000], vec![15_000; 30], vec![15_000, 100, 100]] {
            let (taken, total_us) = run(&costs, true, 2_000);
            assert!(total_us < 2_000 * 2_000 * 3, "{total_us} for {costs:?}");
            assert!(taken.iter().all(|&taken| taken > 0), "{taken:?}");
        }
    }

    #[test]
    fn cheap_forms_take_part_in_nearly_every_step() {
        let (taken, _) = run(&[100, 150, 80], true, 1_000);
        assert!(taken.iter().all(|&taken| taken > 990), "{taken:?}");
        let (taken, _) = run(&[15_000, 100], true, 2_000);
        assert!(taken[1] > 1_500, "a costly form does not starve a cheap one: {taken:?}");
    }

    #[test]
    fn what_one_answer_may_cost_is_bounded() {
        assert!(!exceeds(90_000, 90_000, 1));
        assert!(exceeds(101_000, 101_000, 1), "one token");
        assert!(!exceeds(2_400_000, 24_000, 100));
        assert!(exceeds(2_600_000, 26_000, 100), "all together");
    }

    #[test]
    fn alone_there_is_no_waiting() {
        assert_eq!(run(&[15_000], false, 100).0, [100]);
        let (taken, _) = run(&[15_000, 15_000], false, 100);
        assert!(taken.iter().all(|&taken| taken >= 40), "{taken:?}");
    }
}
