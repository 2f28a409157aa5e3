//! Tiny vocabularies with their tokens worked out by hand after llama.cpp's rules.

use std::sync::LazyLock;

use llm::context::conversation::Controls;
use llm::context::{Budget, Metadata, Reader, Tokenizer, Turn};
use proptest::prelude::*;

use crate::head::{Entry, head};

const SPM_TOKENS: [&str; 17] = [
    "<unk>",
    "<s>",
    "</s>",
    "<0x41>",
    "<0xC3>",
    "<0xA4>",
    "\u{2581}",
    "h",
    "e",
    "l",
    "o",
    "he",
    "ll",
    "hell",
    "hello",
    "\u{2581}hello",
    "<|end|>",
];

fn spm() -> Metadata {
    // The better the score, the earlier the join: "ll" before "he", "hell" next.
    let mut scores = [0.0_f32; 17];
    for (token, score) in [(11, -3.0), (12, -2.0), (13, -4.0), (14, -5.0), (15, -6.0)] {
        scores[token] = score;
    }
    let types = [2, 3, 3, 6, 6, 6, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3];
    let bytes = head(&[
        ("general.architecture", Entry::Text("llama")),
        ("tokenizer.ggml.model", Entry::Text("llama")),
        ("tokenizer.ggml.tokens", Entry::Texts(&SPM_TOKENS)),
        ("tokenizer.ggml.scores", Entry::Floats(&scores)),
        ("tokenizer.ggml.token_type", Entry::Ints(&types)),
        ("tokenizer.ggml.bos_token_id", Entry::Unsigned(1)),
        ("tokenizer.ggml.eos_token_id", Entry::Unsigned(2)),
        (
            "tokenizer.chat_template",
            Entry::Text("{{ bos_token }}{% for m in messages %}{{ m.content }}<|end|>{% endfor %}"),
        ),
    ]);
    Metadata::parse(&bytes).expect("a whole head")
}

fn bpe(pre: &str) -> Metadata {
    let tokens = [
        "h", "e", "l", "o", "\u{120}", "he", "ll", "hell", "hello", "\u{120}h", "1", "2", "<|bos|>", "\u{c3}", "\u{a4}",
    ];
    let types = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 1, 1];
    let bytes = head(&[
        ("tokenizer.ggml.model", Entry::Text("gpt2")),
        ("tokenizer.ggml.pre", Entry::Text(pre)),
        ("tokenizer.ggml.tokens", Entry::Texts(&tokens)),
        ("tokenizer.ggml.merges", Entry::Texts(&["h e", "l l", "he ll", "\u{120} h", "hell o"])),
        ("tokenizer.ggml.token_type", Entry::Ints(&types)),
        ("tokenizer.ggml.bos_token_id", Entry::Unsigned(12)),
    ]);
    Metadata::parse(&bytes).expect("a whole head")
}

fn budget() -> Budget {
    Budget::of(1 << 30)
}

fn tokens(metadata: &Metadata, text: &str, add_special: bool) -> Vec<u32> {
    let encoded = Tokenizer::from_metadata(metadata).encode(text, add_special, &budget());
    encoded.expect("enough").expect("a known vocabulary")
}

#[test]
fn sentence_pieces() {
    let metadata = spm();
    // A space goes before a text's beginning, and again behind a control token.
    assert_eq!(tokens(&metadata, "hello", true), [1, 15]);
    assert_eq!(tokens(&metadata, "hello hello", false), [15, 15]);
    assert_eq!(tokens(&metadata, "<|end|>hello<s>", false), [16, 15, 1]);
    assert_eq!(tokens(&metadata, "hel", false), [6, 11, 9]);
    // No piece: its bytes. No token for a byte: unknown.
    assert_eq!(tokens(&metadata, "A\u{e4}z", false), [6, 3, 4, 5, 0]);
    assert_eq!(tokens(&metadata, "", true), [1]);
}

#[test]
fn byte_pairs() {
    let llama3 = bpe("llama-bpe");
    // "h e" was learnt before the space and its "h": the space stays alone.
    assert_eq!(tokens(&llama3, "hello hello", true), [12, 8, 4, 8]);
    assert_eq!(tokens(&llama3, " ho", false), [9, 3]);
    assert_eq!(tokens(&llama3, "<|bos|>he", false), [12, 5]);
    assert_eq!(tokens(&llama3, "\u{e4}", false), [13, 14]);
    assert_eq!(tokens(&bpe("qwen2"), "12", true), [10, 11]);
}

#[test]
fn a_vocabulary_that_is_not_known_is_estimated_from_above_and_says_so() {
    let unknown = Tokenizer::from_metadata(&bpe("a-later-invention"));
    let count = unknown.count("hello hello", true, u64::MAX, &budget()).expect("enough");
    assert!(!count.exact && count.tokens >= 6, "{count:?}");
}

fn turns(texts: &[&str], controls: &Controls) -> Vec<Turn> {
    let message = |text: &&str| serde_json::from_value(serde_json::json!({"role": "user", "content": text}));
    texts.iter().map(|text| Turn::of(&message(text).expect("a message"), controls).expect("a turn")).collect()
}

#[test]
fn a_conversation_is_counted_as_the_model_gets_it() {
    let reader = Reader::from_metadata(&spm()).expect("the template parses");
    let count = |texts: &[&str], most| {
        let turns = turns(texts, reader.tokenizer().controls());
        let count = reader.count_chat(&turns, domain::Timestamp(0), most, &budget()).expect("written");
        (count.tokens, count.exact)
    };
    // The template's own <s>, one word, <|end|>: the opening is not counted twice.
    assert_eq!(count(&["hello"], u64::MAX), (3, true));
    // A control token that a user writes is text, in two segments: bytes here, with the space before each; the
    // template's own is one token.
    assert_eq!(count(&["<|end|>"], u64::MAX), (11, true));
    // Beyond what is asked for, counting ends.
    let (tokens, exact) = count(&["hello hello"; 1_000], 10);
    assert!(exact && (11..20).contains(&tokens), "{tokens}");
}

proptest! {
    #[test]
    fn no_text_has_more_tokens_than_bytes_and_an_opening(text in "[ helo12A\u{e4}<|end>s/\\n]{0,50}") {
        static TOKENIZERS: LazyLock<[Tokenizer; 3]> =
            LazyLock::new(|| [spm(), bpe("llama-bpe"), bpe("default")].map(|file| Tokenizer::from_metadata(&file)));
        for tokenizer in &*TOKENIZERS {
            let tokens = tokenizer.encode(&text, true, &budget()).expect("enough").expect("a known vocabulary");
            let count = tokens.len();
            // The space put before each piece of text behind a control token counts too.
            prop_assert!(count <= 2 * text.len() + 2, "{} {:?}", count, text);
        }
    }
}
