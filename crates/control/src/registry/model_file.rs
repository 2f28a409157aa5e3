//! A model file as it is found: what it says of itself, whether it is whole, and its digest.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use domain::{Digest, Problem};
use llm::context::{GgufError, Metadata, Tensors};
use sha2::{Digest as _, Sha256};

/// Architectures of the LLaMA family that llama.cpp serves and that are tried here.
pub const ARCHITECTURES: [&str; 8] = ["llama", "llama4", "mistral", "mistral3", "qwen2", "qwen3", "gemma2", "gemma3"];

/// As much of a file is read for its head at first, in bytes; twice as much each time that this is too little.
const HEAD_BYTES: u64 = 1 << 20;
/// The longest head that is read, in bytes. Large vocabularies take some tens of megabytes.
const HEAD_MAX_BYTES: u64 = 256 << 20;

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
    let (metadata, tensors) = whole_head(&mut file, path, size_bytes)?;
    let architecture = metadata.architecture().filter(|name| !name.is_empty()).ok_or_else(|| {
        Problem::invalid(format!("{} names no architecture", path.display()))
            .next("convert it again with llama.cpp's converter")
            .at("path")
    })?;
    let context_tokens = metadata.context_tokens().and_then(|tokens| u32::try_from(tokens).ok());
    let context_tokens = context_tokens.filter(|tokens| *tokens > 0).ok_or_else(|| {
        Problem::invalid(format!("{} does not say how long its context is", path.display()))
            .next(format!("it needs the metadata {architecture}.context_length"))
            .at("path")
    })?;
    Ok(ModelFile {
        digest: digest(&mut file).map_err(|error| unreadable(path, &error))?,
        size_bytes,
        context_tokens,
        parameters: Some(tensors.parameters).filter(|count| *count > 0),
        title: metadata.text("general.name").filter(|title| !title.is_empty()).map(str::to_owned),
        architecture: architecture.to_owned(),
    })
}

/// Whether the file at `path` is a GGUF file with all of its tensors. Reads its head alone; problems call it `called`.
pub fn check_whole(path: &Path, called: &Path) -> Result<(), Problem> {
    let mut file = open(path)?;
    let size_bytes = file.metadata().map_err(|error| unreadable(called, &error))?.len();
    whole_head(&mut file, called, size_bytes).map(drop)
}

/// The head of a file that has all of its tensors.
fn whole_head(file: &mut File, path: &Path, size_bytes: u64) -> Result<(Metadata, Tensors), Problem> {
    let (metadata, tensors) = head(file, path, size_bytes)?;
    if tensors.ends_at <= size_bytes {
        return Ok((metadata, tensors));
    }
    let (name, end) = (path.display(), tensors.ends_at);
    let cause = format!("{name} is truncated: it has {size_bytes} bytes, and its tensors reach to byte {end}");
    Err(Problem::invalid(cause).next("download or copy it again").at("path"))
}

/// The file's head: read until it is whole.
fn head(file: &mut File, path: &Path, size_bytes: u64) -> Result<(Metadata, Tensors), Problem> {
    let mut bytes = Vec::new();
    let mut wanted = HEAD_BYTES;
    loop {
        let missing = wanted.saturating_sub(bytes.len() as u64);
        file.by_ref().take(missing).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
        match Tensors::parse(&bytes) {
            Err(GgufError::Truncated) if (bytes.len() as u64) < size_bytes && wanted < HEAD_MAX_BYTES => wanted *= 2,
            outcome => return outcome.map_err(|error| not_a_model(path, &error)),
        }
    }
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
    file.rewind()?;
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

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let cause = format!("{} cannot be read: {error}", path.display());
    Problem::invalid(cause).next("check the path and its permissions").at("path")
}

fn not_a_model(path: &Path, error: &GgufError) -> Problem {
    let next = match error {
        GgufError::NotGguf => "name a GGUF file; other formats are converted with llama.cpp's converter",
        GgufError::Version(_) => "convert the model again with a current converter",
        GgufError::Truncated | GgufError::Invalid(_) => "download or copy it again",
    };
    Problem::invalid(format!("{} cannot be served: {error}", path.display())).next(next).at("path")
}
