//! Requests in order of arrival: read from a file, or drawn from a seed.

use std::io::BufRead;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;

use super::gaps::normal;
use crate::problem::SimulationError;
use crate::trace::BYTE_ORDER_MARK;

/// Latest timestamp taken in: a year.
const TIMESTAMP_MAX_MS: f64 = 3.2e10;

/// One request as it arrives. Only `output_tokens` is not known to a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// When, since the beginning.
    pub at_us: u64,
    /// Tokens of its prompt.
    pub input_tokens: u32,
    /// Tokens of its answer.
    pub output_tokens: u32,
    first_block: u32,
    blocks: u32,
}

/// Requests in order of arrival, with the blocks of their prompts.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    list: Vec<Request>,
    blocks: Vec<u64>,
}

impl Requests {
    /// All of them.
    #[must_use]
    pub fn list(&self) -> &[Request] {
        &self.list
    }

    /// The names of a prompt's blocks: equal names mean that everything up to the block's end is equal.
    #[must_use]
    pub fn blocks(&self, request: &Request) -> &[u64] {
        let first = request.first_block as usize;
        self.blocks.get(first..first + request.blocks as usize).unwrap_or_default()
    }

    /// Adds one; the order is made good by [`Self::sorted`]. False when there are too many.
    pub fn push(&mut self, at_us: u64, input_tokens: u32, output_tokens: u32, blocks: &[u64]) -> bool {
        let (Ok(first_block), Ok(count)) = (u32::try_from(self.blocks.len()), u32::try_from(blocks.len())) else {
            return false;
        };
        self.blocks.extend_from_slice(blocks);
        self.list.push(Request { at_us, input_tokens, output_tokens, first_block, blocks: count });
        true
    }

    /// In order of arrival; those of one instant stay as they were.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.list.sort_by_key(|request| request.at_us);
        self
    }

    /// Only the first `count`.
    #[must_use]
    pub fn truncated(&self, count: usize) -> Self {
        Self { list: self.list.iter().take(count).copied().collect(), blocks: self.blocks.clone() }
    }

    /// The same with other answers: what a policy does not know.
    #[must_use]
    pub fn with_outputs(&self, output: impl Fn(usize, u32) -> u32) -> Self {
        let mut other = self.clone();
        for (index, request) in other.list.iter_mut().enumerate() {
            request.output_tokens = output(index, request.output_tokens);
        }
        other
    }
}

#[derive(Deserialize)]
struct Line {
    timestamp: f64,
    input_length: u32,
    output_length: u32,
    hash_ids: Vec<u64>,
}

/// Reads JSON lines of `timestamp` (ms), `input_length`, `output_length`, `hash_ids`. Blank lines are passed over.
pub fn read_requests(path: &Path) -> Result<Requests, SimulationError> {
    let unreadable = |cause| SimulationError::Unreadable { path: path.to_owned(), cause };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut requests = Requests::default();
    for (number, line) in std::io::BufReader::new(file).lines().enumerate() {
        let line = line.map_err(unreadable)?;
        let line = if number == 0 { line.trim_start_matches(BYTE_ORDER_MARK) } else { &line };
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |cause: String| SimulationError::malformed(path, format!("line {}: {cause}", number + 1));
        let form: Line = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        if !(0.0..=TIMESTAMP_MAX_MS).contains(&form.timestamp) {
            return Err(wrong(format!("timestamp is {}, not milliseconds from 0", form.timestamp)));
        }
        if form.input_length == 0 {
            return Err(wrong("input_length is 0".to_owned()));
        }
        let at_us = (form.timestamp * 1e3) as u64;
        if !requests.push(at_us, form.input_length, form.output_length, &form.hash_ids) {
            return Err(wrong("too many blocks".to_owned()));
        }
    }
    if requests.list.is_empty() {
        return Err(SimulationError::malformed(path, "holds no request"));
    }
    Ok(requests.sorted())
}

/// The shape of a generated load: conversations whose prompts grow turn by turn over a prefix that all share.
#[derive(Debug, Clone, Copy)]
pub struct Conversations {
    /// How many requests.
    pub requests: usize,
    /// Mean requests in a second.
    pub per_second: f64,
    /// Median tokens that a turn adds; they are spread log-normally.
    pub turn_tokens: f64,
    /// Standard deviation of their logarithm.
    pub turn_spread: f64,
    /// Mean tokens of an answer.
    pub output_tokens: f64,
    /// Chance that a request goes on with an earlier conversation.
    pub continued: f64,
    /// Tokens a block.
    pub block_tokens: u32,
}

impl Default for Conversations {
    fn default() -> Self {
        Self {
            requests: 10_000,
            per_second: 3.0,
            turn_tokens: 4_500.0,
            turn_spread: 1.1,
            output_tokens: 350.0,
            continued: 0.45,
            block_tokens: 512,
        }
    }
}

/// Conversations that may still be gone on with.
const OPEN_MAX: usize = 512;
/// Most requests drawn.
pub const DRAWN_MAX: usize = 50_000_000;
/// Most blocks of all drawn prompts together: four gigabytes of names.
pub const DRAWN_BLOCKS_MAX: usize = 500_000_000;
/// Longest prompt drawn.
const PROMPT_MAX_TOKENS: f64 = 120_000.0;

impl Conversations {
    /// The load that this shape gives with `seed`: Poisson arrivals, of which one in ten brings a small crowd. Fewer requests than
    /// asked for where [`DRAWN_MAX`] or [`DRAWN_BLOCKS_MAX`] ends it.
    #[must_use]
    pub fn generate(&self, seed: u64) -> Requests {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut requests = Requests::default();
        let mut open: Vec<(f64, Vec<u64>)> = Vec::new();
        let (mut at_s, mut crowd, mut next_block) = (0.0_f64, 0_u32, 1_u64);
        for _ in 0..self.requests.min(DRAWN_MAX) {
            if crowd == 0 {
                let gap = -rng.random_range(f64::MIN_POSITIVE..1.0_f64).ln();
                // A crowd of one to nine on average five, one time in ten: 1.4 requests an arrival.
                at_s += 1.4 * gap / self.per_second;
                crowd = if rng.random_bool(0.1) { rng.random_range(1..=9) } else { 1 };
            }
            crowd -= 1;
            let goes_on = !open.is_empty() && rng.random_bool(self.continued);
            let (mut tokens, mut blocks) = if goes_on {
                let chosen = rng.random_range(0..open.len());
                open.swap_remove(chosen)
            } else {
                (f64::from(self.block_tokens), vec![0])
            };
            tokens = (tokens + self.turn(&mut rng)).min(PROMPT_MAX_TOKENS);
            // The last block of a prompt is mostly not full, so its name does not come again.
            let full = (tokens / f64::from(self.block_tokens)) as usize;
            while blocks.len() < full {
                blocks.push(next_block);
                next_block += 1;
            }
            let output = (-rng.random_range(f64::MIN_POSITIVE..1.0_f64).ln() * self.output_tokens).max(1.0);
            let is_full = requests.blocks.len() + blocks.len() > DRAWN_BLOCKS_MAX;
            if is_full || !requests.push((at_s * 1e6) as u64, tokens as u32, output as u32, &blocks) {
                break;
            }
            // A new conversation takes the place of an old one, which so comes to its end.
            if open.len() >= OPEN_MAX {
                let ended = rng.random_range(0..open.len());
                open.swap_remove(ended);
            }
            open.push((tokens + output, blocks));
        }
        requests
    }

    fn turn(&self, rng: &mut StdRng) -> f64 {
        self.turn_tokens * (self.turn_spread * normal(rng)).exp()
    }
}
