//! `POST /v1/chat/completions`.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::object::{Bounded, objects_only};
use super::{FinishReason, OneOrMany, ResponseFormat, StreamOptions, Usage};

/// Most messages of a conversation. No window holds so many.
pub const MESSAGES_MAX: usize = 1 << 18;

/// Most parts of a message.
const PARTS_MAX: usize = 1 << 16;

objects_only!(ChatRequest, ChatMessage, ContentPart);

fn messages<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ChatMessage>, D::Error> {
    deserializer.deserialize_seq(Bounded { most: MESSAGES_MAX, what: "messages", of: PhantomData })
}

/// A request for the next message of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct ChatRequest {
    /// The model's name.
    pub model: String,
    /// The conversation so far.
    #[serde(deserialize_with = "messages")]
    pub messages: Vec<ChatMessage>,
    /// Whether the answer comes as a stream of chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Options of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// The most tokens to generate (older name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// The most tokens to generate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u32>,
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
    /// Whether each token's log probability is returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// How many likeliest alternatives are returned with each token, 0 to 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u8>,
    /// How many answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// The form of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// A grammar in GBNF that the answer must follow (llama.cpp's extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    /// Tools that the model may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Value>>,
    /// Which tool is to be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
    /// Whether several tools may be called at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// How hard a reasoning model thinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// What the answer is made of: `text`, `audio`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modalities: Option<Vec<String>>,
    /// Options of spoken answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<Value>,
    /// Text that the answer is expected to repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Value>,
    /// Who asks; for the provider's own records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The same, newer name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety_identifier: Option<String>,
    /// Requests with equal keys share prefixes; prefixes are found here without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<String>,
    /// Labels, for the provider's own records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// Whether the provider keeps the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<bool>,
    /// The class of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
}

/// One message of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct ChatMessage {
    /// Who speaks: `system`, `developer`, `user`, `assistant`, `tool`.
    pub role: String,
    /// What is said.
    #[serde(default)]
    pub content: Option<Content>,
    /// The speaker's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why the assistant refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Tools that the assistant called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<Value>>,
    /// Which call a tool's message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// A function that the assistant called (the older way).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_call: Option<Value>,
    /// Sources of an assistant's earlier answer; nothing here is done with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Value>,
    /// The sound of an assistant's earlier answer; its text is in `content`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<Value>,
    /// What a reasoning model thought before an earlier answer; models are not told again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// Text.
    Text(String),
    /// Text in parts.
    Parts(Vec<ContentPart>),
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfContent;
        impl<'de> Visitor<'de> for OfContent {
            type Value = Content;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a text or a list of parts")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Text(text.to_owned()))
            }

            fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Content, E> {
                Ok(Content::Text(text))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<Content, A::Error> {
                Bounded { most: PARTS_MAX, what: "parts", of: PhantomData }.visit_seq(list).map(Content::Parts)
            }
        }
        deserializer.deserialize_any(OfContent)
    }
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", remote = "Self")]
pub enum ContentPart {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A refusal, as an assistant's earlier message may hold.
    Refusal {
        /// The refusal.
        refusal: String,
    },
    /// A picture.
    ImageUrl {
        /// Where it is.
        image_url: Value,
    },
    /// Sound.
    InputAudio {
        /// The sound.
        input_audio: Value,
    },
    /// A file.
    File {
        /// The file.
        file: Value,
    },
}

impl Content {
    /// The text alone, parts joined; `None` when a part is not text.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Parts(parts) => parts
                .iter()
                .map(|part| match part {
                    ContentPart::Text { text } => Some(text.as_str()),
                    ContentPart::Refusal { refusal } => Some(refusal.as_str()),
                    ContentPart::ImageUrl { .. } | ContentPart::InputAudio { .. } | ContentPart::File { .. } => None,
                })
                .collect(),
        }
    }
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatResponse {
    /// `chatcmpl-…`.
    pub id: String,
    /// Always `chat.completion`.
    pub object: String,
    /// Seconds since the Unix epoch.
    pub created: i64,
    /// The model's name.
    pub model: String,
    /// The answers.
    pub choices: Vec<ChatChoice>,
    /// Tokens used.
    pub usage: Usage,
    /// What served it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_fingerprint: Option<String>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatChoice {
    /// Its place among the answers.
    pub index: u32,
    /// The message.
    pub message: AnswerMessage,
    /// The tokens' log probabilities, when asked for.
    pub logprobs: Option<ChatLogprobs>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// The assistant's message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerMessage {
    /// Always `assistant`.
    pub role: String,
    /// What it says.
    pub content: Option<String>,
    /// Why it refused.
    #[serde(default)]
    pub refusal: Option<String>,
}

