//! Writes heads of GGUF files, and reads what is not one.

use llm::context::{GgufError, Metadata};
use proptest::prelude::*;

/// A value to write.
pub enum Entry<'a> {
    Text(&'a str),
    Texts(&'a [&'a str]),
    Floats(&'a [f32]),
    Ints(&'a [i32]),
    Unsigned(u32),
    Bool(bool),
}

/// The head of a file with these entries.
pub fn head(entries: &[(&str, Entry)]) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend((entries.len() as u64).to_le_bytes());
    for (key, entry) in entries {
        text(&mut bytes, key);
        match entry {
            Entry::Text(value) => {
                bytes.extend(8_u32.to_le_bytes());
                text(&mut bytes, value);
            }
            Entry::Unsigned(value) => {
                bytes.extend(4_u32.to_le_bytes());
                bytes.extend(value.to_le_bytes());
            }
            Entry::Bool(value) => {
                bytes.extend(7_u32.to_le_bytes());
                bytes.push(u8::from(*value));
            }
            Entry::Texts(values) => {
                array(&mut bytes, 8, values.len());
                values.iter().for_each(|value| text(&mut bytes, value));
            }
            Entry::Floats(values) => {
                array(&mut bytes, 6, values.len());
                values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
            }
            Entry::Ints(values) => {
                array(&mut bytes, 5, values.len());
                values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
            }
        }
    }
    bytes
}

fn text(bytes: &mut Vec<u8>, value: &str) {
    bytes.extend((value.len() as u64).to_le_bytes());
    bytes.extend(value.as_bytes());
}

fn array(bytes: &mut Vec<u8>, kind: u32, count: usize) {
    bytes.extend(9_u32.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend((count as u64).to_le_bytes());
}

fn sample() -> Vec<u8> {
    head(&[
        ("general.architecture", Entry::Text("llama")),
        ("llama.context_length", Entry::Unsigned(512)),
        ("tokenizer.ggml.tokens", Entry::Texts(&["a", "b"])),
        ("tokenizer.ggml.scores", Entry::Floats(&[0.0, -1.5])),
        ("tokenizer.ggml.add_bos_token", Entry::Bool(true)),
    ])
}

#[test]
fn what_was_written_is_read() {
    let metadata = Metadata::parse(&sample()).expect("a whole head");
    assert_eq!((metadata.architecture(), metadata.context_tokens()), (Some("llama"), Some(512)));
    assert_eq!(metadata.texts("tokenizer.ggml.tokens").expect("texts"), ["a", "b"]);
    assert_eq!(metadata.numbers("tokenizer.ggml.scores").expect("numbers"), [0.0, -1.5]);
    assert_eq!(metadata.bool("tokenizer.ggml.add_bos_token"), Some(true));
}

#[test]
fn what_is_no_gguf_is_told_from_what_is_cut_short() {
    assert_eq!(Metadata::parse(b""), Err(GgufError::NotGguf));
    assert_eq!(Metadata::parse(b"PK\x03\x04 a zip"), Err(GgufError::NotGguf));
    assert_eq!(Metadata::parse(b"GGUF\x01\0\0\0"), Err(GgufError::Version(1)));
    let whole = sample();
    for length in 4..whole.len() {
        assert_eq!(Metadata::parse(&whole[..length]), Err(GgufError::Truncated), "{length}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..200, with: u8) {
        let _ = Metadata::parse(&bytes);
        bytes.splice(0..0, *b"GGUF\x03\0\0\0");
        let _ = Metadata::parse(&bytes);
        let mut damaged = sample();
        let at = at % damaged.len();
        damaged[at] = with;
        let _ = Metadata::parse(&damaged);
    }
}
