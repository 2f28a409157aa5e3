//! SentencePiece vocabularies: characters joined pair by pair, the best-scored first, and bytes where there is no piece.
//!
//! The rule of llama.cpp's `llm_tokenizer_spm`: among the neighbours whose join is a token, the one with the highest
//! score is joined, the leftmost among equals, until none is left.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::Encoding;
use super::bpe::chain::{Chain, TEXT_MAX_BYTES};
use crate::context::budget::Exhausted;

/// What stands for a space in the vocabulary (U+2581).
const SPACE: char = '\u{2581}';

/// A vocabulary.
#[derive(Debug)]
pub(super) struct SentencePieces {
    tokens: HashMap<Box<str>, u32>,
    scores: Vec<f64>,
    bytes: Box<[u32; 256]>,
    unknown: u32,
    /// Neighbours that some token holds side by side. Between others nothing is ever joined.
    neighbours: HashSet<(char, char)>,
    longest_bytes: usize,
}

/// A join that could be made.
#[derive(Debug, PartialEq)]
struct Join {
    score: f64,
    left: u32,
    right: u32,
    bytes: u32,
}

impl Eq for Join {}

impl Ord for Join {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Join {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl SentencePieces {
    /// A vocabulary of tokens with a score each; nothing when the two lists do not match.
    pub(super) fn new(tokens: &[String], scores: &[f64]) -> Option<Self> {
        if tokens.len() != scores.len() {
            return None;
        }
        let mut by_text = HashMap::with_capacity(tokens.len());
        for (id, text) in tokens.iter().enumerate() {
            // Of two tokens with one text the later counts, as in llama.cpp's map.
            by_text.insert(text.clone().into_boxed_str(), u32::try_from(id).ok()?);
        }
        let unknown = by_text.get("<unk>").copied().unwrap_or(0);
        let mut bytes = Box::new([unknown; 256]);
        for (byte, id) in bytes.iter_mut().enumerate() {
            if let Some(found) = by_text.get(format!("<0x{byte:02X}>").as_str()) {
                *id = *found;
            }
        }
        let neighbours = tokens.iter().flat_map(|text| text.chars().zip(text.chars().skip(1))).collect();
        let longest_bytes = tokens.iter().map(String::len).max().unwrap_or(1).max(1);
        Some(Self { tokens: by_text, scores: scores.to_vec(), bytes, unknown, neighbours, longest_bytes })
    }

    /// Adds the tokens of `text`. False when it cannot be encoded here.
    pub(super) fn encode(&self, text: &str, space_first: bool, encoding: &mut Encoding) -> Result<bool, Exhausted> {
        // Where no token reaches over two characters, the text falls into parts: most are words.
        let mut part = String::new();
        let mut last = None;
        let first = space_first.then_some(' ');
        for character in first.into_iter().chain(text.chars()) {
            let character = if character == ' ' { SPACE } else { character };
            if last.is_some_and(|last| !self.neighbours.contains(&(last, character))) {
                if !self.encode_part(&part, encoding)? {
                    return Ok(false);
                }
                if encoding.is_full(0) {
                    return Ok(true);
                }
                part.clear();
            }
            part.push(character);
            last = Some(character);
        }
        self.encode_part(&part, encoding)
    }

    fn encode_part(&self, part: &str, encoding: &mut Encoding) -> Result<bool, Exhausted> {
        encoding.begin_word(part.len())?;
        if encoding.is_full(part.len() / self.longest_bytes) {
            return Ok(true);
        }
        if part.len() > TEXT_MAX_BYTES {
            return Ok(false);
        }
        let mut chain = Chain::of_characters(part);
        let mut joins = BinaryHeap::new();
        for right in 1..chain.len() {
            joins.extend(self.join(part, &chain, right - 1, right));
        }
        while let Some(Join { left, right, bytes, .. }) = joins.pop() {
            // One of the two was joined otherwise meanwhile: then their sizes no longer add up.
            if !chain.holds(left, right, bytes) {
                continue;
            }
            chain.join(left, right);
            if let Some(before) = chain.before(left) {
                joins.extend(self.join(part, &chain, before, left));
            }
            if let Some(after) = chain.after(left) {
                joins.extend(self.join(part, &chain, left, after));
            }
        }
        for range in chain.ranges() {
            self.push(&part[range], &mut encoding.tokens);
        }
        Ok(true)
    }

    fn join(&self, text: &str, chain: &Chain, left: u32, right: u32) -> Option<Join> {
        let range = chain.joined_range(left, right);
        // A longer text is no token, and need not be looked up.
        let token = *self.tokens.get(text.get(range.clone()).filter(|text| text.len() <= self.longest_bytes)?)?;
        let score = *self.scores.get(token as usize)?;
        Some(Join { score, left, right, bytes: range.len() as u32 })
    }

    fn push(&self, piece: &str, tokens: &mut Vec<u32>) {
        match self.tokens.get(piece) {
            Some(token) => tokens.push(*token),
            None => tokens
                .extend(piece.bytes().map(|byte| self.bytes.get(usize::from(byte)).copied().unwrap_or(self.unknown))),
        }
    }
}
