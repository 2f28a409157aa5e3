//! Lengths of prompts and answers, read from a log of requests and drawn from again in pairs: a long prompt and its answer
//! belong together.

use std::path::Path;

use rand::Rng;
use rand::rngs::StdRng;

use crate::csv::rows;
use crate::problem::SimulationError;
use crate::trace::read_text;

const COLUMNS: [&str; 3] = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];
/// Most tokens of a prompt or an answer: beyond any window.
const TOKENS_MAX: u32 = 10_000_000;

/// Tokens of prompts and of their answers.
#[derive(Debug, Clone, Default)]
pub struct Lengths(Vec<(u32, u32)>);

impl Lengths {
    /// Reads a CSV of `TIMESTAMP,ContextTokens,GeneratedTokens`. When the requests came does not matter here.
    ///
    /// # Errors
    /// When the file cannot be read, is empty, or a line has another form.
    pub fn read(path: &Path) -> Result<Self, SimulationError> {
        Self::parse(path, &read_text(path)?)
    }

    /// The same from the file's text; `path` is what errors name.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, SimulationError> {
        let mut pairs = Vec::new();
        for row in rows(path, text, &COLUMNS)? {
            let row = row?;
            let tokens = |column: usize, least: u32| match row.cell(column).parse::<u32>() {
                Ok(tokens) if (least..=TOKENS_MAX).contains(&tokens) => Ok(tokens),
                _ => Err(row.wrong(format_args!(
                    "{} is {:?}, not {least} to {TOKENS_MAX} tokens",
                    COLUMNS[column],
                    row.cell(column)
                ))),
            };
            pairs.push((tokens(1, 1)?, tokens(2, 0)?));
        }
        if pairs.is_empty() { Err(SimulationError::malformed(path, "holds no request")) } else { Ok(Self(pairs)) }
    }

    /// Tokens of a prompt and of its answer, each pair of the log as likely as any other.
    pub(super) fn draw(&self, rng: &mut StdRng) -> (u32, u32) {
        if self.0.is_empty() { (1, 1) } else { self.0[rng.random_range(0..self.0.len())] }
    }
}
