//! Which prefixes a replica was sent lately, in bounded memory: what its cache is likely to hold.
//!
//! It is not the replica's cache, which the sender does not see. Blocks are named by a hash of everything up to their
//! end, so a prefix is held as far as its leading blocks are known.

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

    /// How many leading blocks of a prompt it remembers.
    #[must_use]
    pub fn matched(&self, blocks: &[u64]) -> usize {
        blocks.iter().take_while(|block| self.young.contains(block) || self.old.contains(block)).count()
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
    fn only_leading_blocks_count() {
        let mut memory = PrefixMemory::new(100);
        memory.remember(&[1, 2, 3]);
        assert_eq!(memory.matched(&[1, 2, 9, 3]), 2);
        assert_eq!(memory.matched(&[2, 3]), 2);
        assert_eq!(memory.matched(&[9, 1]), 0);
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
    }
}
