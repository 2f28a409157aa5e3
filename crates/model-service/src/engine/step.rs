//! Plans one decode step: every answer that grows gets its next token, and prompts fill what room is left.

/// A sequence with tokens that are not computed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Its slot.
    pub slot: usize,
    /// How many tokens are to be computed; one while an answer grows.
    pub tokens: usize,
    /// Its place in the order of arrival.
    pub arrival: u64,
}

/// A part of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The slot.
    pub slot: usize,
    /// How many of its tokens are computed in this step.
    pub tokens: usize,
}

/// How long a step may take before the next ones are made shorter, in microseconds.
const LONG_STEP_US: u64 = 2_000_000;
/// The fewest tokens that steps are shortened to.
const FEWEST: usize = 16;

/// How many tokens steps may have: as many as the batch holds, and fewer on a model so slow that answers would stand
/// still behind a prompt.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    most: usize,
    budget: usize,
}

impl Pace {
    /// Steps of up to `most` tokens.
    pub const fn new(most: usize) -> Self {
        Self { most, budget: most }
    }

    /// The budget of the next step, of which `sequences` need a token each.
    pub fn budget(&self, sequences: usize) -> usize {
        self.budget.max(sequences).min(self.most)
    }

    /// Counts a step of `tokens` tokens that took `us`.
    pub fn count(&mut self, tokens: usize, us: u64) {
        if us > LONG_STEP_US && tokens > FEWEST {
            self.budget = (tokens / 2).max(FEWEST);
        } else if tokens >= self.budget && us < LONG_STEP_US / 4 {
            self.budget = (self.budget * 2).min(self.most);
        }
    }
}

/// Divides `budget` tokens: first one token to each sequence that needs only one, so that no answer waits for another's
/// prompt; then the rest to prompts, in order of arrival. The parts come in the order of slots, because llama.cpp
/// computes sequences together only when their numbers follow each other.
pub fn plan(pending: &[Pending], budget: usize) -> Vec<Chunk> {
    let mut left = budget;
    let mut chunks = Vec::with_capacity(pending.len());
    let mut take = |sequence: &Pending| {
        let tokens = sequence.tokens.min(left);
        left -= tokens;
        if tokens > 0 {
            chunks.push(Chunk { slot: sequence.slot, tokens });
        }
    };
    pending.iter().filter(|p| p.tokens == 1).for_each(&mut take);
    let mut prompts: Vec<&Pending> = pending.iter().filter(|p| p.tokens > 1).collect();
    prompts.sort_by_key(|p| p.arrival);
    prompts.into_iter().for_each(&mut take);
    chunks.sort_by_key(|chunk| chunk.slot);
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_come_before_prompts_and_prompts_in_order() {
        let pending = [
            Pending { slot: 0, tokens: 900, arrival: 2 },
            Pending { slot: 1, tokens: 1, arrival: 3 },
            Pending { slot: 2, tokens: 300, arrival: 1 },
        ];
        let chunks = plan(&pending, 512);
        assert_eq!(
            chunks,
            [Chunk { slot: 0, tokens: 211 }, Chunk { slot: 1, tokens: 1 }, Chunk { slot: 2, tokens: 300 }]
        );
    }

    #[test]
    fn steps_of_a_slow_model_become_short_and_long_again() {
        let mut pace = Pace::new(512);
        for _ in 0..20 {
            let tokens = pace.budget(4);
            pace.count(tokens, tokens as u64 * 100_000);
        }
        assert_eq!(pace.budget(4), 16, "ten tokens a second");
        assert_eq!(pace.budget(64), 64, "each sequence gets its token");
        pace.count(3, 1_000);
        assert_eq!(pace.budget(4), 16, "a short step says nothing of long ones");
        for _ in 0..20 {
            let tokens = pace.budget(4);
            pace.count(tokens, tokens as u64 * 500);
        }
        assert_eq!(pace.budget(4), 512);
    }

    proptest! {
        #[test]
        fn the_budget_holds_and_nothing_starves(tokens in prop::collection::vec(1usize..700, 1..16), budget in 16usize..600) {
            let pending: Vec<Pending> =
                tokens.iter().enumerate().map(|(slot, &tokens)| Pending { slot, tokens, arrival: slot as u64 }).collect();
            let chunks = plan(&pending, budget);
            let total: usize = chunks.iter().map(|c| c.tokens).sum();
            prop_assert_eq!(total, budget.min(tokens.iter().sum()));
            prop_assert!(chunks.iter().all(|c| c.tokens <= tokens[c.slot]));
            for p in pending.iter().filter(|p| p.tokens == 1) {
                prop_assert!(chunks.iter().any(|c| c.slot == p.slot));
            }
        }
    }
}
