//! How fast replicas read and answer, learned from what came back: sums of tokens and of seconds that forget.
//!
//! A ratio of sums, not a mean of ratios: where several prompts are read side by side their first tokens come together,
//! and only the sums say how fast all of them were read. What a replica has not shown yet is taken from its fleet, what
//! the fleet has not shown from a prior.

/// Prompt tokens a second that a fleet is taken to read until it has read some. A round number between a small model on
/// two cores and a large one on an accelerator. It is the same for all replicas, so it moves none before another; it
/// only sets how many seconds a prefix is worth until the first answers say it.
pub const PRIOR_PREFILL_TOKENS_PER_SECOND: f64 = 1_000.0;
/// Tokens a second of one answer until some have come: what streams of hosted models mostly show.
pub const PRIOR_DECODE_TOKENS_PER_SECOND: f64 = 50.0;
/// Tokens of an answer until some have come.
pub const PRIOR_OUTPUT_TOKENS: f64 = 256.0;
/// Tokens a byte of text until prompts have been counted: the usual four letters of English a token.
pub const PRIOR_TOKENS_PER_BYTE: f64 = 0.25;

/// Weight of one answer in the mean length of all.
const OUTPUT_WEIGHT: f64 = 0.01;
/// Seconds of work that are remembered of a fleet.
const FLEET_SECONDS: f64 = 60.0;
/// Seconds of work that the prior counts for in a fleet.
const PRIOR_SECONDS: f64 = 0.1;
/// Bytes that are remembered of a model's prompts, and that the prior counts for.
const TEXT_BYTES: f64 = 1_000_000.0;
const PRIOR_BYTES: f64 = 1_000.0;

/// One sum over another.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ratio {
    above: f64,
    below: f64,
}

impl Ratio {
    /// Adds to both sums; when the lower passes `most`, both shrink to it. Passes over what is no measurement.
    pub fn add(&mut self, above: f64, below: f64, most: f64) {
        if !(above > 0.0 && above.is_finite() && below >= 0.0 && below.is_finite()) {
            return;
        }
        self.above += above;
        self.below += below;
        if self.below > most {
            self.fade(most / self.below);
        }
    }

    /// Forgets all but `share` of it.
    pub fn fade(&mut self, share: f64) {
        self.above *= share;
        self.below *= share;
    }

    /// The ratio, where `expected` counts like `weight` of the lower sum.
    #[must_use]
    pub fn held_to(&self, expected: f64, weight: f64) -> f64 {
        expected.mul_add(weight, self.above) / (self.below + weight)
    }
}

/// What replicas of one model have shown together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fleet {
    reading: Ratio,
    answering: Ratio,
    text: Ratio,
    output_tokens: f64,
    /// What the ratios say, worked out when they change: it is asked for each replica of each choice.
    prefill_tokens_per_second: f64,
    decode_tokens_per_second: f64,
}

impl Default for Fleet {
    fn default() -> Self {
        let none = Ratio::default();
        Self {
            reading: none,
            answering: none,
            text: none,
            output_tokens: PRIOR_OUTPUT_TOKENS,
            prefill_tokens_per_second: PRIOR_PREFILL_TOKENS_PER_SECOND,
            decode_tokens_per_second: PRIOR_DECODE_TOKENS_PER_SECOND,
        }
    }
}

impl Fleet {
    /// Prompt tokens that a replica reads in a second.
    #[must_use]
    pub fn prefill_tokens_per_second(&self) -> f64 {
        self.prefill_tokens_per_second
    }

    /// Tokens a second of one answer.
    #[must_use]
    pub fn decode_tokens_per_second(&self) -> f64 {
        self.decode_tokens_per_second
    }

    /// Tokens that the next answer is expected to have.
    #[must_use]
    pub fn output_tokens(&self) -> f64 {
        self.output_tokens
    }

    /// Tokens a byte of prompts.
    #[must_use]
    pub fn tokens_per_byte(&self) -> f64 {
        self.text.held_to(PRIOR_TOKENS_PER_BYTE, PRIOR_BYTES)
    }

    /// A prompt of so many bytes had so many tokens.
    pub fn counted(&mut self, tokens: f64, bytes: f64) {
        if bytes > 0.0 {
            self.text.add(tokens, bytes, TEXT_BYTES);
        }
    }

