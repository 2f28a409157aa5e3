//! A model file as it is found: what it says of itself, whether it is whole, and its digest.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use domain::{Digest, Problem};
use sha2::{Digest as _, Sha256};

use super::gguf_header::{Header, HeaderError, Value, read_header};

/// Architectures of the LLaMA family that llama.cpp serves and that are tried here.
pub const ARCHITECTURES: [&str; 8] = ["llama", "llama4", "mistral", "mistral3", "qwen2", "qwen3", "gemma2", "gemma3"];

/// What a model file says and is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelFile {
    pub digest: Digest,
    pub size_bytes: u64,
    pub architecture: String,
    pub context_tokens: u32,
    pub parameters: Option<u64>,
    /// The name that the file gives itself.
    pub title: Option<String>,
}

/// Reads the file at `path` from end to end. Blocks for as long as the disk takes.
pub(crate) fn inspect(path: &Path) -> Result<ModelFile, Problem> {
    let mut file = open(path)?;
    let size_bytes = file.metadata().map_err(|error| unreadable(path, &error))?.len();
    let header = read_header(BufReader::new(&file)).map_err(|error| not_a_model(path, &error))?;
    if size_bytes < header.ends_at {
        let cause = format!(
            "{} is truncated: it has {size_bytes} bytes, and its tensors reach to byte {}",
            path.display(),
            header.ends_at
        );
        return Err(Problem::invalid(cause).next("download or copy it again").at("path"));
    }
    let architecture = text(&header, "general.architecture").ok_or_else(|| {
        Problem::invalid(format!("{} names no architecture", path.display()))
            .next("convert it again with llama.cpp's converter")
            .at("path")
    })?;
    let context_tokens = context_tokens(&header, &architecture).ok_or_else(|| {
        Problem::invalid(format!("{} does not say how long its context is", path.display()))
            .next(format!("it needs the metadata {architecture}.context_length"))
            .at("path")
    })?;
    file.rewind().map_err(|error| unreadable(path, &error))?;
    Ok(ModelFile {
        digest: digest(&mut file).map_err(|error| unreadable(path, &error))?,
        size_bytes,
        context_tokens,
        parameters: Some(header.parameters).filter(|count| *count > 0),
        title: text(&header, "general.name"),
        architecture,
    })
}

fn open(path: &Path) -> Result<File, Problem> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    if is_file {
        return Ok(file);
    }
    Err(Problem::invalid(format!("{} is not a file", path.display())).next("name a GGUF file").at("path"))
}

/// SHA-256 of the file, in pieces of a megabyte.
fn digest(file: &mut File) -> std::io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(Digest::from_sha256(&hasher.finalize().into()));
        }
        hasher.update(&piece[..read]);
    }
}

fn text(header: &Header, key: &str) -> Option<String> {
    match header.metadata.get(key)? {
        Value::Text(text) if !text.is_empty() => Some(text.clone()),
        Value::Text(_) | Value::Unsigned(_) => None,
    }
}

fn context_tokens(header: &Header, architecture: &str) -> Option<u32> {
    match header.metadata.get(&format!("{architecture}.context_length"))? {
        Value::Unsigned(tokens) => u32::try_from(*tokens).ok().filter(|tokens| *tokens > 0),
        Value::Text(_) => None,
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let cause = format!("{} cannot be read: {error}", path.display());
    Problem::invalid(cause).next("check the path and its permissions").at("path")
}

fn not_a_model(path: &Path, error: &HeaderError) -> Problem {
    let next = match error {
        HeaderError::Magic => "name a GGUF file; other formats are converted with llama.cpp's converter",
        HeaderError::Version(_) => "convert the model again with a current converter",
        HeaderError::Truncated | HeaderError::Broken(_) => "download or copy it again",
        HeaderError::Io(_) => "check the disk",
    };
    Problem::invalid(format!("{} is no GGUF file that can be served: {error}", path.display())).next(next).at("path")
}