/// A piece of a streamed answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatChunk {
    /// The same in every chunk of an answer.
    pub id: String,
    /// Always `chat.completion.chunk`.
    pub object: String,
    /// Seconds since the Unix epoch, the same in every chunk.
    pub created: i64,
    /// The model's name.
    pub model: String,
    /// What served it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_fingerprint: Option<String>,
    /// The new pieces; empty in the chunk that carries the usage.
    pub choices: Vec<ChunkChoice>,
    /// Tokens used: in the last chunk, `null` before it, absent unless asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
}

/// A piece of one answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// Its place among the answers.
    pub index: u32,
    /// What is new.
    pub delta: Delta,
    /// The new tokens' log probabilities, when asked for.
    #[serde(default)]
    pub logprobs: Option<ChatLogprobs>,
    /// Why it ended; only in the last piece.
    pub finish_reason: Option<FinishReason>,
}

/// What is new in a message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// `assistant`, in the first piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// New text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// Log probabilities of an answer's tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatLogprobs {
    /// One entry a token.
    pub content: Vec<TokenLogprob>,
    /// One entry a token of a refusal.
    #[serde(default)]
    pub refusal: Option<Vec<TokenLogprob>>,
}

/// A token and how likely it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token's text; broken characters appear as U+FFFD.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f32,
    /// The token's bytes.
    pub bytes: Vec<u8>,
    /// The likeliest tokens in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<Vec<TokenLogprob>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_refused_by_name() {
        let error = serde_json::from_str::<ChatRequest>(r#"{"model":"m","messages":[],"temprature":1}"#)
            .expect_err("a misspelt field");
        assert!(error.to_string().contains("temprature"), "{error}");
    }

    #[test]
    fn lists_are_no_objects() {
        for json in [
            r#"["m",[]]"#,
            r#"{"model":"m","messages":[["user","Hi"]]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":[["text","Hi"]]}]}"#,
            r#"{"model":"m","messages":[],"stream_options":[true]}"#,
            r#"{"model":"m","messages":[],"response_format":["text"]}"#,
            r#"{"model":"m","messages":[],"response_format":{"type":"json_schema","json_schema":["a",null,{},true]}}"#,
            r#"{"model":"m","messages":{}}"#,
        ] {
            assert!(serde_json::from_str::<ChatRequest>(json).is_err(), "{json}");
        }
        let whole = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"stream_options":{},"response_format":{"type":"text"}}"#;
        let request: ChatRequest = serde_json::from_str(whole).expect("objects");
        assert_eq!(serde_json::to_string(&request).expect("JSON"), whole);
    }

    #[test]
    fn a_servers_own_answer_is_taken_as_history() {
        let message = r#"{"role":"assistant","content":"Hello","refusal":null,"annotations":[],"audio":null,"function_call":null,"tool_calls":null,"reasoning_content":"..."}"#;
        assert!(serde_json::from_str::<ChatMessage>(message).is_ok());
    }

    #[test]
    fn messages_are_bounded() {
        let of = |count: usize| {
            let messages = vec![r#"{"role":"user"}"#; count].join(",");
            serde_json::from_str::<ChatRequest>(&format!(r#"{{"model":"m","messages":[{messages}]}}"#)).map(drop)
        };
        assert!(of(MESSAGES_MAX).is_ok());
        let error = of(MESSAGES_MAX + 1).expect_err("one more").to_string();
        assert!(error.contains("messages"), "{error}");
    }

    #[test]
    fn parts_join_and_pictures_are_not_text() {
        let parts: Content =
            serde_json::from_str(r#"[{"type":"text","text":"a"},{"type":"text","text":"b"}]"#).expect("parses");
        assert_eq!(parts.text().as_deref(), Some("ab"));
        let picture: Content =
            serde_json::from_str(r#"[{"type":"image_url","image_url":{"url":"x"}}]"#).expect("parses");
        assert_eq!(picture.text(), None);
    }

    #[test]
    fn a_chunk_says_null_before_the_usage_comes() {
        let chunk = |usage| ChatChunk {
            id: "c".into(),
            object: "chat.completion.chunk".into(),
            created: 1,
            model: "m".into(),
            system_fingerprint: None,
            choices: vec![],
            usage,
        };
        let text = |usage| serde_json::to_string(&chunk(usage)).expect("serialises");
        assert!(!text(None).contains("usage"));
        assert!(text(Some(None)).contains(r#""usage":null"#));
        assert!(text(Some(Some(Usage::generation(1, 2, 0)))).contains(r#""total_tokens":3"#));
    }
}
