//! Grammars in llama.cpp's GBNF, read and written again as Lark, which `llguidance` compiles.
//!
//! | GBNF | here |
//! |---|---|
//! | `name ::= …`, alternates `\|`, groups, comments, lines that go on in groups and after `\|` | yes |
//! | `"text"` and `[class]`, `[^class]` with ranges and `\n \r \t \\ \" \[ \] \- \xHH \uHHHH \UHHHHHHHH` | yes |
//! | `.`, `*`, `+`, `?`, `{m}`, `{m,}`, `{m,n}` | yes, counts up to 2,000 |
//! | `<token>`, `<[id]>`, `!<token>`, `!<[id]>` | yes, when the vocabulary has the token |
//! | left recursion | yes (llama.cpp refuses it) |
//! | rules without an end (`a ::= a "x"`) | refused when `root` needs them, else left out |
//!
//! Pure text work, bounded by the length of the text, the depth of its groups and the counts of its repetitions.

mod lark;
mod parse;

pub use lark::{Vocabulary, to_lark};

/// The longest grammar, in bytes.
const LONGEST_BYTES: usize = 64 * 1024;
/// The deepest nesting of groups.
const DEEPEST: usize = 32;
/// The largest count of a repetition, which is llama.cpp's own.
const MOST_REPEATS: u32 = 2_000;
/// The most rules.
const MOST_RULES: usize = 1_024;

/// Why a grammar is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GbnfError {
    /// It is too long.
    #[error("it is longer than {LONGEST_BYTES} bytes")]
    TooLong,
    /// It has too many rules.
    #[error("it has more than {MOST_RULES} rules")]
    TooManyRules,
    /// Groups are nested too deep.
    #[error("line {line}: groups are nested more than {DEEPEST} deep")]
    TooDeep {
        /// Where.
        line: usize,
    },
    /// A repetition counts too far.
    #[error("line {line}: a repetition counts beyond {MOST_REPEATS}, or its bounds are in the wrong order")]
    Repeats {
        /// Where.
        line: usize,
    },
    /// Something else is expected.
    #[error("line {line}: expected {expected}")]
    Expected {
        /// Where.
        line: usize,
        /// What.
        expected: &'static str,
    },
    /// A rule is used and not defined.
    #[error("the rule {0:?} is not defined")]
    Undefined(String),
    /// No text can ever end.
    #[error("no text matches the rule `root`: it never ends")]
    NoText,
    /// A token is unknown.
    #[error("{0} is no token of this model")]
    NoToken(String),
}

/// A part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// One of the characters in these ranges, or, when `negated`, any other.
    Class { ranges: Vec<(char, char)>, negated: bool },
    /// These characters.
    Text(String),
    /// Another rule, by its number.
    Rule(usize),
    /// One token, or any but that one.
    Token { token: TokenName, negated: bool },
    /// One after the other.
    Sequence(Vec<Node>),
    /// One of them.
    Choice(Vec<Node>),
    /// From `least` to `most` times; no `most` is any number.
    Repeat { node: Box<Node>, least: u32, most: Option<u32> },
}

/// How a grammar names a token.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TokenName {
    /// By its number.
    Id(u32),
    /// By its text, with the angle brackets.
    Text(String),
}

/// Rules by number; `root` is known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grammar {
    rules: Vec<Node>,
    root: usize,
}
