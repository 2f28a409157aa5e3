//! A context window that holds: tokens counted with the model's own vocabulary, in the model's own format.
//!
//! * [`gguf`] reads a model file's head: metadata, no tensors. [`tensors`] says where those end.
//! * [`conversation`] reads messages as templates expect them; [`formatter`] writes them the way the file's chat template
//!   has it.
//! * [`tokens`] counts what was written, with the file's vocabulary.
//! * [`messages`] are those of a request, as slices of its body.
//! * [`window`] drops oldest turns whole until the count fits.
//! * [`budget`] bounds what all of this may take.
//!
//! [`Reader`] joins them for one model file.

pub mod budget;
pub mod conversation;
pub mod formatter;
pub mod gguf;
pub mod messages;
pub mod tensors;
pub mod tokens;
pub mod window;

use domain::Timestamp;

pub use budget::{Budget, Exhausted};
pub use conversation::Turn;
pub use formatter::{FormatError, Formatter};
pub use gguf::{GgufError, Metadata};
pub use messages::{Messages, ReadError};
pub use tensors::Tensors;
pub use tokens::{Count, Tokenizer};
pub use window::{Entry, Fit, Message, Room, Window, WindowError, fit};

/// All that is needed of a model file to count and cut a conversation.
#[derive(Debug)]
pub struct Reader {
    formatter: Formatter,
    tokenizer: Tokenizer,
}

impl Reader {
    /// Reads what is needed from a file's metadata.
    pub fn from_metadata(metadata: &Metadata) -> Result<Self, FormatError> {
        Ok(Self { formatter: Formatter::from_metadata(metadata)?, tokenizer: Tokenizer::from_metadata(metadata) })
    }

    /// Tokens of a conversation as the model gets it, with the opening of its answer. Above `most` the number is one that
    /// it has at least.
    pub fn count_chat(&self, turns: &[Turn], now: Timestamp, most: u64, budget: &Budget) -> Result<Count, FormatError> {
        let prompt = self.formatter.format(turns, None, now, budget)?;
        // The template writes the opening token itself, or the vocabulary's rule adds it; never both.
        let has_opening = self.formatter.writes_opening(&prompt);
        let segments = conversation::segments(&prompt, has_opening);
        self.tokenizer.count_segments(segments, most, budget).map_err(FormatError::Exhausted)
    }

    /// The tokenizer alone.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The formatter alone.
    #[must_use]
    pub fn formatter(&self) -> &Formatter {
        &self.formatter
    }
}
