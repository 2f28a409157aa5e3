//! Byte-pair vocabularies (GPT-2's scheme): a text is cut into words, each word's bytes are written as printable
//! characters, and pairs are joined in the order in which the training found them.

pub(super) mod chain;

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

use super::Encoding;
use super::pretokenize::Pretokenizer;
use chain::{Chain, TEXT_MAX_BYTES};

use crate::context::budget::Exhausted;

/// A vocabulary.
#[derive(Debug)]
pub(super) struct BytePairs {
    pretokenizer: Pretokenizer,
    tokens: HashMap<Box<str>, u32>,
    /// Rank of a join, by its two parts with a space between.
    ranks: HashMap<Box<str>, u32>,
    alphabet: [char; 256],
}

/// A join that could be made; the least rank first, the leftmost among equals.
#[derive(Debug, PartialEq, Eq)]
struct Join {
    rank: u32,
    left: u32,
    right: u32,
    bytes: u32,
}

impl Ord for Join {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.rank, self.left).cmp(&(other.rank, other.left))
    }
}

impl PartialOrd for Join {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl BytePairs {
    /// A vocabulary whose words are cut by the pre-tokenizer of that name; nothing when it is not known here.
    pub(super) fn new(tokens: &[String], merges: &[String], pretokenizer: &str) -> Option<Self> {
        let mut by_text = HashMap::with_capacity(tokens.len());
        for (id, text) in tokens.iter().enumerate() {
            by_text.insert(text.clone().into_boxed_str(), u32::try_from(id).ok()?);
        }
        let mut ranks = HashMap::with_capacity(merges.len());
        for (rank, merge) in merges.iter().enumerate() {
            ranks.entry(merge.clone().into_boxed_str()).or_insert(u32::try_from(rank).ok()?);
        }
        let pretokenizer = Pretokenizer::named(pretokenizer)?;
        Some(Self { pretokenizer, tokens: by_text, ranks, alphabet: alphabet() })
    }

    /// Whether such vocabularies open a text when the file does not say.
    pub(super) fn opens_by_default(&self) -> bool {
        self.pretokenizer.opens_by_default
    }

    /// Adds the tokens of `text`. False when it cannot be encoded here.
    pub(super) fn encode(&self, text: &str, encoding: &mut Encoding) -> Result<bool, Exhausted> {
        let Some(words) = self.pretokenizer.words(text, encoding.budget)? else { return Ok(false) };
        for word in words {
            encoding.begin_word(2 * word.len())?;
            if encoding.is_full(0) {
                return Ok(true);
            }
            if word.len() > TEXT_MAX_BYTES / 2 {
                return Ok(false);
            }
            let written: String = word.bytes().map(|byte| self.alphabet[usize::from(byte)]).collect();
            match self.tokens.get(written.as_str()).filter(|_| self.pretokenizer.whole_words_first) {
                Some(token) => encoding.tokens.push(*token),
                None => self.encode_word(&written, &mut encoding.tokens),
            }
        }
        Ok(true)
    }

    fn encode_word(&self, word: &str, tokens: &mut Vec<u32>) {
        let mut chain = Chain::of_characters(word);
        let mut joins = BinaryHeap::new();
        let mut pair = String::new();
        for right in 1..chain.len() {
            joins.extend(self.join(word, &chain, right - 1, right, &mut pair).map(Reverse));
        }
        while let Some(Reverse(Join { left, right, bytes, .. })) = joins.pop() {
            if !chain.holds(left, right, bytes) {
                continue;
            }
            chain.join(left, right);
            if let Some(before) = chain.before(left) {
                joins.extend(self.join(word, &chain, before, left, &mut pair).map(Reverse));
            }
            if let Some(after) = chain.after(left) {
                joins.extend(self.join(word, &chain, left, after, &mut pair).map(Reverse));
            }
        }
        for range in chain.ranges() {
            match self.tokens.get(&word[range.clone()]) {
                Some(token) => tokens.push(*token),
                // A piece that is no token falls back to its bytes; a byte that is none is left out, as llama.cpp does.
                None => tokens.extend(word[range].split("").filter_map(|byte| self.tokens.get(byte))),
            }
        }
    }

    fn join(&self, word: &str, chain: &Chain, left: u32, right: u32, pair: &mut String) -> Option<Join> {
        let range = chain.joined_range(left, right);
        let middle = chain.joined_range(right, right).start;
        pair.clear();
        pair.push_str(&word[range.start..middle]);
        pair.push(' ');
        pair.push_str(&word[middle..range.end]);
        let rank = *self.ranks.get(pair.as_str())?;
        Some(Join { rank, left, right, bytes: range.len() as u32 })
    }
}

/// GPT-2's table: printable Latin-1 bytes stand for themselves, the others for the characters from U+0100 on.
fn alphabet() -> [char; 256] {
    let mut next = 0x100_u32;
    std::array::from_fn(|byte| {
        let code = u32::try_from(byte).unwrap_or(0);
        let printable = matches!(code, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let code = if printable {
            code
        } else {
            next += 1;
            next - 1
        };
        char::from_u32(code).unwrap_or(' ')
    })
}
