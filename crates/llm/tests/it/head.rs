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

/// A head with these entries, given as bytes: a key, a type and what follows.
fn raw(entries: &[(&[u8], u32, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend((entries.len() as u64).to_le_bytes());
    for (key, kind, value) in entries {
        bytes.extend((key.len() as u64).to_le_bytes());
        bytes.extend(*key);
        bytes.extend(kind.to_le_bytes());
        bytes.extend(value);
    }
    bytes
}

/// The beginning of an array: the type of its elements, and how many there are.
fn begin_array(kind: u32, count: u64) -> Vec<u8> {
    [kind.to_le_bytes().to_vec(), count.to_le_bytes().to_vec()].concat()
}

fn long_text(bytes: usize) -> Vec<u8> {
    [(bytes as u64).to_le_bytes().to_vec(), vec![b'a'; bytes]].concat()
}

#[test]
fn hostile_heads_are_refused_before_anything_is_allocated() {
    // An array of one array of one array…, and at its end a byte.
    let nested = |depth: usize| {
        let mut value = begin_array(9, 1).repeat(depth);
        value.extend(begin_array(0, 1));
        value.push(7);
        value
    };
    let arrays = |count: u64| vec![(&b"a"[..], 9_u32, [begin_array(0, count), vec![1; count as usize]].concat())];
    for (what, bytes, error) in [
        ("2^60 numbers", raw(&[(b"a", 9, begin_array(4, 1 << 60))]), "too long"),
        ("2^60 texts", raw(&[(b"a", 9, begin_array(8, 1 << 60))]), "too long"),
        ("2^60 arrays", raw(&[(b"a", 9, begin_array(9, 1 << 60))]), "too long"),
        ("more numbers than bytes", raw(&[(b"a", 9, begin_array(0, 4 << 20))]), "ends within"),
        ("one number too many", raw(&arrays((4 << 20) + 1)), "too long"),
        ("an array that is too deep", raw(&[(b"a", 9, nested(2))]), "too deep"),
        ("an array that is far too deep", raw(&[(b"a", 9, nested(10_000))]), "too deep"),
        ("an array of an unknown type", raw(&[(b"a", 9, begin_array(99, 1))]), "ends within"),
        ("an empty key", raw(&[(b"", 0, vec![1])]), "a key is"),
        ("a key with NUL", raw(&[(b"a\0b", 0, vec![1])]), "a key is"),
        ("a key with an escape", raw(&[(b"\x1b[2Ja", 0, vec![1])]), "a key is"),
        ("a key that is no text", raw(&[(b"\xff\xfe", 0, vec![1])]), "a key is"),
        ("a key that is too long", raw(&[(&[b'a'; 65_536], 0, vec![1])]), "a key is"),
        ("a key twice", raw(&[(b"a", 0, vec![1]), (b"a", 0, vec![2])]), "twice"),
        ("a long architecture", raw(&[(b"general.architecture", 8, long_text(10 << 20))]), "architecture"),
        (
            "an escaping architecture",
            raw(&[(b"general.architecture", 8, [7_u64.to_le_bytes().to_vec(), b"\x1b[2Jllm".to_vec()].concat())]),
            "architecture",
        ),
        ("no architecture", raw(&[(b"general.architecture", 8, 0_u64.to_le_bytes().to_vec())]), "architecture"),
        ("an architecture that is a number", raw(&[(b"general.architecture", 4, vec![1, 0, 0, 0])]), "architecture"),
        ("a text longer than the file", raw(&[(b"a", 8, (30_u64 << 20).to_le_bytes().to_vec())]), "ends within"),
        ("a text longer than anything", raw(&[(b"a", 8, u64::MAX.to_le_bytes().to_vec())]), "too long"),
        ("a token of two megabytes", raw(&[(b"a", 9, [begin_array(8, 1), long_text(2 << 20)].concat())]), "too long"),
    ] {
        let refused = Metadata::parse(&bytes).expect_err(what).to_string();
        assert!(refused.contains(error), "{what}: {refused}");
    }
}

#[test]
fn what_is_within_bounds_is_read() {
    use llm::context::gguf::Value;
    let one_deep = [begin_array(9, 1), begin_array(0, 1), vec![7]].concat();
    let bytes = raw(&[(b"deep", 9, one_deep), (b"long", 8, long_text(10 << 20)), (b"empty", 9, begin_array(8, 0))]);
    let metadata = Metadata::parse(&bytes).expect("within bounds");
    assert_eq!(metadata.entries["deep"], Value::Nested(1));
    assert_eq!(metadata.entries["long"], Value::LongText(10 << 20));
    assert_eq!(metadata.entries["empty"], Value::Texts(vec![]));
    assert_eq!(metadata.text("long"), None);
}

/// Structured heads: most of them parse, some are damaged at one place.
fn any_head() -> impl Strategy<Value = Vec<u8>> {
    let text = "\\PC{0,12}".prop_map(|text| [(text.len() as u64).to_le_bytes().to_vec(), text.into_bytes()].concat());
    let scalar = prop_oneof![
        any::<u8>().prop_map(|value| (0_u32, vec![value])),
        any::<u32>().prop_map(|value| (4_u32, value.to_le_bytes().to_vec())),
        any::<f32>().prop_map(|value| (6_u32, value.to_le_bytes().to_vec())),
        any::<u64>().prop_map(|value| (10_u32, value.to_le_bytes().to_vec())),
        text.prop_map(|text| (8_u32, text)),
    ];
    let array = (scalar.clone(), 0_usize..5)
        .prop_map(|((kind, value), count)| (9_u32, [begin_array(kind, count as u64), value.repeat(count)].concat()));
    let nested = (array.clone(), 0_usize..3)
        .prop_map(|((kind, value), count)| (9_u32, [begin_array(kind, count as u64), value.repeat(count)].concat()));
    let key = prop_oneof![
        Just("general.architecture".to_owned()),
        Just("tokenizer.ggml.tokens".to_owned()),
        Just("tokenizer.ggml.scores".to_owned()),
        Just("tokenizer.ggml.merges".to_owned()),
        Just("tokenizer.ggml.token_type".to_owned()),
        Just("tokenizer.chat_template".to_owned()),
        "[a-z.]{1,9}",
    ];
    let entry = (key, prop_oneof![3 => scalar, 3 => array, 1 => nested]);
    let damage = proptest::option::of((any::<prop::sample::Index>(), any::<u8>()));
    (proptest::collection::vec(entry, 0..8), damage).prop_map(|(entries, damage)| {
        let entries: Vec<_> =
            entries.iter().map(|(key, (kind, value))| (key.as_bytes(), *kind, value.clone())).collect();
        let mut bytes = raw(&entries);
        if let Some((place, byte)) = damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_head_is_read_or_refused_and_serves_a_vocabulary(bytes in any_head(), text in "\\PC{0,40}") {
        if let Ok(metadata) = Metadata::parse(&bytes) {
            // Whatever the file says, counting a text ends.
            let tokenizer = llm::context::Tokenizer::from_metadata(&metadata);
            prop_assert!(tokenizer.count(&text, true, u64::MAX, &llm::context::Budget::of(1 << 24)).is_ok());
            let _ = llm::context::Formatter::from_metadata(&metadata);
        }
    }

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
