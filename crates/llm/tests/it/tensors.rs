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

proptest! {
    #[test]
    fn nothing_panics(at in 0_usize..60_000, with in proptest::collection::vec(any::<u8>(), 1..9)) {
        let mut bytes = demo();
        bytes.truncate(100_000);
        bytes[at..at + with.len()].copy_from_slice(&with);
        let _ = Tensors::parse(&bytes);
    }
}
