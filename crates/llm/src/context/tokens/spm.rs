//! SentencePiece vocabularies: characters joined pair by pair, the best-scored first, and bytes where there is no piece.
//!
//! The rule of llama.cpp's `llm_tokenizer_spm`: among the neighbours whose join is a token, the one with the highest
//! score is joined, the leftmost among equals, until none is left.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::bpe::chain::Chain;

/// What stands for a space in the vocabulary (U+2581).
const SPACE: &str = "\u{2581}";

/// A vocabulary.
#[derive(Debug)]
pub(super) struct SentencePieces {
    tokens: HashMap<Box<str>, u32>,
    scores: Vec<f64>,
    bytes: Box<[u32; 256]>,
    unknown: u32,
}

/// A join that could be made.
#[derive(Debug, PartialEq)]
struct Join {
    score: f64,
    left: usize,
    right: usize,
    bytes: usize,
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
        Some(Self { tokens: by_text, scores: scores.to_vec(), bytes, unknown })
    }

    /// Adds the tokens of `text`.
    pub(super) fn encode(&self, text: &str, space_first: bool, tokens: &mut Vec<u32>) {
        let mut escaped = String::with_capacity(text.len() + text.len() / 4 + 3);
        if space_first {
            escaped.push_str(SPACE);
        }
        for character in text.chars() {
            if character == ' ' { escaped.push_str(SPACE) } else { escaped.push(character) }
        }
        let mut chain = Chain::of_characters(&escaped);
        let mut joins = BinaryHeap::new();
        for right in 1..chain.len() {
            joins.extend(self.join(&escaped, &chain, right - 1, right));
        }
        while let Some(Join { left, right, bytes, .. }) = joins.pop() {
            // One of the two was joined otherwise meanwhile: then their sizes no longer add up.
            if !chain.holds(left, right, bytes) {
                continue;
            }
            chain.join(left, right);
            if let Some(before) = chain.before(left) {
                joins.extend(self.join(&escaped, &chain, before, left));
            }
            if let Some(after) = chain.after(left) {
                joins.extend(self.join(&escaped, &chain, left, after));
            }
        }
        for range in chain.ranges() {
            self.push(&escaped[range], tokens);
        }
    }

    fn join(&self, text: &str, chain: &Chain, left: usize, right: usize) -> Option<Join> {
        let range = chain.joined_range(left, right);
        let token = *self.tokens.get(&text[range.clone()])?;
        let score = *self.scores.get(token as usize)?;
        Some(Join { score, left, right, bytes: range.len() })
    }

    fn push(&self, piece: &str, tokens: &mut Vec<u32>) {
        match self.tokens.get(piece) {
            Some(token) => tokens.push(*token),
            None => tokens
                .extend(piece.bytes().map(|byte| self.bytes.get(usize::from(byte)).copied().unwrap_or(self.unknown))),
        }
    }
}
