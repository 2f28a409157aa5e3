//! The header of a GGUF file, read from a stream: its metadata and where its tensors end. Not the tensors themselves.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little-endian.

use std::collections::BTreeMap;
use std::io::{self, Read};

/// Most metadata entries and tensors that a file may name.
const COUNT_MAX: u64 = 1 << 20;
/// Longest string that is kept; longer ones are read past.
const STRING_KEPT_MAX: u64 = 4_096;
/// Longest string that a file may hold: chat templates reach some hundred kilobytes.
const STRING_MAX: u64 = 1 << 26;
/// Most elements of an array: vocabularies reach some hundred thousand.
const ARRAY_MAX: u64 = 1 << 26;
/// Most dimensions of a tensor.
const DIMENSIONS_MAX: u32 = 8;

/// What the header says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Header {
    /// Scalars and short strings.
    pub metadata: BTreeMap<String, Value>,
    /// Weights in all tensors.
    pub parameters: u64,
    /// Bytes that the file must have to hold all its tensors.
    pub ends_at: u64,
}

/// A metadata value that is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Unsigned(u64),
    Text(String),
}

/// Why a header cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("it does not begin with the letters GGUF")]
    Magic,
    #[error("it is of GGUF version {0}; versions 2 and 3 can be read")]
    Version(u32),
    #[error("it ends in the middle of its header")]
    Truncated,
    #[error("its header is broken: {0}")]
    Broken(&'static str),
    #[error("it cannot be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for HeaderError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Truncated } else { Self::Io(error) }
    }
}

/// Reads the header from the beginning of a file.
pub(crate) fn read_header(input: impl Read) -> Result<Header, HeaderError> {
    let mut reader = Reader { input, position: 0 };
    let mut magic = [0; 4];
    reader.input.read_exact(&mut magic).map_err(|_| HeaderError::Magic)?;
    reader.position = 4;
    if &magic != b"GGUF" {
        return Err(HeaderError::Magic);
    }
    let version = reader.u32()?;
    if !(2..=3).contains(&version) {
        return Err(HeaderError::Version(version));
    }
    let tensors = bounded(reader.u64()?, COUNT_MAX, "it names too many tensors")?;
    let entries = bounded(reader.u64()?, COUNT_MAX, "it has too much metadata")?;
    let mut header = Header::default();
    for _ in 0..entries {
        let key = reader.text()?.ok_or(HeaderError::Broken("a metadata key is too long"))?;
        let kind = reader.u32()?;
        if let Some(value) = reader.value(kind)? {
            header.metadata.insert(key, value);
        }
    }
    let mut data_bytes = 0_u64;
    for _ in 0..tensors {
        let (weights, ends_at) = reader.tensor()?;
        header.parameters = header.parameters.saturating_add(weights);
        data_bytes = data_bytes.max(ends_at);
    }
    let alignment = match header.metadata.get("general.alignment") {
        Some(Value::Unsigned(bytes)) if bytes.is_power_of_two() => *bytes,
        Some(_) => return Err(HeaderError::Broken("its alignment is not a power of two")),
        None => 32,
    };
    header.ends_at = reader.position.next_multiple_of(alignment).saturating_add(data_bytes);
    Ok(header)
}

struct Reader<R> {
    input: R,
    position: u64,
}

impl<R: Read> Reader<R> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], HeaderError> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, HeaderError> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64, HeaderError> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn skip(&mut self, count: u64) -> Result<(), HeaderError> {
        let skipped = io::copy(&mut self.input.by_ref().take(count), &mut io::sink())?;
        self.position += skipped;
        if skipped == count { Ok(()) } else { Err(HeaderError::Truncated) }
    }

    /// A string, or nothing when it is too long to keep.
    fn text(&mut self) -> Result<Option<String>, HeaderError> {
        let length = bounded(self.u64()?, STRING_MAX, "a string is too long")?;
        if length > STRING_KEPT_MAX {
            self.skip(length)?;
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let read = self.input.by_ref().take(length).read_to_end(&mut bytes)? as u64;
        self.position += read;
        if read < length {
            return Err(HeaderError::Truncated);
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn value(&mut self, kind: u32) -> Result<Option<Value>, HeaderError> {
        match kind {
            4 => Ok(Some(Value::Unsigned(u64::from(self.u32()?)))),
            10 => Ok(Some(Value::Unsigned(self.u64()?))),
            8 => Ok(self.text()?.map(Value::Text)),
            9 => self.array().map(|()| None),
            _ => {
                let size = scalar_bytes(kind).ok_or(HeaderError::Broken("a metadata value is of no known type"))?;
                self.skip(size).map(|()| None)
            }
        }
    }

    fn array(&mut self) -> Result<(), HeaderError> {
        let kind = self.u32()?;
        let count = bounded(self.u64()?, ARRAY_MAX, "an array is too long")?;
        if kind == 8 {
            for _ in 0..count {
                let length = bounded(self.u64()?, STRING_MAX, "a string is too long")?;
                self.skip(length)?;
            }
            return Ok(());
        }
        let size = scalar_bytes(kind).ok_or(HeaderError::Broken("an array is of no known type"))?;
        self.skip(size * count)
    }

    /// How many weights a tensor has, and where in the tensor data it ends.
    fn tensor(&mut self) -> Result<(u64, u64), HeaderError> {
        let _name = self.text()?;
        let dimensions = self.u32()?;
        if dimensions > DIMENSIONS_MAX {
            return Err(HeaderError::Broken("a tensor has too many dimensions"));
        }
        let mut weights = 1_u64;
        for _ in 0..dimensions {
            weights = weights.checked_mul(self.u64()?).ok_or(HeaderError::Broken("a tensor is too large"))?;
        }
        let kind = self.u32()?;
        let offset = self.u64()?;
        // Of a type that is not known here the end is not known either; then only its beginning is checked.
        let bytes = block(kind).map_or(0, |(of, bytes)| weights.div_ceil(of).saturating_mul(bytes));
        Ok((weights, offset.saturating_add(bytes)))
    }
}

fn bounded(count: u64, most: u64, else_broken: &'static str) -> Result<u64, HeaderError> {
    if count <= most { Ok(count) } else { Err(HeaderError::Broken(else_broken)) }
}

const fn scalar_bytes(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// Weights and bytes of one block of a tensor type, as `ggml.h` numbers them.
const fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        2 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        24 => (1, 1),
        27 | 28 => (1, 8),
        _ => return None,
    })
}
