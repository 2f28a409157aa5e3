//! The end of the tensors: exact for the demo model, and never a panic.

use llm::context::{GgufError, Tensors};
use proptest::prelude::*;

fn demo() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/demo.gguf");
    std::fs::read(path).expect("the demo model lies in the repository")
}

#[test]
fn the_demo_model_ends_where_its_tensors_end() {
    let bytes = demo();
    let (metadata, tensors) = Tensors::parse(&bytes).expect("a sound file");
    assert_eq!(metadata.architecture(), Some("llama"));
    assert_eq!(tensors.parameters, 2_459_712, "as models/demo.json says");
    // What follows the last tensor is padding to the alignment, at most.
    let size = bytes.len() as u64;
    assert!(tensors.ends_at <= size && size < tensors.ends_at + 64, "{tensors:?} of {size}");
}

#[test]
fn a_head_cut_short_asks_for_more() {
    let bytes = demo();
    let (_, tensors) = Tensors::parse(&bytes).expect("a sound file");
    let mut lengths = vec![4, 23, 24, 100, 1_000, 10_000];
    lengths.retain(|length| (*length as u64) < tensors.ends_at);
    for length in lengths {
        assert_eq!(Tensors::parse(&bytes[..length]), Err(GgufError::Truncated), "{length}");
    }
}

/// A head without metadata, and these tensors: name, dimensions, type, offset.
fn with_tensors(tensors: &[(&str, &[u64], u32, u64)]) -> Vec<u8> {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    for (name, dimensions, kind, offset) in tensors {
        bytes.extend((name.len() as u64).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend((dimensions.len() as u32).to_le_bytes());
        dimensions.iter().for_each(|size| bytes.extend(size.to_le_bytes()));
        bytes.extend(kind.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
    }
    bytes
}

#[test]
fn hostile_lists_of_tensors_are_refused() {
    let long = "n".repeat(65);
    for (what, tensors, error) in [
        ("overlap", vec![("a", &[32_u64][..], 0_u32, 0_u64), ("b", &[32], 0, 96)], "overlap"),
        ("the same place", vec![("a", &[32], 0, 0), ("b", &[32], 0, 0)], "overlap"),
        ("one within another", vec![("a", &[320], 0, 0), ("b", &[8], 0, 64)], "overlap"),
        ("no alignment", vec![("a", &[32], 0, 1)], "alignment"),
        ("twice", vec![("a", &[32], 0, 0), ("a", &[32], 0, 128)], "twice"),
        ("no name", vec![("", &[32], 0, 0)], "name"),
        ("a long name", vec![(long.as_str(), &[32], 0, 0)], "name"),
        ("a name with NUL", vec![("a\0b", &[32], 0, 0)], "name"),
        ("nine dimensions", vec![("a", &[1; 9], 0, 0)], "dimensions"),
        ("2^80 weights", vec![("a", &[1 << 40, 1 << 40], 0, 0)], "too large"),
    ] {
        let refused = Tensors::parse(&with_tensors(&tensors)).expect_err(what).to_string();
        assert!(refused.contains(error), "{what}: {refused}");
    }
    let mut many = b"GGUF\x03\0\0\0".to_vec();
    many.extend(u64::MAX.to_le_bytes());
    many.extend(0_u64.to_le_bytes());
    assert!(matches!(Tensors::parse(&many), Err(GgufError::Invalid("too many tensors"))));
}

#[test]
fn tensors_in_any_order_end_where_the_last_ends() {
    let bytes = with_tensors(&[("b", &[8, 4], 0, 128), ("a", &[32], 0, 0), ("far", &[1], 0, 1 << 50)]);
    let (_, tensors) = Tensors::parse(&bytes).expect("sound");
    let begins_at = (bytes.len() as u64).next_multiple_of(32);
    assert_eq!((tensors.parameters, tensors.ends_at), (65, begins_at + (1 << 50) + 4));
}

proptest! {
    #[test]
    fn nothing_panics(at in 0_usize..60_000, with in proptest::collection::vec(any::<u8>(), 1..9)) {
        let mut bytes = demo();
        bytes.truncate(100_000);
        bytes[at..at + with.len()].copy_from_slice(&with);
        let _ = Tensors::parse(&bytes);
    }
}
