//! Names for the leading blocks of a prompt: each is a hash of everything up to its end.
//!
//! So a block's name says what stands before it, and two prompts share a name only as far as they are the same. What
//! changes the beginning of the prompt that a replica computes (the model, the tools) is hashed before the first block.

use std::hash::Hasher as _;

use rustc_hash::FxHasher;

/// How a text is cut into blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// Bytes a block.
    pub block_bytes: usize,
    /// Most blocks that are named; what comes after them has no names.
    pub blocks_max: usize,
}

impl Chain {
    /// The names of the blocks of `text` that are full, after everything in `before`.
    ///
    /// The hash is fast and no protection: who makes two prompts collide gets a belief about a cache wrong, and no more.
    #[must_use]
    pub fn names(&self, before: &[&[u8]], text: &[u8]) -> Vec<u64> {
        let mut name = before.iter().fold(0, |name, part| link(name, part));
        let blocks = text.chunks_exact(self.block_bytes.max(1)).take(self.blocks_max);
        blocks
            .map(|block| {
                name = link(name, block);
                name
            })
            .collect()
    }
}

fn link(name: u64, bytes: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_u64(name);
    hasher.write(bytes);
    // What is hashed may end in another place: its length keeps "ab", "c" from being "a", "bc".
    hasher.write_usize(bytes.len());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHAIN: Chain = Chain { block_bytes: 4, blocks_max: 16 };

    #[test]
    fn only_full_blocks_have_names_and_no_more_than_the_bound() {
        assert_eq!(CHAIN.names(&[], b"abc").len(), 0);
        assert_eq!(CHAIN.names(&[], b"abcdefg").len(), 1);
        assert_eq!(CHAIN.names(&[], &[7; 400]).len(), 16);
    }

    #[test]
    fn what_stands_before_is_in_every_name() {
        let of = |before: &[&[u8]]| CHAIN.names(before, b"the same text");
        assert_ne!(of(&[b"demo:1.0"])[0], of(&[b"demo:1.1"])[0]);
        assert_ne!(of(&[b"demo:1.0", b"tools"])[0], of(&[b"demo:1.0", b""])[0]);
        assert_ne!(of(&[b"ab", b"c"])[0], of(&[b"a", b"bc"])[0]);
        // The same block in another place, or repeated, has another name.
        let repeated = CHAIN.names(&[], &[7; 16]);
        assert!(repeated.iter().enumerate().all(|(at, name)| !repeated[..at].contains(name)));
    }

    proptest! {
        #[test]
        fn names_are_shared_exactly_as_far_as_the_texts(
            shared in proptest::collection::vec(any::<u8>(), 0..40),
            one in proptest::collection::vec(any::<u8>(), 0..20), other in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let of = |end: &[u8]| CHAIN.names(&[b"model"], &[&shared[..], end].concat());
            let (a, b) = (of(&one), of(&other));
            let (text_a, text_b) = ([&shared[..], &one].concat(), [&shared[..], &other].concat());
            let common = text_a.iter().zip(&text_b).take_while(|(x, y)| x == y).count();
            let equal = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
            prop_assert_eq!(equal, (common / 4).min(16));
            // After the first difference nothing is shared any more.
            prop_assert!(a[equal..].iter().all(|name| !b.contains(name)));
        }
    }
}
