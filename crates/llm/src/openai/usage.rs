//! What a request used, in tokens.

use serde::{Deserialize, Serialize};

/// Tokens in and out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: u64,
    /// Tokens generated; absent for embeddings.
    #[serde(default)]
    pub completion_tokens: u64,
    /// Both together.
    pub total_tokens: u64,
    /// What of the prompt was found computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<PromptTokensDetails>,
}

/// What of a prompt needed no work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptTokensDetails {
    /// Tokens whose keys and values were still in the cache.
    pub cached_tokens: u64,
}

impl Usage {
    /// The usage of a generation.
    #[must_use]
    pub const fn generation(prompt_tokens: u64, completion_tokens: u64, cached_tokens: u64) -> Self {
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            prompt_tokens_details: Some(PromptTokensDetails { cached_tokens }),
        }
    }
}
