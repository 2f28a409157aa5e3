//! How fast one replica reads and answers, as far as it has shown; the rest is its fleet's.

use super::rates::{Fleet, Ratio};

/// Seconds of work that are remembered of it.
const WORK_SECONDS: f64 = 20.0;
/// Seconds of work that its fleet's rates count for beside its own.
const FLEET_WEIGHT_SECONDS: f64 = 0.25;
/// Seconds in which half of what its own rates count for has faded, back to its fleet's: a replica that was slow once is
/// tried again.
const FADE_HALF_SECONDS: f64 = 60.0;

/// One replica's rates.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Speed {
    reading: Ratio,
    answering: Ratio,
    learned_at: f64,
}

/// Tokens, and the seconds that they took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// Tokens read, or answered.
    pub tokens: f64,
    /// Seconds.
    pub seconds: f64,
}

impl Speed {
    /// Prompt tokens that it reads, and tokens of one answer that it makes, in a second.
    #[must_use]
    pub fn per_second(&self, fleet: &Fleet, now: f64) -> (f64, f64) {
        let kept = self.kept(now);
        let of = |mut ratio: Ratio, expected| {
            ratio.fade(kept);
            ratio.held_to(expected, FLEET_WEIGHT_SECONDS)
        };
        (of(self.reading, fleet.prefill_tokens_per_second()), of(self.answering, fleet.decode_tokens_per_second()))
    }

    /// It read for a while.
    pub fn read(&mut self, work: Work, fleet: &mut Fleet, now: f64) {
        self.fade(now);
        self.reading.add(work.tokens, work.seconds, WORK_SECONDS);
        fleet.read(work.tokens, work.seconds);
    }

    /// It made an answer for a while.
    pub fn answered(&mut self, work: Work, fleet: &mut Fleet, now: f64) {
        self.fade(now);
        self.answering.add(work.tokens, work.seconds, WORK_SECONDS);
        fleet.answered(work.tokens, work.seconds);
    }

    /// It read and answered, and only the time of both together is known: the time is divided as was to be expected, so
    /// that both rates are learned in proportion.
    pub fn did_both(&mut self, read: f64, answered: f64, seconds: f64, fleet: &mut Fleet, now: f64) {
        let (reading, answering) = self.per_second(fleet, now);
        let (reading, answering) = (read.max(0.0) / reading, answered.max(0.0) / answering);
        let factor = seconds.max(0.0) / (reading + answering).max(1e-9);
        self.read(Work { tokens: read, seconds: reading * factor }, fleet, now);
        self.answered(Work { tokens: answered, seconds: answering * factor }, fleet, now);
    }

    fn fade(&mut self, now: f64) {
        let kept = self.kept(now);
        self.reading.fade(kept);
        self.answering.fade(kept);
        self.learned_at = now;
    }

    /// Hyperbolic, which is cheap where it is asked for each replica of each choice.
    fn kept(&self, now: f64) -> f64 {
        FADE_HALF_SECONDS / (FADE_HALF_SECONDS + (now - self.learned_at).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_replica_is_held_to_its_fleet_and_an_idle_one_drifts_back_to_it() {
        let (mut slow, mut fleet) = (Speed::default(), Fleet::default());
        slow.read(Work { tokens: 1_000.0, seconds: 10.0 }, &mut fleet, 10.0);
        (0..600).for_each(|_| fleet.read(4_000.0, 1.0));
        assert!(slow.per_second(&fleet, 10.0).0 < 250.0);
        // Ten seconds of its own have shrunk to a tenth of a second beside a quarter of its fleet's.
        assert!(slow.per_second(&fleet, 10.0 + 99.0 * FADE_HALF_SECONDS).0 > 2_500.0);
        assert!((Speed::default().per_second(&fleet, 0.0).0 - fleet.prefill_tokens_per_second()).abs() < 1e-6);
    }

    #[test]
    fn of_reading_and_answering_together_the_sum_comes_out_right() {
        let (mut speed, mut fleet) = (Speed::default(), Fleet::default());
        for second in 0..40 {
            speed.did_both(1_000.0, 100.0, 5.25, &mut fleet, f64::from(second) * 5.25);
        }
        let (reading, answering) = speed.per_second(&fleet, 210.0);
        assert!((4.9..5.3).contains(&(1_000.0 / reading + 100.0 / answering)), "{reading} {answering}");
    }
}
