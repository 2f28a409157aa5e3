//! `POST /v1/embeddings`.

use serde::{Deserialize, Serialize};

use super::object::objects_only;
use super::{Prompt, Usage};

objects_only!(EmbeddingRequest);

/// A request for embeddings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct EmbeddingRequest {
    /// The model's name.
    pub model: String,
    /// What to embed: one or several texts or token sequences.
    pub input: Prompt,
    /// How vectors are written; floats unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding_format: Option<EncodingFormat>,
    /// How many dimensions are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// Who asks; for the provider's own records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncodingFormat {
    /// An array of numbers.
    #[default]
    Float,
    /// Little-endian 32-bit floats in base64.
    Base64,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingResponse {
    /// Always `list`.
    pub object: String,
    /// One vector an input, in order.
    pub data: Vec<EmbeddingEntry>,
    /// The model's name.
    pub model: String,
    /// Tokens used.
    pub usage: EmbeddingUsage,
}

/// One vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingEntry {
    /// Always `embedding`.
    pub object: String,
    /// Which input it belongs to.
    pub index: usize,
    /// The vector.
    pub embedding: EmbeddingVector,
}

/// A vector in either writing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EmbeddingVector {
    /// Numbers.
    Float(Vec<f32>),
    /// Little-endian 32-bit floats in base64.
    Base64(String),
}

/// Tokens that embeddings used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingUsage {
    /// Tokens of all inputs.
    pub prompt_tokens: u64,
    /// The same again.
    pub total_tokens: u64,
}

impl From<EmbeddingUsage> for Usage {
    fn from(usage: EmbeddingUsage) -> Self {
        Self { prompt_tokens: usage.prompt_tokens, total_tokens: usage.total_tokens, ..Self::default() }
    }
}
