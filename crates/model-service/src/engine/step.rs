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
