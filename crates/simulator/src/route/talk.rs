//! Who goes on with which conversation, where a load tells only lengths: drawn, one client's conversations by themselves.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::requests::Conversations;

/// Conversations of a client that may still be gone on with.
const OPEN_MAX: usize = 64;

/// The conversations of one client.
#[derive(Debug)]
pub struct Talk {
    rng: StdRng,
    first_block: u64,
    /// Tokens of prompts and answers so far, and the blocks of the last prompt.
    open: Vec<(u32, Vec<u64>)>,
}

impl Talk {
    /// Nothing said yet; all prompts begin with `first_block`.
    pub fn new(seed: u64, first_block: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), first_block, open: Vec::new() }
    }

    /// The blocks of a prompt of so many tokens: with the same chance as in [`Conversations`] it goes on with a conversation that
    /// it is longer than, if there is one. The last block of a prompt is mostly not full, so it has no name.
    pub fn prompt(&mut self, tokens: u32, full: u32, next_block: &mut u64) -> Vec<u64> {
        let mut blocks = Vec::new();
        if self.rng.random_bool(Conversations::default().continued) {
            let fitting: Vec<usize> = (0..self.open.len()).filter(|at| self.open[*at].0 < tokens).collect();
            if !fitting.is_empty() {
                blocks = self.open.swap_remove(fitting[self.rng.random_range(0..fitting.len())]).1;
            }
        }
        if blocks.is_empty() && full > 0 {
            blocks.push(self.first_block);
        }
        while blocks.len() < full as usize {
            blocks.push(*next_block);
            *next_block += 1;
        }
        blocks
    }

    /// The conversation may be gone on with; it takes the place of an old one, which so comes to its end.
    pub fn keep(&mut self, tokens: u32, blocks: Vec<u64>) {
        if self.open.len() >= OPEN_MAX {
            let ended = self.rng.random_range(0..self.open.len());
            self.open.swap_remove(ended);
        }
        self.open.push((tokens, blocks));
    }
}
