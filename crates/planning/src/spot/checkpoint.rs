//! How often to write a checkpoint of work that may be lost, and whether to write one when loss is announced.
//!
//! Writing too often costs time, writing too seldom costs work: near the best, both cost the same. This file knows the hazard
//! as a number; [`super::survival`] learns it.

/// A checkpoint is not written more often than this many times in a mean life, even where writing costs nothing.
const MOST_IN_A_LIFE: f64 = 1_000.0;

/// Of an announced time to live, the share in which a checkpoint must fit: the rest is for what goes slower than usual.
const NOTICE_USED: f64 = 0.7;

/// Hours of work between two checkpoints that waste least: τ = √(2δ/h) for writes of δ = `write_hours` and a hazard of
/// h = `ending_per_hour`.
///
/// With a constant hazard this is Young, "A first order approximation to the optimum checkpoint interval", 1974; with the
/// hazard of the present age and hour, it is the density of checkpoints that Ling, Mi and Lin derive for any law of failure
/// ("A variational calculus approach to optimal checkpoint placement", 2001). Infinite where nothing is ever lost.
#[must_use]
pub fn interval_hours(write_hours: f64, ending_per_hour: f64) -> f64 {
    if ending_per_hour <= 0.0 {
        return f64::INFINITY;
    }
    (2.0 * write_hours / ending_per_hour).sqrt().max(1.0 / ending_per_hour / MOST_IN_A_LIFE)
}

/// Whether to start a checkpoint when the instance is announced to end in `notice_s` seconds, for a write that usually takes
/// `write_s`: a half-written one is worth nothing, and spoils work that could still have been computed.
#[must_use]
pub fn fits_notice(write_s: f64, notice_s: f64) -> bool {
    write_s <= NOTICE_USED * notice_s
}

/// What checkpoints of a task cost, in hours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Writes {
    /// To write one.
    pub write_hours: f64,
    /// To restore one, after each loss.
    pub restore_hours: f64,
}

/// Hours that `work_hours` of work are expected to take where losses come at random, once in `mean_hours`, and a new start
/// takes `boot_hours`: with checkpoints or, where that is shorter, without.
#[must_use]
pub fn expected_hours(work_hours: f64, mean_hours: f64, boot_hours: f64, writes: Option<Writes>) -> f64 {
    let without = || segments_hours(work_hours, mean_hours, work_hours, 0.0, boot_hours);
    let Some(Writes { write_hours, restore_hours }) = writes else { return without() };
    let interval = interval_hours(write_hours, 1.0 / mean_hours).min(work_hours);
    let with = segments_hours(work_hours, mean_hours, interval, write_hours, boot_hours + restore_hours);
    // Without checkpoints it takes at least H + H²/2M: two terms of the exponential say whether it can be shorter.
    if work_hours + work_hours * work_hours / (2.0 * mean_hours) >= with { with } else { with.min(without()) }
}

/// With a checkpoint of δ hours every τ hours and R hours to come back, work of H hours takes M·e^(R/M)·(e^((τ+δ)/M) − 1)·H/τ
/// (Daly, "A higher order estimate of the optimum checkpoint interval for restart dumps", 2006).
fn segments_hours(work: f64, mean: f64, interval: f64, write: f64, back: f64) -> f64 {
    mean * (back / mean).exp() * ((interval + write) / mean).exp_m1() * work / interval
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Share of time wasted to first order: writing, and half an interval lost with each ending.
    fn waste(interval_hours: f64, write_hours: f64, ending_per_hour: f64) -> f64 {
        write_hours / interval_hours + ending_per_hour * interval_hours / 2.0
    }

    proptest! {
        #[test]
        fn no_other_interval_wastes_less(
            write in 0.001_f64..0.5, ending in 0.001_f64..2.0, other in 0.1_f64..10.0,
        ) {
            let best = interval_hours(write, ending);
            prop_assert!(waste(best, write, ending) <= waste(best * other, write, ending) + 1e-12);
        }

        #[test]
        fn work_takes_at_least_itself_and_longer_where_losses_come_more_often(
            work in 1.0_f64..100.0, mean in 0.5_f64..100.0, boot in 0.0_f64..0.5, write in 0.0_f64..0.5,
        ) {
            let writes = Some(Writes { write_hours: write, restore_hours: 0.1 });
            let with = expected_hours(work, mean, boot, writes);
            prop_assert!(with >= work);
            prop_assert!(with <= expected_hours(work, mean, boot, None));
            prop_assert!(with <= expected_hours(work, mean * 0.9, boot, writes) * (1.0 + 1e-9));
        }
    }

    #[test]
    fn a_life_without_end_needs_none_and_free_ones_have_a_bound() {
        assert!(interval_hours(0.1, 0.0).is_infinite());
        assert!((interval_hours(0.0, 0.5) - 0.002).abs() < 1e-12);
    }

    #[test]
    fn only_what_fits_with_room_is_started_on_notice() {
        for (write_s, notice_s, fits) in
            [(80.0, 120.0, true), (90.0, 120.0, false), (20.0, 30.0, true), (1.0, 0.0, false)]
        {
            assert_eq!(fits_notice(write_s, notice_s), fits, "{write_s} {notice_s}");
        }
    }
}
