//! The head of a GGUF file: its metadata, from a byte slice, within bounds.
//!
//! Written by the format's specification (ggml, `docs/gguf.md`, versions 2 and 3, little-endian). Tensors are not read.
//! The caller reads as much of the file as this asks for: [`GgufError::Truncated`] means "give me more".

use std::collections::BTreeMap;

/// Most metadata entries.
const ENTRIES_MAX: u64 = 65_536;
/// Most elements of all arrays together; the largest vocabularies have some 300,000 tokens, in three or four arrays.
const ELEMENTS_MAX: u64 = 4 << 20;
/// Longest string. Some files hold a whole tokenizer as text.
const STRING_MAX_BYTES: u64 = 32 << 20;
/// Longest text that is kept; of a longer one only its end is looked for. The longest chat templates have some 30 kB.
const TEXT_KEPT_MAX_BYTES: usize = 1 << 20;
/// Longest key, and longest name of a tensor, by the specification.
const KEY_MAX_BYTES: usize = 65_535;
pub(super) const NAME_MAX_BYTES: usize = 63;
/// Longest name of an architecture.
const ARCHITECTURE_MAX_BYTES: usize = 64;
/// Arrays within arrays end here; the format allows them, nobody writes them.
const DEPTH_MAX: u32 = 2;

/// Why the head cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GgufError {
    /// The file does not begin as a GGUF file does.
    #[error("this is not a GGUF file")]
    NotGguf,
    /// The format's version is not one of those known here.
    #[error("GGUF version {0} is not supported; versions 2 and 3 are")]
    Version(u32),
    /// The head goes on behind the bytes given.
    #[error("the file ends within its metadata")]
    Truncated,
    /// A number in it is beyond its bound.
    #[error("the file's metadata is not valid: {0}")]
    Invalid(&'static str),
}

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Any unsigned integer.
    Unsigned(u64),
    /// Any signed integer.
    Signed(i64),
    /// Any floating-point number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// Text; what is not UTF-8 in it is replaced.
    Text(String),
    /// An array of texts.
    Texts(Vec<String>),
    /// An array of numbers or truth values, as floating-point numbers (exact up to 2⁵³).
    Numbers(Vec<f64>),
    /// An array of arrays, of which only the length is kept.
    Nested(u64),
    /// A text too long to be kept, by its length in bytes.
    LongText(u64),
}

/// A file's metadata.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata {
    /// The format's version.
    pub version: u32,
    /// How many tensors follow.
    pub tensor_count: u64,
    /// Keys and values.
    pub entries: BTreeMap<String, Value>,
}

impl Metadata {
    /// Reads the head of a file from its first bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, GgufError> {
        Self::read(&mut Cursor::new(bytes))
    }

    /// Reads the metadata, and leaves the cursor where the list of tensors begins.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, GgufError> {
        let magic = cursor.take(4).map_err(|_| GgufError::NotGguf)?;
        if magic != b"GGUF" {
            return Err(GgufError::NotGguf);
        }
        let version = cursor.u32()?;
        if !matches!(version, 2 | 3) {
            return Err(GgufError::Version(version));
        }
        let tensor_count = cursor.u64()?;
        let entry_count = cursor.u64()?;
        if entry_count > ENTRIES_MAX {
            return Err(GgufError::Invalid("too many entries"));
        }
        let mut entries = BTreeMap::new();
        for _ in 0..entry_count {
            let key = cursor.name(KEY_MAX_BYTES, "a key is empty, too long or no text")?;
            let kind = cursor.u32()?;
            let value = cursor.value(kind, 0)?;
            if key == "general.architecture" {
                check_architecture(&value)?;
            }
            if entries.insert(key, value).is_some() {
                return Err(GgufError::Invalid("a key is there twice"));
            }
        }
        Ok(Self { version, tensor_count, entries })
    }

    /// A text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.entries.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An unsigned integer.
    #[must_use]
    pub fn unsigned(&self, key: &str) -> Option<u64> {
        match *self.entries.get(key)? {
            Value::Unsigned(value) => Some(value),
            Value::Signed(value) => u64::try_from(value).ok(),
            _ => None,
        }
    }

    /// A truth value.
    #[must_use]
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.entries.get(key)? {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// An array of texts.
    #[must_use]
    pub fn texts(&self, key: &str) -> Option<&[String]> {
        match self.entries.get(key)? {
            Value::Texts(texts) => Some(texts),
            _ => None,
        }
    }

    /// An array of numbers.
    #[must_use]
    pub fn numbers(&self, key: &str) -> Option<&[f64]> {
        match self.entries.get(key)? {
            Value::Numbers(numbers) => Some(numbers),
            _ => None,
        }
    }

    /// The architecture, such as `llama`.
    #[must_use]
    pub fn architecture(&self) -> Option<&str> {
        self.text("general.architecture")
    }

    /// The context window that the model was trained for, in tokens.
    #[must_use]
    pub fn context_tokens(&self) -> Option<u64> {
        self.unsigned(&format!("{}.context_length", self.architecture()?))
    }
}

