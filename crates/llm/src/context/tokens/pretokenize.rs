//! How byte-pair vocabularies cut a text into words, each by its own expressions, named as in `tokenizer.ggml.pre`.
//!
//! The expressions are those of llama.cpp's `llm_tokenizer_bpe`. They are applied one after another, each to the pieces
//! that the one before left; what an expression does not match is a piece too.

use fancy_regex::{Regex, RegexBuilder};

use crate::context::budget::{Budget, Exhausted};

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DEFAULT: [&str; 4] = [r"[\p{P}\$\+<=>\^\~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"];

/// Steps back that an expression may take in looking for one word.
const BACKTRACKS_MAX: usize = 1_000_000;
/// Units for a byte that an expression looks at.
const BYTE_UNITS: u64 = 8;

/// A way to cut words.
#[derive(Debug)]
pub(super) struct Pretokenizer {
    expressions: Vec<Regex>,
    /// A word that is a token as a whole is not cut further.
    pub(super) whole_words_first: bool,
    /// The opening token is added when the file does not say.
    pub(super) opens_by_default: bool,
}

impl Pretokenizer {
    /// The one of that name; nothing when it is not known here.
    pub(super) fn named(name: &str) -> Option<Self> {
        let (expressions, is_llama3): (&[&str], bool) = match name {
            "default" | "" => (&DEFAULT, false),
            "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2" => {
                (&[LLAMA3], true)
            }
            "dbrx" | "smaug-bpe" => (&[LLAMA3], false),
            "qwen2" | "deepseek-r1-qwen" | "megrez" | "stablelm2" | "hunyuan" => (&[QWEN2], false),
            "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "exaone4" | "granite-docling" | "trillion" => {
                (&[GPT2], false)
            }
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b" => {
                (&[r"\p{N}", GPT2], false)
            }
            _ => return None,
        };
        let expression = |text: &&str| RegexBuilder::new(text).backtrack_limit(BACKTRACKS_MAX).build();
        let expressions = expressions.iter().map(expression).collect::<Result<_, _>>().ok()?;
        Some(Self { expressions, whole_words_first: is_llama3, opens_by_default: is_llama3 })
    }

    /// The words of `text`, in order; together they are the text. Nothing when an expression gives up.
    pub(super) fn words<'t>(&self, text: &'t str, budget: &Budget) -> Result<Option<Vec<&'t str>>, Exhausted> {
        let mut pieces = vec![text];
        for expression in &self.expressions {
            let mut cut = Vec::new();
            for piece in pieces {
                if !add_cut(expression, piece, &mut cut, budget)? {
                    return Ok(None);
                }
            }
            pieces = cut;
        }
        Ok(Some(pieces))
    }
}

/// Adds what `expression` matches of `text`, and what lies between. False when it gives up: it has a bound on its steps.
fn add_cut<'t>(
    expression: &Regex,
    text: &'t str,
    pieces: &mut Vec<&'t str>,
    budget: &Budget,
) -> Result<bool, Exhausted> {
    let mut done = 0;
    for found in expression.find_iter(text) {
        let Ok(found) = found else { return Ok(false) };
        budget.charge(BYTE_UNITS * (found.end() - done) as u64 + BYTE_UNITS)?;
        pieces.extend([&text[done..found.start()], found.as_str()].into_iter().filter(|piece| !piece.is_empty()));
        done = found.end();
    }
    pieces.extend(Some(&text[done..]).filter(|rest| !rest.is_empty()));
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    fn words<'t>(name: &str, text: &'t str) -> Vec<&'t str> {
        let words = Pretokenizer::named(name).expect("a known name").words(text, &Budget::of(1 << 20));
        words.expect("enough").expect("no expression gives up")
    }

    #[test]
    fn words_as_the_reference_cuts_them() {
        let text = "I'll pay  $1234!\n\n  Üben";
        assert_eq!(words("gpt-2", text), ["I", "'ll", " pay", " ", " $", "1234", "!", "\n\n ", " Üben"]);
        assert_eq!(words("llama-bpe", text), ["I", "'ll", " pay", " ", " $", "123", "4", "!\n\n", " ", " Üben"]);
        assert_eq!(words("qwen2", "x42"), ["x", "4", "2"]);
        assert_eq!(words("default", "a,b 12345"), ["a", ",", "b", " ", "123", "45"]);
    }

    #[test]
    fn an_expression_that_gives_up_says_so() {
        let blank = format!("{}x", " ".repeat(3 << 20));
        let words = Pretokenizer::named("llama-bpe").expect("known").words(&blank, &Budget::of(u64::MAX));
        assert_eq!(words, Ok(None));
    }

    proptest! {
        #[test]
        fn words_are_the_text(text in "[ \\n\\tA-Za-zäß0-9'!,$漢字]{0,60}") {
            static ALL: LazyLock<[Pretokenizer; 5]> = LazyLock::new(|| {
                ["default", "llama-bpe", "qwen2", "gpt-2", "smollm"].map(|name| Pretokenizer::named(name).expect("known"))
            });
            for pretokenizer in &*ALL {
                let words = pretokenizer.words(&text, &Budget::of(1 << 20)).expect("enough").expect("few steps");
                prop_assert_eq!(words.concat(), text.as_str());
            }
        }
    }
}
