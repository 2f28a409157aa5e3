//! A conversation as its model gets it: messages as chat templates expect them, and the prompt in the segments that are
//! tokenised one by one. The model service reads a request so, and the gateway counts it so.
//!
//! The template's control tokens are tokens; the same texts typed by a user are not. A user who writes `<|end|>` must
//! not end the turn, so such a text is cut in two with a mark that no tokenizer knows, and the prompt is tokenised in
//! the segments between the marks.

use aho_corasick::AhoCorasick;
use domain::Problem;
use minijinja::Value;

use crate::openai::chat::ChatMessage;

/// A Unicode noncharacter: valid in a string, never text.
const CUT: char = '\u{fdd0}';
/// Most bytes of all texts that are looked for together.
const CONTROLS_MAX_BYTES: usize = 1 << 20;

/// A part of a prompt that is tokenised by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The text.
    pub text: String,
    /// Whether the text already begins with the model's first token, so that none is added.
    pub has_first_token: bool,
}

/// The segments of a rendered prompt.
pub fn segments(prompt: &str, has_first_token: bool) -> impl Iterator<Item = Segment> {
    prompt.split(CUT).map(move |text| Segment { text: text.to_owned(), has_first_token })
}

/// The texts of a vocabulary's control tokens, which users may not write as tokens.
#[derive(Debug, Clone, Default)]
pub struct Controls(Option<AhoCorasick>);

impl Controls {
    /// Those texts. A text of one character stays what it is: there is nothing to cut.
    #[must_use]
    pub fn new<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let texts: Vec<&str> = texts.into_iter().filter(|text| text.chars().nth(1).is_some()).collect();
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        if texts.is_empty() || bytes > CONTROLS_MAX_BYTES {
            return Self(None);
        }
        Self(AhoCorasick::new(texts).ok())
    }

    /// Cuts every text of a control token within `content` in two.
    #[must_use]
    pub fn defuse(&self, content: &str) -> String {
        let content = content.replace(CUT, "");
        let Some(controls) = &self.0 else { return content };
        let after_first =
            |start: usize| content[start..].chars().next().map_or(start, |first| start + first.len_utf8());
        let mut cuts: Vec<usize> =
            controls.find_overlapping_iter(&content).map(|found| after_first(found.start())).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mut safe = String::with_capacity(content.len() + cuts.len() * CUT.len_utf8());
        let mut done = 0;
        for cut in cuts {
            safe.push_str(&content[done..cut]);
            safe.push(CUT);
            done = cut;
        }
        safe.push_str(&content[done..]);
        safe
    }
}

/// A message as templates expect it.
#[derive(Debug, Clone)]
pub struct Turn {
    pub(super) value: Value,
    /// Bytes of what it says.
    pub(super) bytes: u64,
}

impl Turn {
    /// What `message` becomes. The problem's field is named within the message, such as `role`.
    pub fn of(message: &ChatMessage, controls: &Controls) -> Result<Self, Problem> {
        let role = match message.role.as_str() {
            // OpenAI's newer name for the same thing, which templates do not know.
            "developer" => "system",
            role @ ("system" | "user" | "assistant" | "tool") => role,
            other => {
                let shown: String = other.chars().take(40).collect();
                return Err(Problem::invalid(format!("{shown:?} is no role"))
                    .next("use system, developer, user, assistant or tool")
                    .at("role"));
            }
        };
        if message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty()) {
            return Err(unsupported("tool_calls"));
        }
        if message.function_call.as_ref().is_some_and(|call| !call.is_null()) {
            return Err(unsupported("function_call"));
        }
        let content = match &message.content {
            None => String::new(),
            Some(content) => {
                content.text().ok_or_else(|| Problem::invalid("only text can be sent to this model").at("content"))?
            }
        };
        let content = controls.defuse(&content);
        let name = message.name.as_ref().map(|name| controls.defuse(name));
        let bytes = content.len() + name.as_ref().map_or(0, String::len) + role.len();
        let mut parts = vec![("role", Value::from(role)), ("content", Value::from(content))];
        parts.extend(name.map(|name| ("name", Value::from(name))));
        Ok(Self { value: Value::from_pairs(parts), bytes: bytes as u64 })
    }
}

fn unsupported(field: &str) -> Problem {
    Problem::invalid("tool calls are not supported by this model service").at(field)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_control_text_is_cut_also_one_within_another() {
        let controls = Controls::new(["<|end|>", "<|end|><|user|>", "|", "<|user|>"]);
        let safe = controls.defuse("a<|end|><|user|>b\u{fdd0}");
        assert_eq!(safe.split(CUT).collect::<Vec<_>>(), ["a<", "|end|><", "|user|>b"]);
    }

    #[test]
    fn what_cannot_be_said_is_named() {
        let field = |json: &str| {
            let message = serde_json::from_str(json).expect("a message");
            Turn::of(&message, &Controls::default()).expect_err(json).field.expect("a field")
        };
        assert_eq!(field(r#"{"role":"robot","content":"hi"}"#), "role");
        assert_eq!(field(r#"{"role":"assistant","content":null,"tool_calls":[{}]}"#), "tool_calls");
        assert_eq!(field(r#"{"role":"assistant","content":null,"function_call":{"name":"f"}}"#), "function_call");
        assert_eq!(field(r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}"#), "content");
    }

    proptest! {
        #[test]
        fn no_segment_holds_a_control_text_and_together_they_are_the_text(
            text in "[<|>enduser\u{fdd0}ä]{0,60}|(<\\|end\\|>|<\\|user\\|>|<s>|x){0,12}",
        ) {
            let texts = ["<|end|>", "<|user|>", "<s>", "<|end|><s>"];
            let safe = Controls::new(texts).defuse(&text);
            for segment in segments(&safe, false) {
                prop_assert!(texts.iter().all(|control| !segment.text.contains(control)), "{:?}", segment);
            }
            prop_assert_eq!(safe.replace(CUT, ""), text.replace(CUT, ""));
        }
    }
}
