//! Counts tokens with the vocabulary in the model's own file, as llama.cpp counts them.
//!
//! Two kinds of vocabulary: [`spm`] (SentencePiece, `llama`) and [`bpe`] (byte pairs, `gpt2`). For any other the count
//! is an estimate from above, and says so.

mod bpe;
mod pretokenize;
mod special;
mod spm;

use super::gguf::Metadata;
use bpe::BytePairs;
use special::{Piece, SpecialTokens};
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

/// A model file's tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    special: SpecialTokens,
    vocabulary: Vocabulary,
    /// The token that opens a text, when one does.
    opening: Option<u32>,
    /// The token that closes a text, when one does.
    closing: Option<u32>,
    add_space_prefix: bool,
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
        let vocabulary = match kind {
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
            special: SpecialTokens::new(tokens, metadata.numbers("tokenizer.ggml.token_type").unwrap_or_default()),
            opening: id("bos_token_id").filter(|_| flag("add_bos_token", opens_by_default)),
            closing: id("eos_token_id").filter(|_| flag("add_eos_token", false)),
            add_space_prefix: flag("add_space_prefix", matches!(vocabulary, Vocabulary::Spm(_))),
            vocabulary,
        }
    }

    /// Whether counts are exact.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !matches!(self.vocabulary, Vocabulary::Unknown)
    }

    /// Tokens of `text`. Control tokens written in it count as one each. With `add_special`, what the vocabulary puts
    /// before and behind a text counts too.
    #[must_use]
    pub fn count(&self, text: &str, add_special: bool) -> Count {
        match self.encode(text, add_special) {
            Some(tokens) => Count { tokens: tokens.len() as u64, exact: true },
            None => Count { tokens: (text.len() as u64).div_ceil(ESTIMATED_BYTES_PER_TOKEN) + 2, exact: false },
        }
    }

    /// The tokens of `text`; nothing when the vocabulary is not known here.
    #[must_use]
    pub fn encode(&self, text: &str, add_special: bool) -> Option<Vec<u32>> {
        let mut tokens = Vec::with_capacity(text.len() / 3 + 4);
        if add_special {
            tokens.extend(self.opening);
        }
        let mut follows_special = true;
        for piece in self.special.split(text) {
            match piece {
                Piece::Special(token) => {
                    tokens.push(token);
                    follows_special = true;
                }
                Piece::Text(text) => {
                    match &self.vocabulary {
                        Vocabulary::Spm(spm) => spm.encode(text, self.add_space_prefix && follows_special, &mut tokens),
                        Vocabulary::Bpe(bpe) => bpe.encode(text, &mut tokens),
                        Vocabulary::Unknown => return None,
                    }
                    follows_special = false;
                }
            }
        }
        if add_special {
            tokens.extend(self.closing);
        }
        self.is_exact().then_some(tokens)
    }
}
