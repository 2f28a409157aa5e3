//! Writes a small LLaMA model with random weights as a GGUF file (version 3), so that the tests need no download.

use std::path::{Path, PathBuf};

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

/// The shape of a model.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub width: usize,
    pub layers: usize,
    pub context: u32,
}

/// Quick, for what is said.
pub const TINY: Shape = Shape { width: 64, layers: 2, context: 512 };
/// Slow enough that a long answer is still growing while the test does something else.
pub const SLOW: Shape = Shape { width: 256, layers: 8, context: 8_192 };

const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
const ALIGNMENT: usize = 32;
const HEADS: usize = 4;

/// Writes the model and returns its path.
pub fn write(folder: &Path, shape: Shape) -> PathBuf {
    let path = folder.join("model.gguf");
    std::fs::write(&path, bytes(shape)).expect("the model is written");
    path
}

/// The whole file.
pub fn bytes(shape: Shape) -> Vec<u8> {
    let vocabulary = vocabulary();
    let tensors = tensors(shape, vocabulary.len());
    let metadata = metadata(shape, &vocabulary);
    let mut out = Vec::new();
    out.extend(b"GGUF");
    out.extend(3u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    out.extend(metadata.concat());
    let mut offset = 0usize;
    for (name, dimensions) in &tensors {
        out.extend(string(name));
        out.extend((dimensions.len() as u32).to_le_bytes());
        dimensions.iter().for_each(|&d| out.extend((d as u64).to_le_bytes()));
        out.extend(0u32.to_le_bytes());
        out.extend((offset as u64).to_le_bytes());
        offset += (dimensions.iter().product::<usize>() * 4).next_multiple_of(ALIGNMENT);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    let mut rng = SmallRng::seed_from_u64(1);
    for (name, dimensions) in &tensors {
        let spread = if name.ends_with("norm.weight") { 0.0 } else { (3.0 / dimensions[0] as f32).sqrt() };
        for _ in 0..dimensions.iter().product::<usize>() {
            let value = if spread == 0.0 { 1.0 } else { rng.random_range(-spread..spread) };
            out.extend(value.to_le_bytes());
        }
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    }
    out
}

/// Tokens with their types: 1 normal, 2 unknown, 3 control, 6 a byte.
fn vocabulary() -> Vec<(String, u32)> {
    let mut tokens = vec![("<unk>".to_owned(), 2)];
    tokens.extend(["<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"].map(|t| (t.to_owned(), 3)));
    tokens.extend((0..=255u8).map(|byte| (format!("<0x{byte:02X}>"), 6)));
    let letters = ('a'..='z').chain('A'..='Z').chain('0'..='9').chain("▁.,:;!?'\"{}[]()-_é".chars());
    tokens.extend(letters.map(|letter| (letter.to_string(), 1)));
    for first in "bdfgklmnprst".chars() {
        tokens.extend(
            "aeiou".chars().flat_map(|second| [(format!("{first}{second}"), 1), (format!("▁{first}{second}"), 1)]),
        );
    }
    tokens
}

fn tensors(shape: Shape, vocabulary: usize) -> Vec<(String, Vec<usize>)> {
    let (width, inner) = (shape.width, shape.width * 3);
    let mut tensors = vec![
        ("token_embd.weight".to_owned(), vec![width, vocabulary]),
        ("output_norm.weight".to_owned(), vec![width]),
        ("output.weight".to_owned(), vec![width, vocabulary]),
    ];
    for layer in 0..shape.layers {
        let mut add =
            |name: &str, dimensions: Vec<usize>| tensors.push((format!("blk.{layer}.{name}.weight"), dimensions));
        for name in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            add(name, vec![width, width]);
        }
        for name in ["ffn_gate", "ffn_up"] {
            add(name, vec![width, inner]);
        }
        add("ffn_down", vec![inner, width]);
        for name in ["attn_norm", "ffn_norm"] {
            add(name, vec![width]);
        }
    }
    tensors
}

fn metadata(shape: Shape, vocabulary: &[(String, u32)]) -> Vec<Vec<u8>> {
    let number = |key: &str, value: usize| {
        [string(key), 4u32.to_le_bytes().into(), (value as u32).to_le_bytes().into()].concat()
    };
    let text = |key: &str, value: &str| [string(key), 8u32.to_le_bytes().into(), string(value)].concat();
    let array = |key: &str, kind: u32, items: Vec<Vec<u8>>| {
        let head = [
            string(key),
            9u32.to_le_bytes().into(),
            kind.to_le_bytes().into(),
            (items.len() as u64).to_le_bytes().into(),
        ];
        [head.concat(), items.concat()].concat()
    };
    let tokens = vocabulary.iter().map(|(token, _)| string(token)).collect();
    let types = vocabulary.iter().map(|(_, kind)| kind.to_le_bytes().to_vec()).collect();
    let scores = (0..vocabulary.len()).map(|at| (-(at as f32)).to_le_bytes().to_vec()).collect();
    vec![
        text("general.architecture", "llama"),
        number("llama.context_length", shape.context as usize),
        number("llama.embedding_length", shape.width),
        number("llama.block_count", shape.layers),
        number("llama.feed_forward_length", shape.width * 3),
        number("llama.attention.head_count", HEADS),
        number("llama.rope.dimension_count", shape.width / HEADS),
        [string("llama.attention.layer_norm_rms_epsilon"), 6u32.to_le_bytes().into(), 1e-5f32.to_le_bytes().into()]
            .concat(),
        text("tokenizer.ggml.model", "llama"),
        array("tokenizer.ggml.tokens", 8, tokens),
        array("tokenizer.ggml.scores", 6, scores),
        array("tokenizer.ggml.token_type", 5, types),
        number("tokenizer.ggml.bos_token_id", 1),
        number("tokenizer.ggml.eos_token_id", 2),
        text("tokenizer.chat_template", TEMPLATE),
    ]
}

fn string(text: &str) -> Vec<u8> {
    [(text.len() as u64).to_le_bytes().to_vec(), text.as_bytes().to_vec()].concat()
}
