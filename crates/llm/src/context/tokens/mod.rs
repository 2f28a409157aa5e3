//! Counts tokens with the vocabulary in the model's own file, as llama.cpp counts them.
//!
//! Two kinds of vocabulary: [`spm`] (SentencePiece, `llama`) and [`bpe`] (byte pairs, `gpt2`). For any other the count
//! is an estimate from above, and says so.

mod bpe;
mod pretokenize;
mod special;
mod spm;

use super::budget::{Budget, Exhausted};
use super::conversation::{Controls, Segment};
use super::gguf::Metadata;
use bpe::BytePairs;
use special::{Piece, SpecialTokens, control_texts};
use spm::SentencePieces;

/// Bytes that one token is taken to hold when nothing better is known. Natural text and code have more.
const ESTIMATED_BYTES_PER_TOKEN: u64 = 2;

/// How many tokens a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Tokens.
    pub tokens: u64,
    /// Whether that is what the model's own tokenizer counts, and not an estimate from above.
    pub exact: bool,
}

/// Units for a byte of a word, and for a word.
const BYTE_UNITS: u64 = 8;
const WORD_UNITS: u64 = 32;

/// A text that is being encoded.
#[derive(Debug)]
struct Encoding<'b> {
    tokens: Vec<u32>,
    /// Encoding ends once there are more, or are sure to be.
    most: u64,
    /// How many there are at least, when it ended early.
    at_least: Option<u64>,
    budget: &'b Budget,
}

impl Encoding<'_> {
    /// Pays for a word of so many bytes.
    fn begin_word(&self, bytes: usize) -> Result<(), Exhausted> {
        self.budget.charge(WORD_UNITS + BYTE_UNITS * bytes as u64)
    }

    /// Whether that is enough, with so many more tokens that are sure to come.
    fn is_full(&mut self, more: usize) -> bool {
        let at_least = (self.tokens.len() + more) as u64;
        self.at_least = (at_least > self.most).then_some(at_least);
        self.at_least.is_some()
    }
}

/// A model file's tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    special: SpecialTokens,
    controls: Controls,
    vocabulary: Vocabulary,
    /// The token that opens a text, when one does.
    opening: Option<u32>,
    /// The token that closes a text, when one does.
    closing: Option<u32>,
    add_space_prefix: bool,
    longest_bytes: u64,
}

#[derive(Debug)]
enum Vocabulary {
    Spm(SentencePieces),
    Bpe(Box<BytePairs>),
    Unknown,
}

impl Tokenizer {
    /// The tokenizer of a file with that metadata. A vocabulary that is not known here counts by estimate.
    #[must_use]
    pub fn from_metadata(metadata: &Metadata) -> Self {
        let kind = metadata.text("tokenizer.ggml.model").unwrap_or_default();
        let tokens = metadata.texts("tokenizer.ggml.tokens").unwrap_or_default();
        let types = metadata.numbers("tokenizer.ggml.token_type").unwrap_or_default();
        let special = SpecialTokens::new(tokens, types);
        let vocabulary = match kind {
            _ if special.is_none() => Vocabulary::Unknown,
            "llama" if !tokens.is_empty() => {
                SentencePieces::new(tokens, metadata.numbers("tokenizer.ggml.scores").unwrap_or_default())
                    .map_or(Vocabulary::Unknown, Vocabulary::Spm)
            }
            "gpt2" if !tokens.is_empty() => BytePairs::new(
                tokens,
                metadata.texts("tokenizer.ggml.merges").unwrap_or_default(),
                metadata.text("tokenizer.ggml.pre").unwrap_or("default"),
            )
            .map_or(Vocabulary::Unknown, |pairs| Vocabulary::Bpe(Box::new(pairs))),
            _ => Vocabulary::Unknown,
        };
        let opens_by_default = match &vocabulary {
            Vocabulary::Spm(_) => true,
            Vocabulary::Bpe(bpe) => bpe.opens_by_default(),
            Vocabulary::Unknown => false,
        };
        let flag = |key: &str, default| metadata.bool(&format!("tokenizer.ggml.{key}")).unwrap_or(default);
        let id = |key: &str| {
            let id = metadata.unsigned(&format!("tokenizer.ggml.{key}"))?;
            u32::try_from(id).ok().filter(|id| tokens.len() > *id as usize)
        };
        Self {
            special: special.unwrap_or_default(),
            controls: Controls::new(control_texts(tokens, types)),
            opening: id("bos_token_id").filter(|_| flag("add_bos_token", opens_by_default)),
            closing: id("eos_token_id").filter(|_| flag("add_eos_token", false)),
            add_space_prefix: flag("add_space_prefix", matches!(vocabulary, Vocabulary::Spm(_))),
            longest_bytes: tokens.iter().map(String::len).max().unwrap_or(0) as u64,
            vocabulary,
        }
    }

