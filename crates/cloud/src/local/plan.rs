//! What to do about one slot, decided from what is wanted and what is seen. Pure.
//!
//! No wall time is among the inputs: a clock that is stepped neither kills an instance nor keeps one from starting.

use super::pool::Slot;

/// What is seen of a slot's instance. All spans are running time: how long it was really watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It was never started, and has waited for so many milliseconds.
    Unborn { for_ms: u64 },
    /// It was started once, and no process is there.
    Gone,
    /// Its process ended while it was watched, after so many milliseconds.
    Ended { after_ms: u64, was_ready: bool },
    /// Its process runs; `leaves_ms` ago it was asked to end.
    Runs { for_ms: u64, leaves_ms: Option<u64>, health: HealthSeen },
}

/// What its answers come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct HealthSeen {
    pub was_ready: bool,
    /// Whether it was asked since the last time that this process was absent.
    pub was_asked: bool,
    /// For how long it has left questions unanswered; 0 until it has left a few.
    pub silent_ms: u64,
    /// For how long it has made no step though requests wait.
    pub stalled_ms: u64,
}

/// What holds for every slot of a site.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub site_out: bool,
    pub startup_ms: u64,
    pub silence_ms: u64,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing, for now.
    Wait,
    /// Start the process.
    Start,
    /// Put another instance into the slot. `failed` when the one before ended too soon.
    Renew { failed: bool },
    /// Ask the process to finish and end.
    AskToEnd,
    /// Kill the process.
    Kill(&'static str),
    /// Remove the slot.
    Remove,
}

/// An instance that was ready and lived this long did not fail at its start.
const SOUND_AFTER_MS: u64 = 2_000;

/// Decides about one slot.
pub(super) fn plan_slot(slot: &Slot, seen: Seen, rules: Rules) -> Step {
    match (&slot.leaving, seen) {
        (_, Seen::Runs { .. }) if rules.site_out => Step::Kill("its site is out"),
        (Some(_), Seen::Runs { leaves_ms: None, .. }) => Step::AskToEnd,
        (Some(leaving), Seen::Runs { leaves_ms: Some(for_ms), .. }) if for_ms >= leaving.grace_ms => {
            Step::Kill("it did not end in time")
        }
        (Some(_), Seen::Runs { .. }) => Step::Wait,
        (None, Seen::Runs { for_ms, health, .. }) => judge(for_ms, health, rules).map_or(Step::Wait, Step::Kill),
        (Some(leaving), _) if !leaving.replace => Step::Remove,
        // In a dead site nothing is started; what stood there waits for its end.
        (_, _) if rules.site_out => Step::Wait,
        (Some(_), _) | (None, Seen::Gone) => Step::Renew { failed: false },
        (None, Seen::Ended { after_ms, was_ready }) => {
            Step::Renew { failed: !(was_ready && after_ms >= SOUND_AFTER_MS) }
        }
        (None, Seen::Unborn { for_ms }) if for_ms < backoff_ms(slot.failures) => Step::Wait,
        (None, Seen::Unborn { .. }) => Step::Start,
    }
}

/// Why an instance that runs and is to stay must be killed, if it must.
fn judge(for_ms: u64, health: HealthSeen, rules: Rules) -> Option<&'static str> {
    if !health.was_ready && health.was_asked && for_ms > rules.startup_ms {
        return Some("it was not ready in time");
    }
    if health.was_ready && health.silent_ms > rules.silence_ms {
        return Some("it did not answer");
    }
    (health.stalled_ms > rules.silence_ms).then_some("it made no progress")
}

