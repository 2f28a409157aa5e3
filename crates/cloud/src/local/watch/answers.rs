//! What an instance answered when it was asked, and what its silence comes to. Pure.
//!
//! Silence is counted in questions that were really put and waited for in full while this process ran. A question that
//! was cut short by our own absence says nothing.

use std::time::Duration;

use super::pulse::Running;
use crate::local::plan::HealthSeen;

/// How long an answer is waited for at first, in milliseconds.
const PATIENCE_MS: u64 = 1_000;
/// After so many unanswered questions in a row an instance is called lost.
pub(super) const MISSES_MAX: u32 = 3;

/// What an instance said of itself last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Said {
    /// It serves.
    Ok,
    /// It loads, or takes no more; in any case it lives.
    Busy,
    /// Its engine has made no step for its limit, though requests wait.
    Stalled,
}

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Answer {
    /// It said this, and that its engine has made so many steps, if it counts them.
    Said(Said, Option<u64>),
    /// Nothing came within the time, all of which this process was there.
    None,
    /// It does not say yet where it listens.
    NotThere,
    /// This process was absent meanwhile, so that nothing can be said.
    Unknown,
}

/// The answers of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answers {
    pub said: Option<Said>,
    pub was_ready: bool,
    /// Questions in a row that were not answered.
    pub misses: u32,
    /// Since when nothing was heard.
    silent_since: Running,
    /// Since when its engine has made no step.
    stalled_since: Option<Running>,
    steps: Option<u64>,
    /// Whether any question has ended since judgement began afresh.
    was_asked: bool,
}

impl Answers {
    pub const fn new(now: Running) -> Self {
        Self {
            said: None,
            was_ready: false,
            misses: 0,
            silent_since: now,
            stalled_since: None,
            steps: None,
            was_asked: false,
        }
    }

    /// What the decision about the instance is made from.
    pub fn seen(&self, now: Running) -> HealthSeen {
        HealthSeen {
            was_ready: self.was_ready,
            was_asked: self.was_asked,
            // A few quick misses are not yet a silence, however short the limit is.
            silent_ms: if self.misses < MISSES_MAX { 0 } else { now.since(self.silent_since) },
            stalled_ms: self.stalled_since.map_or(0, |since| now.since(since)),
        }
    }

    /// How long the next answer is waited for: a second, and after some misses for all that is left of the limit, so that
    /// an answer counts however slowly it comes.
    pub fn patience(&self, now: Running, silence_ms: u64) -> Duration {
        let left_ms = silence_ms.saturating_sub(now.since(self.silent_since));
        let patience_ms = if self.misses < MISSES_MAX { PATIENCE_MS } else { left_ms.max(PATIENCE_MS) };
        Duration::from_millis(patience_ms)
    }

    pub fn note(&mut self, answer: Answer, now: Running) {
        match answer {
            Answer::Said(said, steps) => {
                let stepped = steps.is_some() && self.steps != steps;
                self.stalled_since = match self.stalled_since {
                    _ if said != Said::Stalled => None,
                    Some(since) if !stepped => Some(since),
                    _ => Some(now),
                };
                (self.said, self.steps) = (Some(said), steps);
                self.was_ready |= said == Said::Ok;
                (self.misses, self.silent_since) = (0, now);
            }
            Answer::None => self.misses = self.misses.saturating_add(1),
            Answer::NotThere => {}
            Answer::Unknown => return,
        }
        self.was_asked = true;
    }

    pub fn begin_afresh(&mut self, now: Running) {
        (self.misses, self.silent_since, self.was_asked) = (0, now, false);
        self.stalled_since = self.stalled_since.map(|_| now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Answer = Answer::Said(Said::Ok, Some(1));

    fn after(answers: &[(u64, Answer)]) -> Answers {
        let mut all = Answers::new(Running(0));
        answers.iter().for_each(|&(at_ms, answer)| all.note(answer, Running(at_ms)));
        all
    }

    #[test]
    fn silence_counts_in_questions_that_were_waited_for() {
        let none = |at_ms| (at_ms, Answer::None);
        for (answers, misses, silent_ms) in [
            (vec![(0, OK)], 0, 0),
            (vec![(0, OK), none(1_000), none(2_000)], 2, 0),
            (vec![(0, OK), none(1_000), none(2_000), none(3_000)], 3, 9_000),
            (vec![(0, OK), none(1_000), none(2_000), (3_000, Answer::Unknown)], 2, 0),
            (vec![(0, OK), none(1_000), none(2_000), none(3_000), (4_000, OK)], 0, 0),
        ] {
            let all = after(&answers);
            assert_eq!((all.misses, all.seen(Running(9_000)).silent_ms), (misses, silent_ms), "{answers:?}");
        }
    }

    #[test]
    fn after_a_jump_all_is_asked_afresh() {
        let mut all = after(&[(0, OK), (1, Answer::None), (2, Answer::None), (3, Answer::None)]);
        all.begin_afresh(Running(20_000));
        let fresh = all.seen(Running(60_000));
        assert_eq!((fresh.silent_ms, fresh.was_asked, fresh.was_ready), (0, false, true));
        all.note(Answer::Unknown, Running(60_000));
        assert!(!all.seen(Running(60_000)).was_asked, "a question that was cut short asks nothing");
        all.note(Answer::NotThere, Running(60_000));
        assert!(all.seen(Running(60_000)).was_asked);
    }

    #[test]
    fn one_that_steps_is_not_stalled_and_one_that_does_not_is() {
        let stalled = |at_ms, steps| (at_ms, Answer::Said(Said::Stalled, Some(steps)));
        for (answers, stalled_ms) in [
            (vec![(0, OK), stalled(1_000, 5)], 9_000),
            (vec![stalled(1_000, 5), stalled(4_000, 5)], 9_000),
            (vec![stalled(1_000, 5), stalled(4_000, 6)], 6_000),
            (vec![stalled(1_000, 5), (4_000, Answer::None)], 9_000),
            (vec![stalled(1_000, 5), (4_000, OK)], 0),
        ] {
            assert_eq!(after(&answers).seen(Running(10_000)).stalled_ms, stalled_ms, "{answers:?}");
        }
    }

    #[test]
    fn a_slow_answer_is_waited_for_up_to_the_limit() {
        let silent = after(&[(0, OK), (1_000, Answer::None), (2_000, Answer::None), (3_000, Answer::None)]);
        assert_eq!(after(&[(0, OK)]).patience(Running(500), 30_000), Duration::from_secs(1));
        assert_eq!(silent.patience(Running(3_000), 30_000), Duration::from_secs(27));
        assert_eq!(silent.patience(Running(40_000), 30_000), Duration::from_secs(1));
    }
}
