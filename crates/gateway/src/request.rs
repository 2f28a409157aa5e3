//! One look at a request body, and the few edits that are made to it.
//!
//! The body is parsed once, borrowed, for the fields the gateway acts on; everything else is passed on byte for byte,
//! known or not. Edits replace ranges of the original bytes.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::refusal::Refusal;

/// What the gateway needs to know of a request. Ranges are positions in the body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Outline {
    /// The model's name, as the client wrote it.
    pub(crate) model: String,
    /// Where that name stands, quotes included.
    pub(crate) model_at: Range<usize>,
    pub(crate) stream: bool,
    /// Most tokens to generate, when the client says.
    pub(crate) max_tokens: Option<u64>,
    pub(crate) messages_at: Option<Range<usize>>,
    pub(crate) tools_at: Option<Range<usize>>,
    /// The prompt of a completion, or what is to be embedded.
    pub(crate) input_at: Option<Range<usize>>,
    /// The client named a seed.
    pub(crate) has_seed: bool,
    stream_options_at: Option<Range<usize>>,
    /// The client asked for the usage of a stream.
    pub(crate) wants_usage: bool,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    max_tokens: Option<i64>,
    #[serde(default)]
    max_completion_tokens: Option<i64>,
    #[serde(borrow, default)]
    messages: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    seed: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    stream_options: Option<&'a RawValue>,
}

/// A field that is there, be it null: an edit must replace it, for a second one would be an error.
pub(crate) fn present<'de: 'a, 'a, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

/// Reads the outline of `body`.
pub(crate) fn outline(body: &[u8]) -> Result<Outline, Refusal> {
    let fields: Fields = serde_json::from_slice(body)
        .map_err(|e| Refusal::invalid("invalid_json", format!("the request body is not what this path takes: {e}")))?;
    let within = |raw: &RawValue| {
        // The raw value is borrowed from the body, so that its distance from the body's beginning is its position.
        let start = raw.get().as_ptr() as usize - body.as_ptr() as usize;
        start..start + raw.get().len()
    };
    let no_model = || Refusal::invalid("missing_model", "the request names no model: set \"model\"").at("model");
    let raw_model = fields.model.ok_or_else(no_model)?;
    let model: String = serde_json::from_str(raw_model.get())
        .map_err(|_| Refusal::invalid("invalid_model", "the model's name must be a string").at("model"))?;
    let stream_options: Option<StreamOptions> = fields
        .stream_options
        .map_or(Ok(None), |raw| serde_json::from_str(raw.get()))
        .map_err(|e| Refusal::invalid("invalid_stream_options", format!("stream_options: {e}")).at("stream_options"))?;
    let asked = fields.max_completion_tokens.or(fields.max_tokens);
    Ok(Outline {
        model,
        model_at: within(raw_model),
        stream: fields.stream.unwrap_or(false),
        max_tokens: asked.and_then(|tokens| u64::try_from(tokens).ok()),
        messages_at: fields.messages.map(within),
        tools_at: fields.tools.map(within),
        input_at: fields.prompt.or(fields.input).map(within),
        has_seed: fields.seed.is_some(),
        stream_options_at: fields.stream_options.map(within),
        wants_usage: stream_options.and_then(|options| options.include_usage).unwrap_or(false),
    })
}

/// The replacement of a range of the body.
pub(crate) struct Edit {
    at: Range<usize>,
    text: String,
}

