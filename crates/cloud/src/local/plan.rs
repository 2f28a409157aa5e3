//! What to do about one slot, decided from what is wanted and what is seen. Pure.

use domain::Timestamp;

use super::pool::Slot;

/// What is seen of a slot's instance. Spans are measured on a clock that does not jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It was never started.
    Unborn,
    /// It was started once, and no process is there.
    Gone,
    /// Its process ended while it was watched, after so many milliseconds.
    Ended { after_ms: u64, was_ready: bool },
    /// Its process runs.
    Runs { for_ms: u64, was_ready: bool, silent_ms: u64, asked_to_end: bool },
}

/// What holds for every slot of a site.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub now: Timestamp,
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
        (Some(leaving), Seen::Runs { .. }) if rules.now >= leaving.deadline => Step::Kill("it did not end in time"),
        (Some(_), Seen::Runs { asked_to_end, .. }) => {
            if asked_to_end {
                Step::Wait
            } else {
                Step::AskToEnd
            }
        }
        (None, Seen::Runs { for_ms, was_ready: false, .. }) if for_ms > rules.startup_ms => {
            Step::Kill("it was not ready in time")
        }
        (None, Seen::Runs { was_ready: true, silent_ms, .. }) if silent_ms > rules.silence_ms => {
            Step::Kill("it did not answer")
        }
        (None, Seen::Runs { .. }) => Step::Wait,
        (Some(leaving), _) if !leaving.replace => Step::Remove,
        // In a dead site nothing is started; what stood there waits for its end.
        (_, _) if rules.site_out => Step::Wait,
        (Some(_), _) | (None, Seen::Gone) => Step::Renew { failed: false },
        (None, Seen::Ended { after_ms, was_ready }) => {
            Step::Renew { failed: !(was_ready && after_ms >= SOUND_AFTER_MS) }
        }
        (None, Seen::Unborn) if rules.now < slot.not_before => Step::Wait,
        (None, Seen::Unborn) => Step::Start,
    }
}

/// How long to wait before the next start after so many failures in a row, in milliseconds: at once after the first,
/// then twice as long each time, at most half a minute.
pub(super) const fn backoff_ms(failures: u32) -> i64 {
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

    const RULES: Rules = Rules { now: Timestamp(1_000), site_out: false, startup_ms: 100, silence_ms: 50 };
    const RUNS: Seen = Seen::Runs { for_ms: 10, was_ready: false, silent_ms: 0, asked_to_end: false };

    fn slot(leaving: Option<(i64, bool)>) -> Slot {
        let leaving = leaving.map(|(deadline, replace)| Leaving {
            reason: String::new(),
            deadline: Timestamp(deadline),
            replace,
        });
        Slot { leaving, ..Slot::new("i-1".to_owned(), Timestamp(0)) }
    }

    #[test]
    fn a_slot_that_stays_has_one_living_instance() {
        let out = Rules { site_out: true, ..RULES };
        let late = Seen::Runs { for_ms: 101, was_ready: false, silent_ms: 0, asked_to_end: false };
        let mute = Seen::Runs { for_ms: 900, was_ready: true, silent_ms: 51, asked_to_end: false };
        let waits = Slot { not_before: Timestamp(1_001), ..slot(None) };
        for (slot, seen, rules, wanted) in [
            (slot(None), Seen::Unborn, RULES, Step::Start),
            (waits, Seen::Unborn, RULES, Step::Wait),
            (slot(None), RUNS, RULES, Step::Wait),
            (slot(None), Seen::Gone, RULES, Step::Renew { failed: false }),
            (slot(None), Seen::Ended { after_ms: 9_000, was_ready: true }, RULES, Step::Renew { failed: false }),
            (slot(None), Seen::Ended { after_ms: 9_000, was_ready: false }, RULES, Step::Renew { failed: true }),
            (slot(None), Seen::Ended { after_ms: 9, was_ready: true }, RULES, Step::Renew { failed: true }),
            (slot(None), late, RULES, Step::Kill("it was not ready in time")),
            (slot(None), mute, RULES, Step::Kill("it did not answer")),
            (slot(None), RUNS, out, Step::Kill("its site is out")),
            (slot(None), Seen::Gone, out, Step::Wait),
            (slot(None), Seen::Unborn, out, Step::Wait),
        ] {
            assert_eq!(plan_slot(&slot, seen, rules), wanted, "{slot:?} {seen:?} {rules:?}");
        }
    }

    #[test]
    fn a_slot_that_leaves_is_asked_then_killed_then_removed() {
        let out = Rules { site_out: true, ..RULES };
        let asked = Seen::Runs { for_ms: 10, was_ready: true, silent_ms: 9_999, asked_to_end: true };
        for (leaving, seen, rules, wanted) in [
            ((2_000, false), RUNS, RULES, Step::AskToEnd),
            ((2_000, false), asked, RULES, Step::Wait),
            ((1_000, false), asked, RULES, Step::Kill("it did not end in time")),
            ((2_000, false), Seen::Gone, RULES, Step::Remove),
            ((2_000, false), Seen::Unborn, out, Step::Remove),
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
