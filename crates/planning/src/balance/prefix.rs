//! Which prefixes a replica was sent lately, in bounded memory: what its cache is likely to hold.
//!
//! It is not the replica's cache, which the sender does not see. Blocks are named by everything up to their end
//! ([`super::chain`]), so a prefix is held as far as its leading blocks are known.

use rustc_hash::FxHashSet;

/// The blocks sent last: two generations, of which the elder is dropped when the younger is full. It holds between half
/// of its bound and all of it.
#[derive(Debug, Clone)]
pub struct PrefixMemory {
    young: FxHashSet<u64>,
    old: FxHashSet<u64>,
    generation_blocks: usize,
}

impl PrefixMemory {
    /// Remembers at most `blocks`, and at least two.
    #[must_use]
    pub fn new(blocks: usize) -> Self {
        Self { young: FxHashSet::default(), old: FxHashSet::default(), generation_blocks: (blocks / 2).max(1) }
    }

    /// Remembers at most `blocks` from now on; a smaller bound takes effect as more is remembered.
    pub fn bound(&mut self, blocks: usize) {
        self.generation_blocks = (blocks / 2).max(1);
    }

    /// How many leading blocks of a prompt it remembers. A block is remembered only with all before it, so that the
    /// last one is found by halving.
    #[must_use]
    pub fn matched(&self, blocks: &[u64]) -> usize {
        let holds = |block: &u64| self.young.contains(block) || self.old.contains(block);
        if blocks.first().is_some_and(holds) { blocks.partition_point(holds) } else { 0 }
    }

    /// A prompt with these blocks was sent.
    pub fn remember(&mut self, blocks: &[u64]) {
        // From the end, so that what is forgotten first is the end of a prefix and not its beginning.
        for block in blocks.iter().rev() {
            if self.young.len() >= self.generation_blocks && !self.young.contains(block) {
                std::mem::swap(&mut self.young, &mut self.old);
                self.young.clear();
            }
            self.young.insert(*block);
        }
    }

    /// The replica lost everything.
    pub fn forget(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_prefix_is_held_as_far_as_it_was_sent() {
        let mut memory = PrefixMemory::new(100);
        memory.remember(&[1, 2, 3]);
        assert_eq!(memory.matched(&[1, 2, 3, 4, 5]), 3);
        assert_eq!(memory.matched(&[1, 2, 9, 10]), 2);
        assert_eq!(memory.matched(&[8, 9]), 0);
        assert_eq!(memory.matched(&[]), 0);
        memory.forget();
        assert_eq!(memory.matched(&[1]), 0);
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_keeps_the_latest_half(
            bound in 2_usize..60, sent in proptest::collection::vec(0_u64..200, 1..400),
        ) {
            let mut memory = PrefixMemory::new(bound);
            sent.iter().for_each(|block| memory.remember(&[*block]));
            prop_assert!(memory.young.len() + memory.old.len() <= bound);
            let latest = &sent[sent.len().saturating_sub(bound / 2)..];
            prop_assert!(latest.iter().all(|block| memory.matched(&[*block]) == 1));
        }

        /// What makes halving right: prompts of a tree, whose blocks are named by their way from the root.
        #[test]
        fn a_block_is_held_only_with_all_before_it(
            bounds in proptest::collection::vec(2_usize..40, 1..4),
            prompts in proptest::collection::vec(proptest::collection::vec(0_u64..3, 1..12), 1..60),
        ) {
            let named = |prompt: &[u64]| -> Vec<u64> {
                prompt.iter().scan(1, |name, step| { *name = *name * 4 + step + 1; Some(*name) }).collect()
            };
            let mut memory = PrefixMemory::new(bounds[0]);
            for (count, prompt) in prompts.iter().enumerate() {
                memory.bound(bounds[count % bounds.len()]);
                memory.remember(&named(prompt));
                for prompt in &prompts {
                    let blocks = named(prompt);
                    let holds = |block: &u64| memory.young.contains(block) || memory.old.contains(block);
                    let leading = blocks.iter().take_while(|block| holds(block)).count();
                    prop_assert!(blocks[leading..].iter().all(|block| !holds(block)));
                    prop_assert_eq!(memory.matched(&blocks), leading);
                }
            }
        }
    }
}
