//! Writes a conversation the way the model was taught to read it: through the chat template in its file.
//!
//! Templates are Jinja as Hugging Face runs it: blocks trimmed, Python's methods on strings and lists, and the functions
//! `raise_exception` and `strftime_now`. A file without a template is written to in ChatML, as llama.cpp does.

mod compile;
mod guard;
mod meter;
mod operators;

use std::sync::Arc;

use compile::{Compiled, compile};
use domain::Timestamp;
use meter::{METER, Meter};
use minijinja::machinery::{eval, make_string_output};
use minijinja::value::{Kwargs, Object, ObjectRepr, Serde};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value};

use super::budget::{Budget, Exhausted};
use super::conversation::Turn;
use super::gguf::Metadata;

/// The time, where templates cannot reach it.
const NOW: &str = "now!";

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
    /// The template takes too much work for this conversation.
    #[error("the model's chat template cannot be applied to these messages: {0}")]
    Exhausted(Exhausted),
}

self_cell::self_cell!(
    /// A template and what was compiled of it.
    struct Program {
        owner: String,
        #[covariant]
        dependent: Compiled,
    }
);

/// Instructions of one render. Templates in the wild take some fifty a message.
const FUEL: u64 = 8_000_000;
/// Macros and loops that call themselves.
const RECURSION_MAX: usize = 60;
/// Units that any render may take, and further ones for each byte of its conversation. They bound its memory, too.
const RENDER_UNITS: u64 = 64 << 20;
const RENDER_UNITS_A_BYTE: u64 = 256;
/// Longest format of a date.
const FORMAT_MAX_BYTES: usize = 128;
/// Longest text of an error that is passed on.
const ERROR_MAX_CHARS: usize = 400;

/// A model file's chat template.
pub struct Formatter {
    environment: Environment<'static>,
    program: Program,
    opening: String,
    closing: String,
}

impl std::fmt::Debug for Formatter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Formatter").field("template", self.program.borrow_owner()).finish_non_exhaustive()
    }
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
        let program = Program::try_new(template.to_owned(), |template| compile(template))?;
        Ok(Self { environment: environment(), program, opening, closing })
    }

    /// The prompt: the conversation, and the opening of the answer.
    pub fn format(
        &self,
        turns: &[Turn],
        tools: Option<&serde_json::Value>,
        now: Timestamp,
        budget: &Budget,
    ) -> Result<String, FormatError> {
        let bytes: u64 = turns.iter().map(|turn| turn.bytes).sum();
        let units = RENDER_UNITS.saturating_add(bytes.saturating_mul(RENDER_UNITS_A_BYTE));
        let context = Value::from_pairs([
            ("messages", turns.iter().map(|turn| turn.value.clone()).collect()),
            ("tools", tools.map_or(Value::from(()), |tools| Value::from(Serde(tools)))),
            ("add_generation_prompt", Value::from(true)),
            ("bos_token", Value::from(self.opening.as_str())),
            ("eos_token", Value::from(self.closing.as_str())),
            (NOW, Value::from(now.0)),
            (METER, Value::from_object(Meter::new(budget.clone(), units))),
        ]);
        budget.look().map_err(FormatError::Exhausted)?;
        let mut prompt = String::new();
        let (no_blocks, escape) = (std::collections::BTreeMap::new(), AutoEscape::None);
        let mut output = make_string_output(&mut prompt);
        let instructions = &self.program.borrow_dependent().0;
        let rendered = eval(&self.environment, instructions, context, &no_blocks, &mut output, escape).map(drop);
        drop(output);
        match rendered {
            Ok(()) => Ok(prompt),
            Err(error) if error.kind() == ErrorKind::OutOfFuel => {
                Err(FormatError::Exhausted(budget.look().err().unwrap_or(Exhausted::Spent)))
            }
            Err(error) => Err(FormatError::Refused(cut(&error.to_string()))),
        }
    }

    /// Whether a prompt begins with the opening token already.
    #[must_use]
    pub fn writes_opening(&self, prompt: &str) -> bool {
        !self.opening.is_empty() && prompt.starts_with(&self.opening)
    }
}

/// What templates can call, within bounds.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |state: &mut State, message: Value| -> Result<Value, Error> {
        Meter::of(state)?.read(&message)?;
        Err(Error::new(ErrorKind::InvalidOperation, message.to_string()))
    });
    environment.add_function("strftime_now", strftime_now);
    environment.add_filter("tojson", to_json);
    environment.remove_global("debug");
    let makers = environment.globals().filter(|(name, _)| matches!(*name, "namespace" | "dict"));
    let makers: Vec<_> = makers.map(|(name, maker)| (name.to_owned(), maker)).collect();
    for (name, maker) in makers {
        environment.add_global(name, Value::from_object(OfPlainData(maker)));
    }
    guard::register(&mut environment);
    environment
}

/// A function that keeps what it is given.
#[derive(Debug)]
struct OfPlainData(Value);

impl Object for OfPlainData {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State, arguments: &[Value]) -> Result<Value, Error> {
        let meter = Meter::of(state)?;
        arguments.iter().try_for_each(|argument| meter.storable(argument))?;
        self.0.call(state, arguments)
    }
}

/// The beginning of an error's text.
fn cut(text: &str) -> String {
    text.chars().take(ERROR_MAX_CHARS).collect()
}

/// `strftime_now(format)`: the time that the caller passed in, for a template does not read a clock.
fn strftime_now(state: &State, format: &str) -> Result<String, Error> {
    // Widths of two digits at most, for they are filled up.
    let wide = format.as_bytes().windows(3).any(|three| three.iter().all(u8::is_ascii_digit));
    if wide || format.len() > FORMAT_MAX_BYTES {
        return Err(Error::new(ErrorKind::InvalidOperation, "the format of the date is too long"));
    }
    let micros = state.lookup(NOW).and_then(|value| value.as_i64()).unwrap_or_default();
    let invalid = |error: jiff::Error| Error::new(ErrorKind::InvalidOperation, error.to_string());
    let now = jiff::Timestamp::from_microsecond(micros).map_err(invalid)?;
    let zoned = now.to_zoned(jiff::tz::TimeZone::UTC);
    jiff::fmt::strtime::format(format, &zoned).map_err(invalid)
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

    use super::super::conversation::Controls;
    use super::*;
    use crate::openai::chat::ChatMessage;

    fn turns(messages: serde_json::Value) -> Vec<Turn> {
        let messages: Vec<ChatMessage> = serde_json::from_value(messages).expect("messages");
        messages.iter().map(|message| Turn::of(message, &Controls::default()).expect("a turn")).collect()
    }

    fn formatted(template: &str, messages: serde_json::Value) -> Result<String, FormatError> {
        let formatter = Formatter::new(template, "<s>".to_owned(), "</s>".to_owned())?;
        let (now, tools) = (Timestamp(1_753_228_800_000_000), json!([{"a": [1, "<b>"]}]));
        formatter.format(&turns(messages), Some(&tools), now, &Budget::of(1 << 30))
    }

    #[test]
    fn a_file_without_a_template_is_written_in_chatml() {
        let formatter = Formatter::from_metadata(&Metadata::default()).expect("the default parses");
        let messages = turns(json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]));
        let prompt = formatter.format(&messages, None, Timestamp(0), &Budget::of(1 << 30)).expect("plain");
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