impl Edit {
    /// What it puts there.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// The edit that gives the model the name its replicas know; none when it has it already.
pub(crate) fn name_model(body: &[u8], outline: &Outline, alias_json: &str) -> Option<Edit> {
    let same = body.get(outline.model_at.clone()) == Some(alias_json.as_bytes());
    (!same).then(|| Edit { at: outline.model_at.clone(), text: alias_json.to_owned() })
}

/// The edit that replaces the messages.
pub(crate) fn replace_messages(outline: &Outline, messages_json: String) -> Option<Edit> {
    outline.messages_at.clone().map(|at| Edit { at, text: messages_json })
}

/// The edit that asks for a stream's usage when the client did not, so that its tokens can be counted.
pub(crate) fn ask_for_usage(body: &[u8], outline: &Outline) -> Option<Edit> {
    if !outline.stream || outline.wants_usage {
        return None;
    }
    let Some(at) = outline.stream_options_at.clone() else {
        let brace = body.iter().position(|byte| *byte == b'{')?;
        return Some(Edit { at: brace + 1..brace + 1, text: r#""stream_options":{"include_usage":true},"#.to_owned() });
    };
    let mut options: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body.get(at.clone())?).unwrap_or_default();
    options.insert("include_usage".to_owned(), true.into());
    Some(Edit { at, text: serde_json::Value::Object(options).to_string() })
}

/// The body with the edits made. Edits do not overlap; their order does not matter.
pub(crate) fn apply(body: Bytes, mut edits: Vec<Edit>) -> Bytes {
    if edits.is_empty() {
        return body;
    }
    edits.sort_by_key(|edit| edit.at.start);
    let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut edited = Vec::with_capacity(body.len() + added);
    let mut done = 0;
    for edit in &edits {
        edited.extend_from_slice(&body[done..edit.at.start]);
        edited.extend_from_slice(edit.text.as_bytes());
        done = edit.at.end;
    }
    edited.extend_from_slice(&body[done..]);
    edited.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn edited(body: &str, alias: &str) -> Value {
        let outline = outline(body.as_bytes()).expect("a valid request");
        let edits = [name_model(body.as_bytes(), &outline, alias), ask_for_usage(body.as_bytes(), &outline)];
        let result = apply(Bytes::copy_from_slice(body.as_bytes()), edits.into_iter().flatten().collect());
        serde_json::from_slice(&result).expect("still JSON")
    }

    #[test]
    fn edits_touch_only_their_own_bytes() {
        let body = r#" {"x": [1, {"model":"no"}], "model" : "de\u006do","stream":true, "y":1e400}"#;
        let outline = outline(body.as_bytes()).expect("a valid request");
        assert_eq!(outline.model, "demo");
        let edits = [name_model(body.as_bytes(), &outline, r#""demo:1.0""#), ask_for_usage(body.as_bytes(), &outline)];
        let result = apply(Bytes::from_static(body.as_bytes()), edits.into_iter().flatten().collect());
        let expected = r#" {"stream_options":{"include_usage":true},"x": [1, {"model":"no"}], "model" : "demo:1.0","stream":true, "y":1e400}"#;
        assert_eq!(std::str::from_utf8(&result), Ok(expected));
    }

    #[test]
    fn usage_is_asked_for_beside_other_stream_options() {
        let body = r#"{"model":"m","stream":true,"stream_options":{"include_usage":false,"include_obfuscation":true}}"#;
        let options = &edited(body, r#""m""#)["stream_options"];
        assert_eq!(options, &json!({"include_usage": true, "include_obfuscation": true}));
        let null = r#"{"model":"m","stream":true,"stream_options":null}"#;
        assert_eq!(edited(null, r#""m""#)["stream_options"], json!({"include_usage": true}));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (body, code) in [
            ("", "invalid_json"),
            ("[]", "invalid_json"),
            ("{", "invalid_json"),
            (r#"{"model":"a","model":"b"}"#, "invalid_json"),
            (r#"{"model":"a","stream":"yes"}"#, "invalid_json"),
            ("{}", "missing_model"),
            (r#"{"model":3}"#, "invalid_model"),
            (r#"{"model":"a","stream_options":7}"#, "invalid_stream_options"),
        ] {
            let refusal = outline(body.as_bytes()).expect_err(body);
            assert_eq!((refusal.code, refusal.status.as_u16()), (code, 400), "{body}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = outline(&body);
        }

        #[test]
        fn an_edited_request_says_the_same_but_for_the_edit(model in "\\PC{1,12}", text in "\\PC{0,40}", stream: bool) {
            let body = json!({"messages": [{"role": "user", "content": text}], "model": model, "stream": stream}).to_string();
            let mut expected: Value = serde_json::from_str(&body).expect("JSON");
            expected["model"] = json!("demo:1.0");
            if stream {
                expected["stream_options"] = json!({"include_usage": true});
            }
            prop_assert_eq!(edited(&body, r#""demo:1.0""#), expected);
        }
    }
}