    /// So many prompt tokens were read in so many seconds.
    pub fn read(&mut self, tokens: f64, seconds: f64) {
        self.reading.add(tokens, seconds, FLEET_SECONDS);
        self.prefill_tokens_per_second = self.reading.held_to(PRIOR_PREFILL_TOKENS_PER_SECOND, PRIOR_SECONDS);
    }

    /// So many tokens of one answer came in so many seconds.
    pub fn answered(&mut self, tokens: f64, seconds: f64) {
        self.answering.add(tokens, seconds, FLEET_SECONDS);
        self.decode_tokens_per_second = self.answering.held_to(PRIOR_DECODE_TOKENS_PER_SECOND, PRIOR_SECONDS);
    }

    /// An answer had so many tokens.
    pub fn ended(&mut self, output_tokens: f64) {
        self.output_tokens += OUTPUT_WEIGHT * (output_tokens - self.output_tokens);
    }
}

/// A mean that forgets with the time constant `tau_seconds`: the sample weighs `1 − e^(−elapsed/τ)`, and at least 5 %,
/// so that a burst counts too.
#[must_use]
pub fn decayed_mean(mean: Option<f64>, sample: f64, elapsed_seconds: f64, tau_seconds: f64) -> f64 {
    let Some(mean) = mean else { return sample };
    let weight = (1.0 - (-elapsed_seconds / tau_seconds).exp()).clamp(0.05, 1.0);
    weight.mul_add(sample - mean, mean)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fleet_begins_with_its_priors_and_learns() {
        let mut fleet = Fleet::default();
        assert_eq!(fleet.prefill_tokens_per_second(), PRIOR_PREFILL_TOKENS_PER_SECOND);
        assert_eq!(fleet.decode_tokens_per_second(), PRIOR_DECODE_TOKENS_PER_SECOND);
        assert_eq!((fleet.output_tokens(), fleet.tokens_per_byte()), (PRIOR_OUTPUT_TOKENS, PRIOR_TOKENS_PER_BYTE));
        for _ in 0..1_000 {
            fleet.read(800.0, 0.1);
            fleet.answered(100.0, 10.0);
            fleet.ended(20.0);
            fleet.counted(500.0, 1_000.0);
        }
        assert!((7_900.0..=8_000.0).contains(&fleet.prefill_tokens_per_second()));
        assert!((10.0..=10.1).contains(&fleet.decode_tokens_per_second()));
        assert!((20.0..=20.1).contains(&fleet.output_tokens()));
        assert!((0.49..=0.5).contains(&fleet.tokens_per_byte()));
        // A change is learned within a few times what is remembered.
        (0..100).for_each(|_| fleet.read(2_000.0, 5.0));
        assert!((400.0..=450.0).contains(&fleet.prefill_tokens_per_second()), "{}", fleet.prefill_tokens_per_second());
    }

    #[test]
    fn first_tokens_that_come_together_count_together() {
        let mut reading = Ratio::default();
        // Four prompts of 500 tokens, read side by side in two seconds.
        [2.0, 0.0, 0.0, 0.0].iter().for_each(|seconds| reading.add(500.0, *seconds, 60.0));
        assert_eq!(reading.held_to(1_000.0, 1e-9).round(), 1_000.0);
    }

    proptest! {
        #[test]
        fn whatever_is_measured_a_rate_is_a_positive_number(
            samples in proptest::collection::vec((any::<f64>(), any::<f64>()), 0..40),
        ) {
            let mut ratio = Ratio::default();
            for (above, below) in samples {
                ratio.add(above.min(1e12), below.min(1e12), 60.0);
                let rate = ratio.held_to(1_000.0, 0.1);
                prop_assert!(rate > 0.0 && rate.is_finite());
            }
        }

        #[test]
        fn a_mean_stays_among_its_samples(samples in proptest::collection::vec((0.0_f64..100.0, 0.0_f64..60.0), 1..50)) {
            let mut mean = None;
            for (sample, elapsed) in &samples {
                mean = Some(decayed_mean(mean, *sample, *elapsed, 10.0));
            }
            let least = samples.iter().map(|s| s.0).fold(f64::INFINITY, f64::min);
            let most = samples.iter().map(|s| s.0).fold(0.0, f64::max);
            let mean = mean.expect("there was a sample");
            prop_assert!(mean >= least - 1e-9 && mean <= most + 1e-9);
        }
    }
}