/// How long to wait before the next start after so many failures in a row, in milliseconds: at once after the first,
/// then twice as long each time, at most half a minute.
pub(super) const fn backoff_ms(failures: u32) -> u64 {
    match failures {
        0 | 1 => 0,
        2..=7 => 500 << (failures - 2),
        _ => 30_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::pool::Leaving;

    const RULES: Rules = Rules { site_out: false, startup_ms: 100, silence_ms: 50 };
    const LOADS: HealthSeen = HealthSeen { was_ready: false, was_asked: true, silent_ms: 0, stalled_ms: 0 };
    const SERVES: HealthSeen = HealthSeen { was_ready: true, ..LOADS };
    const UNBORN: Seen = Seen::Unborn { for_ms: 0 };

    fn runs(for_ms: u64, health: HealthSeen) -> Seen {
        Seen::Runs { for_ms, leaves_ms: None, health }
    }

    fn slot(leaving: Option<(u64, bool)>) -> Slot {
        let leaving = leaving.map(|(grace_ms, replace)| Leaving { reason: String::new(), grace_ms, replace });
        Slot { leaving, ..Slot::new("i-1".to_owned(), domain::Timestamp(0)) }
    }

    #[test]
    fn a_slot_that_stays_has_one_living_instance() {
        let out = Rules { site_out: true, ..RULES };
        let waits = |failures| Slot { failures, ..slot(None) };
        for (slot, seen, rules, wanted) in [
            (slot(None), UNBORN, RULES, Step::Start),
            (waits(2), UNBORN, RULES, Step::Wait),
            (waits(2), Seen::Unborn { for_ms: 500 }, RULES, Step::Start),
            (slot(None), runs(10, LOADS), RULES, Step::Wait),
            (slot(None), Seen::Gone, RULES, Step::Renew { failed: false }),
            (slot(None), Seen::Ended { after_ms: 9_000, was_ready: true }, RULES, Step::Renew { failed: false }),
            (slot(None), Seen::Ended { after_ms: 9_000, was_ready: false }, RULES, Step::Renew { failed: true }),
            (slot(None), Seen::Ended { after_ms: 9, was_ready: true }, RULES, Step::Renew { failed: true }),
            (slot(None), runs(10, LOADS), out, Step::Kill("its site is out")),
            (slot(None), Seen::Gone, out, Step::Wait),
            (slot(None), UNBORN, out, Step::Wait),
        ] {
            assert_eq!(plan_slot(&slot, seen, rules), wanted, "{slot:?} {seen:?} {rules:?}");
        }
    }

    #[test]
    fn only_what_was_asked_and_does_not_answer_or_step_is_killed() {
        let late = HealthSeen { was_asked: false, ..LOADS };
        let silent = |silent_ms| HealthSeen { silent_ms, ..SERVES };
        let stalled = |stalled_ms| HealthSeen { stalled_ms, ..SERVES };
        for (for_ms, health, wanted) in [
            (100, LOADS, Step::Wait),
            (101, LOADS, Step::Kill("it was not ready in time")),
            // Since this process was absent it was not asked: it may be ready by now.
            (101, late, Step::Wait),
            (900, SERVES, Step::Wait),
            (900, silent(50), Step::Wait),
            (900, silent(51), Step::Kill("it did not answer")),
            (900, stalled(50), Step::Wait),
            (900, stalled(51), Step::Kill("it made no progress")),
        ] {
            assert_eq!(plan_slot(&slot(None), runs(for_ms, health), RULES), wanted, "{for_ms} {health:?}");
        }
    }

    #[test]
    fn a_slot_that_leaves_is_asked_then_killed_then_removed() {
        let out = Rules { site_out: true, ..RULES };
        let silent = HealthSeen { silent_ms: 9_999, ..SERVES };
        let asked = |for_ms| Seen::Runs { for_ms: 10, leaves_ms: Some(for_ms), health: silent };
        for (leaving, seen, rules, wanted) in [
            ((2_000, false), runs(10, SERVES), RULES, Step::AskToEnd),
            ((0, false), runs(10, SERVES), RULES, Step::AskToEnd),
            ((2_000, false), asked(1_999), RULES, Step::Wait),
            ((2_000, false), asked(2_000), RULES, Step::Kill("it did not end in time")),
            ((2_000, false), Seen::Gone, RULES, Step::Remove),
            ((2_000, false), UNBORN, out, Step::Remove),
            ((2_000, true), Seen::Gone, RULES, Step::Renew { failed: false }),
            ((2_000, true), Seen::Gone, out, Step::Wait),
        ] {
            assert_eq!(plan_slot(&slot(Some(leaving)), seen, rules), wanted, "{leaving:?} {seen:?} {rules:?}");
        }
    }

    #[test]
    fn waits_grow_and_end_at_half_a_minute() {
        assert_eq!([0, 1, 2, 3, 7, 8, u32::MAX].map(backoff_ms), [0, 0, 500, 1_000, 16_000, 30_000, 30_000]);
    }
}
