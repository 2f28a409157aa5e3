//! The model file, loaded: its vocabulary, template and limits. What needs the context lives in `worker`.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use super::prefix::Token;
use crate::constraint::compile::Tokens;
use crate::prompt::{ChatTemplate, Controls, Segment};

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be opened or read.
    #[error("cannot read the model file {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The file does not begin as a GGUF file does.
    #[error(
        "{path} is no GGUF file: it does not begin with the bytes 'GGUF'; convert the model to GGUF, or check the download"
    )]
    NotGguf {
        /// The file.
        path: String,
    },
    /// llama.cpp refused it.
    #[error(
        "llama.cpp cannot load {path}: {reason}; the file may be truncated or of an unknown architecture: check its digest"
    )]
    Refused {
        /// The file.
        path: String,
        /// What llama.cpp returned.
        reason: String,
    },
    /// The engine could not start.
    #[error("the engine does not start: {0}")]
    Engine(String),
    /// The context does not fit into memory, or the model allows none.
    #[error("no context of {tokens} tokens can be made: {reason}; lower --context-tokens or --parallel")]
    Context {
        /// Tokens of all sequences together.
        tokens: u64,
        /// What llama.cpp returned.
        reason: String,
    },
}

/// How token embeddings become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The mean over all tokens: what a model gets that says nothing.
    Mean,
    /// The first token's.
    First,
    /// The last token's.
    Last,
}

/// A loaded model. It is read-only and may be used from any thread.
pub struct Model {
    /// llama.cpp's side.
    pub llama: LlamaModel,
    /// llama.cpp's global state, which must outlive the model.
    pub backend: LlamaBackend,
    /// The file's own chat template, unless it does not parse.
    pub template: Option<ChatTemplate>,
    /// The most tokens of one sequence that the model was trained for.
    pub trained_context_tokens: u32,
    /// How its embeddings are pooled.
    pub pooling: Pooling,
    /// Each token's bytes; empty for control tokens.
    pieces: Vec<Vec<u8>>,
    /// The texts of control tokens, which users' text must not turn into.
    controls: Controls,
    /// The tokens that end an answer.
    end_tokens: Vec<Token>,
    longest_piece_bytes: usize,
}

impl Model {
    /// Loads the GGUF file at `path`, with `gpu_layers` of its layers on the GPU.
    pub fn load(path: &Path, gpu_layers: u32) -> Result<Self, LoadError> {
        check_magic(path)?;
        let backend = LlamaBackend::init().map_err(|e| LoadError::Engine(e.to_string()))?;
        let params = LlamaModelParams::default().with_n_gpu_layers(gpu_layers);
        let llama = LlamaModel::load_from_file(&backend, path, &params)
            .map_err(|e| LoadError::Refused { path: path.display().to_string(), reason: e.to_string() })?;
        let vocab = llama.vocab();
        let text =
            |token: LlamaToken| vocab.text(token).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        let (bos, eos) = (known(vocab.bos()).map(text), known(vocab.eos()).map(text));
        let template = llama.chat_template(None).ok().and_then(|template| template.to_string().ok());
        let template = ChatTemplate::new(template.as_deref(), bos.unwrap_or_default(), eos.unwrap_or_default())
            .inspect_err(|error| tracing::warn!(%error, "chat template does not parse"))
            .ok();
        let pieces: Vec<Vec<u8>> = vocab.tokens().map(|token| vocab.token_to_piece(token, false, None)).collect();
        let control_texts: Vec<String> = vocab.tokens().filter(|&t| vocab.is_control(t)).map(text).collect();
        let controls = Controls::new(control_texts.iter().map(String::as_str));
        let longest_piece_bytes = vocab.tokens().map(|t| text(t).len()).max().unwrap_or(1).max(1);
        let end_tokens = vocab.tokens().filter(|&t| vocab.is_eog(t)).map(|t| t.0).collect();
        Ok(Self {
            template,
            trained_context_tokens: llama.n_ctx_train(),
            pooling: pooling(&llama),
            pieces,
            controls,
            end_tokens,
            longest_piece_bytes,
            llama,
            backend,
        })
    }

    /// The tokens of `text`. With `add_special`, those that the model wants around a prompt (mostly a first token) are
    /// added; with `parse_special`, the texts of control tokens become those tokens.
    pub fn tokenize(&self, text: &str, add_special: bool, parse_special: bool) -> Vec<Token> {
        let tokens = self.llama.vocab().tokenize(text.as_bytes(), add_special, parse_special);
        tokens.into_iter().map(|token| token.0).collect()
    }

    /// The tokens of a rendered conversation, its segments tokenised one by one.
    pub fn tokenize_segments(&self, segments: &[Segment]) -> Vec<Token> {
        let mut tokens = Vec::new();
        for (index, segment) in segments.iter().enumerate() {
            let add_special = index == 0 && !segment.has_first_token;
            tokens.extend(self.tokenize(&segment.text, add_special, true));
        }
        tokens
    }

    /// The fewest tokens that `bytes` of text can become: a quick check before real work on very long text.
    pub const fn fewest_tokens(&self, bytes: usize) -> usize {
        bytes / self.longest_piece_bytes
    }

    /// The bytes that `token` stands for; none for control tokens.
    pub fn piece(&self, token: Token) -> &[u8] {
        usize::try_from(token).ok().and_then(|at| self.pieces.get(at)).map_or(&[], Vec::as_slice)
    }

    /// The vocabulary as grammars want it.
    pub fn tokens(&self) -> Tokens {
        let vocab = self.llama.vocab();
        let number = |token: Token| u32::try_from(token).ok();
        let controls = vocab.tokens().filter(|&token| self.piece(token.0).is_empty()).filter_map(|token| {
            let text = vocab.token_to_piece(token, true, None);
            Some((number(token.0)?, String::from_utf8_lossy(&text).into_owned())).filter(|(_, text)| !text.is_empty())
        });
        let controls = controls.collect();
        let ends = self.end_tokens.iter().filter_map(|&token| number(token)).collect();
        Tokens { pieces: self.pieces.clone(), controls, ends }
    }

    /// How many tokens the vocabulary has.
    pub fn vocabulary(&self) -> usize {
        self.pieces.len()
    }

    /// The texts of control tokens.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    /// The tokens that end an answer.
    pub fn end_tokens(&self) -> &[Token] {
        &self.end_tokens
    }
}

/// llama.cpp says "no such token" as −1.
fn known(token: LlamaToken) -> Option<LlamaToken> {
    (token.0 >= 0).then_some(token)
}

fn check_magic(path: &Path) -> Result<(), LoadError> {
    let shown = path.display().to_string();
    let read = |source| LoadError::Read { path: shown.clone(), source };
    let mut magic = Vec::with_capacity(4);
    File::open(path).map_err(read)?.take(4).read_to_end(&mut magic).map_err(read)?;
    if magic == b"GGUF" { Ok(()) } else { Err(LoadError::NotGguf { path: shown }) }
}

/// GGUF's `<architecture>.pooling_type`: 1 mean, 2 first token, 3 last token.
fn pooling(llama: &LlamaModel) -> Pooling {
    let architecture = llama.meta_val_str("general.architecture").unwrap_or_default();
    match llama.meta_val_str(&format!("{architecture}.pooling_type")).as_deref() {
        Ok("2") => Pooling::First,
        Ok("3") => Pooling::Last,
        _ => Pooling::Mean,
    }
}
