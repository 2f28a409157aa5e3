//! `POST /v1/completions`, the older endpoint that continues a text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::object::objects_only;
use super::{FinishReason, OneOrMany, Prompt, ResponseFormat, StreamOptions, Usage};

objects_only!(CompletionRequest);

/// A request to continue a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct CompletionRequest {
    /// The model's name.
    pub model: String,
    /// The text or tokens to continue.
    pub prompt: Prompt,
    /// Text that comes after what is generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// Whether the prompt is repeated before the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<bool>,
    /// Draws this many and returns the best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_of: Option<u32>,
    /// How many answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// Whether the answer comes as a stream of chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Options of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// The most tokens to generate; 16 unless said, as OpenAI has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// 0 (always the likeliest) to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Draws from the likeliest tokens that hold this share of probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// Draws from this many of the likeliest tokens (llama.cpp's and vLLM's extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i32>,
    /// Drops tokens less likely than this share of the likeliest (llama.cpp's and vLLM's extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f32>,
    /// Makes the draw repeatable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// −2 to 2; positive discourages tokens that have appeared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f32>,
    /// −2 to 2; positive discourages tokens by how often they appeared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f32>,
    /// Added to the logit of each token id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<BTreeMap<String, f32>>,
    /// Texts that end the answer and are not part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<OneOrMany>,
    /// How many likeliest alternatives are returned with each token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<u8>,
    /// The form of the answer (llama.cpp's and vLLM's extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// A grammar in GBNF that the answer must follow (llama.cpp's extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    /// Whether generation goes on past the model's own end (llama.cpp's and vLLM's extension, for measurements).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_eos: Option<bool>,
    /// Who asks; for the provider's own records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// A whole answer, and also a chunk of a streamed one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompletionResponse {
    /// `cmpl-…`, the same in every chunk.
    pub id: String,
    /// Always `text_completion`.
    pub object: String,
    /// Seconds since the Unix epoch, the same in every chunk.
    pub created: i64,
    /// The model's name.
    pub model: String,
    /// What served it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_fingerprint: Option<String>,
    /// The answers or new pieces.
    pub choices: Vec<CompletionChoice>,
    /// Tokens used; in a stream `null` before the last chunk, absent unless asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
}

/// One answer, or a piece of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompletionChoice {
    /// Its place among the answers.
    pub index: u32,
    /// The text.
    pub text: String,
    /// The tokens' log probabilities, when asked for.
    pub logprobs: Option<CompletionLogprobs>,
    /// Why it ended; in a stream only in the last piece.
    pub finish_reason: Option<FinishReason>,
}

/// Log probabilities in the older shape: parallel lists.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CompletionLogprobs {
    /// The tokens' texts.
    pub tokens: Vec<String>,
    /// Their log probabilities.
    pub token_logprobs: Vec<f32>,
    /// The likeliest tokens in each place.
    pub top_logprobs: Vec<BTreeMap<String, f32>>,
    /// Where each token begins in the text, in characters.
    pub text_offset: Vec<usize>,
}
