//! A context window that holds: tokens counted with the model's own vocabulary, in the model's own format.
//!
//! * [`gguf`] reads a model file's head: metadata, no tensors. [`tensors`] says where those end.
//! * [`formatter`] writes a conversation the way the file's chat template has it.
//! * [`tokens`] counts what was written, with the file's vocabulary.
//! * [`window`] drops oldest turns whole until the count fits.
//!
//! [`Reader`] joins them for one model file.

pub mod formatter;
pub mod gguf;
pub mod tensors;
pub mod tokens;
pub mod window;

use domain::Timestamp;

pub use formatter::{FormatError, Formatter};
pub use gguf::{GgufError, Metadata};
pub use tensors::Tensors;
pub use tokens::{Count, Tokenizer};
pub use window::{Fit, Message, Room, WindowError, fit};

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

    /// Tokens of a conversation as the model gets it, with the opening of its answer.
    pub fn count_chat(
        &self,
        messages: &[serde_json::Value],
        tools: Option<&serde_json::Value>,
        now: Timestamp,
    ) -> Result<Count, FormatError> {
        let prompt = self.formatter.format(messages, tools, now)?;
        // The template writes the opening token itself, or the vocabulary's rule adds it; never both.
        let add_special = !self.formatter.writes_opening(&prompt);
        Ok(self.tokenizer.count(&prompt, add_special))
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