/// The architecture is shown, compared and part of further keys: a short word.
fn check_architecture(value: &Value) -> Result<(), GgufError> {
    let is_word = |text: &str| {
        !text.is_empty()
            && text.len() <= ARCHITECTURE_MAX_BYTES
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    match value {
        Value::Text(text) if is_word(text) => Ok(()),
        _ => Err(GgufError::Invalid("the name of the architecture is no short word")),
    }
}

/// What is left of the head to read.
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
    /// Elements that arrays may still have.
    elements_left: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, elements_left: ELEMENTS_MAX }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], GgufError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(GgufError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        self.take(N)?.try_into().map_err(|_| GgufError::Truncated)
    }

    pub(super) fn u32(&mut self) -> Result<u32, GgufError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, GgufError> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Result<&'a [u8], GgufError> {
        let length = self.u64()?;
        if length > STRING_MAX_BYTES {
            return Err(GgufError::Invalid("a string is too long"));
        }
        self.take(usize::try_from(length).map_err(|_| GgufError::Truncated)?)
    }

    /// A name of at least one byte, without control characters.
    pub(super) fn name(&mut self, most: usize, otherwise: &'static str) -> Result<String, GgufError> {
        let bytes = self.bytes()?;
        let name = std::str::from_utf8(bytes).ok().filter(|name| !name.is_empty() && name.len() <= most);
        let name = name.filter(|name| !name.contains(char::is_control));
        name.map(str::to_owned).ok_or(GgufError::Invalid(otherwise))
    }

    /// An element of an array of texts: a token or a merge.
    fn text(&mut self) -> Result<String, GgufError> {
        let bytes = self.bytes()?;
        if bytes.len() > TEXT_KEPT_MAX_BYTES {
            return Err(GgufError::Invalid("an element of an array is too long"));
        }
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn text_value(&mut self) -> Result<Value, GgufError> {
        let bytes = self.bytes()?;
        if bytes.len() > TEXT_KEPT_MAX_BYTES {
            return Ok(Value::LongText(bytes.len() as u64));
        }
        Ok(Value::Text(String::from_utf8_lossy(bytes).into_owned()))
    }

    /// A value of the type with that number in the specification.
    fn value(&mut self, kind: u32, depth: u32) -> Result<Value, GgufError> {
        Ok(match kind {
            0 => Value::Unsigned(u64::from(self.array::<1>()?[0])),
            1 => Value::Signed(i64::from(i8::from_le_bytes(self.array()?))),
            2 => Value::Unsigned(u64::from(u16::from_le_bytes(self.array()?))),
            3 => Value::Signed(i64::from(i16::from_le_bytes(self.array()?))),
            4 => Value::Unsigned(u64::from(self.u32()?)),
            5 => Value::Signed(i64::from(i32::from_le_bytes(self.array()?))),
            6 => Value::Float(f64::from(f32::from_le_bytes(self.array()?))),
            7 => Value::Bool(self.array::<1>()?[0] != 0),
            8 => self.text_value()?,
            9 => self.values(depth)?,
            10 => Value::Unsigned(self.u64()?),
            11 => Value::Signed(i64::from_le_bytes(self.array()?)),
            12 => Value::Float(f64::from_le_bytes(self.array()?)),
            _ => return Err(GgufError::Invalid("a value has an unknown type")),
        })
    }

    fn values(&mut self, depth: u32) -> Result<Value, GgufError> {
        let kind = self.u32()?;
        let count = self.u64()?;
        if depth >= DEPTH_MAX {
            return Err(GgufError::Invalid("an array is too deep"));
        }
        self.elements_left =
            self.elements_left.checked_sub(count).ok_or(GgufError::Invalid("arrays are too long together"))?;
        // No element takes less than a byte: what cannot be there is not begun.
        if count > self.rest.len() as u64 {
            return Err(GgufError::Truncated);
        }
        match kind {
            8 => (0..count).map(|_| self.text()).collect::<Result<_, _>>().map(Value::Texts),
            9 => {
                for _ in 0..count {
                    self.value(kind, depth + 1)?;
                }
                Ok(Value::Nested(count))
            }
            _ => (0..count).map(|_| self.number(kind)).collect::<Result<_, _>>().map(Value::Numbers),
        }
    }

    fn number(&mut self, kind: u32) -> Result<f64, GgufError> {
        // Ids and scores are far below 2⁵³, up to which the conversion is exact.
        #[allow(clippy::cast_precision_loss)]
        match self.value(kind, DEPTH_MAX)? {
            Value::Unsigned(value) => Ok(value as f64),
            Value::Signed(value) => Ok(value as f64),
            Value::Float(value) => Ok(value),
            Value::Bool(value) => Ok(f64::from(u8::from(value))),
            _ => Err(GgufError::Invalid("an array holds what it cannot")),
        }
    }
}
