//! Where the tensors of a GGUF file end, and how many weights they have: enough to tell a whole file from a cut one.

use std::collections::HashSet;

use super::gguf::{Cursor, GgufError, Metadata, NAME_MAX_BYTES};

/// Most tensors that a file may name.
const TENSORS_MAX: u64 = 1 << 20;
/// Most dimensions of a tensor; the format has four, and leaves room.
const DIMENSIONS_MAX: u32 = 8;
/// Largest alignment that a file may ask for, in bytes.
const ALIGNMENT_MAX: u64 = 1 << 20;
/// The alignment of tensor data where the file names none, in bytes.
const ALIGNMENT: u64 = 32;

/// What the list of tensors says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tensors {
    /// Weights in all tensors.
    pub parameters: u64,
    /// Bytes that the file must have to hold them all.
    pub ends_at: u64,
}

impl Tensors {
    /// Reads the head of a file from its first bytes: its metadata, and what its list of tensors says.
    pub fn parse(bytes: &[u8]) -> Result<(Metadata, Self), GgufError> {
        let mut cursor = Cursor::new(bytes);
        let metadata = Metadata::read(&mut cursor)?;
        if metadata.tensor_count > TENSORS_MAX {
            return Err(GgufError::Invalid("too many tensors"));
        }
        let alignment = match metadata.unsigned("general.alignment") {
            None => ALIGNMENT,
            Some(bytes) if bytes.is_power_of_two() && bytes <= ALIGNMENT_MAX => bytes,
            Some(_) => return Err(GgufError::Invalid("the alignment is no power of two, or too large")),
        };
        let mut parameters = 0_u64;
        let (mut names, mut places) = (HashSet::new(), Vec::new());
        for _ in 0..metadata.tensor_count {
            let tensor = tensor(&mut cursor)?;
            if !tensor.begins_at.is_multiple_of(alignment) {
                return Err(GgufError::Invalid("a tensor does not begin at a multiple of the alignment"));
            }
            if !names.insert(tensor.name) {
                return Err(GgufError::Invalid("a tensor is there twice"));
            }
            parameters = parameters.saturating_add(tensor.weights);
            places.push((tensor.begins_at, tensor.ends_at));
        }
        let data_bytes = end_of(places)?;
        let head_bytes = (bytes.len() - cursor.rest.len()) as u64;
        let begins_at = head_bytes.checked_next_multiple_of(alignment).unwrap_or(u64::MAX);
        Ok((metadata, Self { parameters, ends_at: begins_at.saturating_add(data_bytes) }))
    }
}

/// Where the last of them ends. None may lie within another.
fn end_of(mut places: Vec<(u64, u64)>) -> Result<u64, GgufError> {
    places.sort_unstable();
    if places.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return Err(GgufError::Invalid("tensors overlap"));
    }
    Ok(places.last().map_or(0, |place| place.1))
}

/// An entry of the list of tensors, with its place in the tensor data.
struct Tensor {
    name: String,
    weights: u64,
    begins_at: u64,
    ends_at: u64,
}

fn tensor(cursor: &mut Cursor<'_>) -> Result<Tensor, GgufError> {
    let name = cursor.name(NAME_MAX_BYTES, "a tensor's name is empty, too long or no text")?;
    let dimensions = cursor.u32()?;
    if dimensions > DIMENSIONS_MAX {
        return Err(GgufError::Invalid("a tensor has too many dimensions"));
    }
    let mut weights = 1_u64;
    for _ in 0..dimensions {
        weights = weights.checked_mul(cursor.u64()?).ok_or(GgufError::Invalid("a tensor is too large"))?;
    }
    let kind = cursor.u32()?;
    let offset = cursor.u64()?;
    // Of a type that is not known here the end is not known either; then only its beginning is checked.
    let bytes = block(kind).map_or(0, |(of, bytes)| weights.div_ceil(of).saturating_mul(bytes));
    Ok(Tensor { name, weights, begins_at: offset, ends_at: offset.saturating_add(bytes) })
}

/// Weights and bytes of one block of a tensor type, as `ggml.h` numbers the types and `ggml-common.h` sizes the blocks.
const fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        // F32 and I32; F16, I16 and BF16; I8; I64 and F64.
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        24 => (1, 1),
        27 | 28 => (1, 8),
        // Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q8_1.
        2 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        // Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Q8_K.
        10 => (256, 84),
        11 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        _ => return None,
    })
}
