//! The OpenAI wire: requests, responses, stream chunks and errors, as types.
//!
//! Requests refuse fields that the API does not know. Fields that it knows and a server cannot honour are kept, so that
//! the server can say so by name instead of answering something else than was asked.
//!
//! Source of the shapes: the OpenAI API reference, "Chat", "Completions (legacy)", "Embeddings", "Models", "Errors".

pub mod chat;
pub mod completion;
pub mod embedding;
pub mod error;
pub mod model_list;
mod object;
pub mod response_format;
mod texts;
pub mod usage;

pub use chat::{ChatChunk, ChatRequest, ChatResponse};
pub use completion::{CompletionRequest, CompletionResponse};
pub use embedding::{EmbeddingRequest, EmbeddingResponse};
pub use error::{ErrorBody, ErrorKind};
pub use model_list::ModelList;
pub use response_format::ResponseFormat;
pub use texts::{OneOrMany, Prompt};
pub use usage::Usage;

use object::objects_only;
use serde::{Deserialize, Serialize};

objects_only!(StreamOptions);

/// Options of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct StreamOptions {
    /// Whether a last chunk, with empty choices, carries the usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_usage: Option<bool>,
    /// Whether chunks are padded against traffic analysis; accepted, and without effect here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_obfuscation: Option<bool>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it, or a stop text appeared.
    Stop,
    /// `max_tokens` or the context is used up.
    Length,
    /// A tool is to be called.
    ToolCalls,
    /// A filter cut it.
    ContentFilter,
}
