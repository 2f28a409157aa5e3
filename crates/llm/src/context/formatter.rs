//! Writes a conversation the way the model was taught to read it: through the chat template in its file.
//!
//! Templates are Jinja as Hugging Face runs it: blocks trimmed, Python's methods on strings and lists, and the functions
//! `raise_exception` and `strftime_now`. A file without a template is written to in ChatML, as llama.cpp does.

use domain::Timestamp;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, ErrorKind, State, Value, context};

use super::gguf::Metadata;

/// What a file without a template gets.
pub const CHATML: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Why a conversation cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The file's template does not parse.
    #[error("the model's chat template does not parse: {0}")]
    Template(String),
    /// The template refused this conversation.
    #[error("the model's chat template refuses the conversation: {0}")]
    Refused(String),
}

/// A model file's chat template.
#[derive(Debug)]
pub struct Formatter {
    environment: Environment<'static>,
    opening: String,
    closing: String,
}

impl Formatter {
    /// The template of a file with that metadata.
    pub fn from_metadata(metadata: &Metadata) -> Result<Self, FormatError> {
        let token = |key: &str| {
            let id = usize::try_from(metadata.unsigned(key)?).ok()?;
            metadata.texts("tokenizer.ggml.tokens")?.get(id).cloned()
        };
        let opening = token("tokenizer.ggml.bos_token_id").unwrap_or_default();
        let closing = token("tokenizer.ggml.eos_token_id").unwrap_or_default();
        Self::new(metadata.text("tokenizer.chat_template").unwrap_or(CHATML), opening, closing)
    }

    /// A template with the texts of the tokens that open and close a text.
    pub fn new(template: &str, opening: String, closing: String) -> Result<Self, FormatError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| FormatError::Template(error.to_string()))?);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", to_json);
        environment
            .add_template_owned("chat", template.to_owned())
            .map_err(|error| FormatError::Template(error.to_string()))?;
        Ok(Self { environment, opening, closing })
    }

    /// The prompt: the conversation, and the opening of the answer.
    pub fn format(
        &self,
        messages: &[serde_json::Value],
        tools: Option<&serde_json::Value>,
        now: Timestamp,
    ) -> Result<String, FormatError> {
        let refused = |error: Error| FormatError::Refused(error.to_string());
        let messages: Vec<_> = messages.iter().map(plain).collect();
        let template = self.environment.get_template("chat").map_err(refused)?;
        let prompt = template.render(context! {
            messages => Value::from(Serde(&messages)),
            tools => tools.map(|tools| Value::from(Serde(tools))),
            add_generation_prompt => true,
            bos_token => self.opening.as_str(),
            eos_token => self.closing.as_str(),
            now_micros => now.0,
        });
        prompt.map_err(refused)
    }

    /// Whether a prompt begins with the opening token already.
    #[must_use]
    pub fn writes_opening(&self, prompt: &str) -> bool {
        !self.opening.is_empty() && prompt.starts_with(&self.opening)
    }
}

/// A message as templates expect it: its parts of text joined, and no null where text is due.
fn plain(message: &serde_json::Value) -> serde_json::Value {
    let mut message = message.clone();
    if let Some(content) = message.get_mut("content") {
        if let Some(parts) = content.as_array() {
            let texts: Vec<_> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
            *content = texts.join("\n").into();
        } else if content.is_null() {
            *content = "".into();
        }
    }
    message
}

/// `strftime_now(format)`: the time that the caller passed in, for a template does not read a clock.
fn strftime_now(state: &State, format: String) -> Result<String, Error> {
    let micros = state.lookup("now_micros").and_then(|value| value.as_i64()).unwrap_or_default();
    let invalid = |error: jiff::Error| Error::new(ErrorKind::InvalidOperation, error.to_string());
    let now = jiff::Timestamp::from_microsecond(micros).map_err(invalid)?;
    let zoned = now.to_zoned(jiff::tz::TimeZone::UTC);
    jiff::fmt::strtime::format(&format, &zoned).map_err(invalid)
}

/// `tojson` as Python has it: nothing is escaped for HTML, and there is a space behind commas and colons.
fn to_json(value: Value, options: Kwargs) -> Result<String, Error> {
    let invalid = |error: serde_json::Error| Error::new(ErrorKind::BadSerialization, error.to_string());
    let indent: Option<usize> = options.get("indent")?;
    let _: Option<bool> = options.get("ensure_ascii")?;
    let mut written = Vec::new();
    match indent {
        Some(width) => {
            let spaces = " ".repeat(width.min(16));
            let pretty = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
            serde::Serialize::serialize(&value, &mut serde_json::Serializer::with_formatter(&mut written, pretty))
        }
        None => serde::Serialize::serialize(&value, &mut serde_json::Serializer::with_formatter(&mut written, Python)),
    }
    .map_err(invalid)?;
    String::from_utf8(written).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

/// Python's separators.
struct Python;

impl serde_json::ser::Formatter for Python {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn formatted(template: &str, messages: serde_json::Value) -> Result<String, FormatError> {
        let formatter = Formatter::new(template, "<s>".to_owned(), "</s>".to_owned())?;
        let now = Timestamp(1_753_228_800_000_000);
        formatter.format(messages.as_array().expect("a list"), Some(&json!([{"a": [1, "<b>"]}])), now)
    }

    #[test]
    fn a_file_without_a_template_is_written_in_chatml() {
        let formatter = Formatter::from_metadata(&Metadata::default()).expect("the default parses");
        let messages = [json!({"role": "user", "content": [{"type": "text", "text": "hi"}]})];
        let prompt = formatter.format(&messages, None, Timestamp(0)).expect("plain");
        assert_eq!(prompt, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
    }

    #[test]
    fn what_templates_in_the_wild_use() {
        let template = "{%- set ns = namespace(n=0) -%}{{ bos_token }}{{ strftime_now('%d %b %Y') }} {{ tools | tojson }}\n\
            {% for m in messages if m['role'] != 'x' %}{{ m.content.strip().startswith('hi') }}{{ loop.index0 }}{% endfor %}";
        let written = formatted(template, json!([{"role": "user", "content": " hi "}])).expect("written");
        // Python says True where Jinja's own dialect says true; templates compare, and never print it.
        assert_eq!(written.to_lowercase(), "<s>23 jul 2025 [{\"a\": [1, \"<b>\"]}]\ntrue0");
    }

    #[test]
    fn a_template_can_refuse() {
        let refused = formatted("{{ raise_exception('roles must alternate') }}", json!([]));
        assert!(matches!(refused, Err(FormatError::Refused(why)) if why.contains("roles must alternate")));
        assert!(matches!(formatted("{% for %}", json!([])), Err(FormatError::Template(_))));
    }
}