    /// Bytes of the longest token, at least one. Of a vocabulary that is not known here, what the estimate goes by.
    #[must_use]
    pub fn longest_bytes(&self) -> u64 {
        if self.is_exact() { self.longest_bytes.max(1) } else { ESTIMATED_BYTES_PER_TOKEN }
    }

    /// Whether counts are exact.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !matches!(self.vocabulary, Vocabulary::Unknown)
    }

    /// The texts of control tokens.
    #[must_use]
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    /// Tokens of a prompt in segments, the first of which gets what the vocabulary puts before a text unless it has it.
    /// Above `most` the number is one that the prompt has at least.
    pub fn count_segments(
        &self,
        segments: impl Iterator<Item = Segment>,
        most: u64,
        budget: &Budget,
    ) -> Result<Count, Exhausted> {
        let mut whole = Count { tokens: 0, exact: true };
        for (index, segment) in segments.enumerate() {
            let add_special = index == 0 && !segment.has_first_token;
            let count = self.count(&segment.text, add_special, most.saturating_sub(whole.tokens), budget)?;
            whole = Count { tokens: whole.tokens + count.tokens, exact: whole.exact && count.exact };
            if whole.tokens > most {
                break;
            }
        }
        Ok(whole)
    }

    /// Tokens of `text`. Control tokens written in it count as one each. With `add_special`, what the vocabulary puts
    /// before and behind a text counts too. Above `most` the number is one that the text has at least.
    pub fn count(&self, text: &str, add_special: bool, most: u64, budget: &Budget) -> Result<Count, Exhausted> {
        Ok(match self.run(text, add_special, most, budget)? {
            Some(encoding) => Count { tokens: encoding.at_least.unwrap_or(encoding.tokens.len() as u64), exact: true },
            None => Count { tokens: (text.len() as u64).div_ceil(ESTIMATED_BYTES_PER_TOKEN) + 2, exact: false },
        })
    }

    /// The tokens of `text`; nothing when the vocabulary is not known here, or cannot cut this text.
    pub fn encode(&self, text: &str, add_special: bool, budget: &Budget) -> Result<Option<Vec<u32>>, Exhausted> {
        Ok(self.run(text, add_special, u64::MAX, budget)?.map(|encoding| encoding.tokens))
    }

    fn run<'b>(
        &self,
        text: &str,
        add_special: bool,
        most: u64,
        budget: &'b Budget,
    ) -> Result<Option<Encoding<'b>>, Exhausted> {
        let mut encoding = Encoding { tokens: Vec::new(), most, at_least: None, budget };
        if add_special {
            encoding.tokens.extend(self.opening);
        }
        let mut follows_special = true;
        for piece in self.special.split(text, budget)? {
            match piece {
                Piece::Special(token) => {
                    encoding.tokens.push(token);
                    follows_special = true;
                }
                Piece::Text(text) => {
                    if !self.encode_text(text, follows_special, &mut encoding)? {
                        return Ok(None);
                    }
                    follows_special = false;
                }
            }
            if encoding.is_full(0) {
                return Ok(Some(encoding));
            }
        }
        if add_special {
            encoding.tokens.extend(self.closing);
        }
        Ok(self.is_exact().then_some(encoding))
    }

    /// False when it cannot be encoded here.
    fn encode_text(&self, text: &str, follows_special: bool, encoding: &mut Encoding) -> Result<bool, Exhausted> {
        match &self.vocabulary {
            Vocabulary::Spm(spm) => spm.encode(text, self.add_space_prefix && follows_special, encoding),
            Vocabulary::Bpe(bpe) => bpe.encode(text, encoding),
            Vocabulary::Unknown => Ok(false),
        }
    }
}
