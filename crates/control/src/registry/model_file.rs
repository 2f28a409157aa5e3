//! A model file as it is found: what it says of itself, whether it is whole, and its digest.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use domain::text::{LABEL_MAX_CHARS, printable};
use domain::{Digest, Problem};
use files::FileError;
use llm::context::{GgufError, Metadata, Tensors};
use planning::gpu::{ModelShape, Precision};
use sha2::{Digest as _, Sha256};

/// Architectures of the LLaMA family that llama.cpp serves and that are tried here.
pub const ARCHITECTURES: [&str; 8] = ["llama", "llama4", "mistral", "mistral3", "qwen2", "qwen3", "gemma2", "gemma3"];

/// As much of a file is read for its head at first, in bytes; twice as much each time that this is too little.
const HEAD_BYTES: u64 = 1 << 20;
/// The longest head that is read, in bytes. Large vocabularies take some tens of megabytes.
const HEAD_MAX_BYTES: u64 = 256 << 20;

/// Longest name of an architecture, in bytes.
const ARCHITECTURE_MAX_BYTES: usize = 64;

/// What a model file says and is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelFile {
    pub digest: Digest,
    pub size_bytes: u64,
    pub architecture: String,
    pub context_tokens: u32,
    pub parameters: Option<u64>,
    pub cache_bytes_per_token: Option<u64>,
    /// The name that the file gives itself.
    pub title: Option<String>,
}

/// Reads the file at `path` from end to end. Blocks for as long as the disk takes, or until `stop` says to give up: it is
/// asked every megabyte.
pub(crate) fn inspect(path: &Path, stop: &dyn Fn() -> Option<Problem>) -> Result<ModelFile, Problem> {
    let mut file = open(path)?;
    let size_bytes = file.metadata().map_err(|error| unreadable(path, &error))?.len();
    let (metadata, tensors) = whole_head(&mut file, path, size_bytes)?;
    let architecture = architecture(&metadata, path)?;
    let context_tokens = metadata.context_tokens().and_then(|tokens| u32::try_from(tokens).ok());
    let context_tokens = context_tokens.filter(|tokens| *tokens > 0).ok_or_else(|| {
        Problem::invalid(format!("{} does not say how long its context is", path.display()))
            .next(format!("it needs the metadata {architecture}.context_length"))
            .at("path")
    })?;
    Ok(ModelFile {
        digest: digest(&mut file, path, size_bytes, stop)?,
        size_bytes,
        context_tokens,
        cache_bytes_per_token: cache_bytes_per_token(&metadata, &architecture),
        parameters: Some(tensors.parameters).filter(|count| *count > 0),
        title: metadata.text("general.name").map(|title| printable(title, LABEL_MAX_CHARS).into_owned()),
        architecture,
    })
}

/// The architecture that the file names: a short word, as in every file that some program can serve.
fn architecture(metadata: &Metadata, path: &Path) -> Result<String, Problem> {
    let name = metadata.architecture().unwrap_or_default();
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let cause = if name.is_empty() {
        format!("{} names no architecture", path.display())
    } else if name.len() > ARCHITECTURE_MAX_BYTES || !name.chars().all(is_word) {
        format!("{} names an architecture that is no short word: '{}'", path.display(), printable(name, 40))
    } else {
        return Ok(name.to_owned());
    };
    Err(Problem::invalid(cause).next("convert it again with llama.cpp's converter").at("path"))
}

/// Bytes of keys and values for one token at 16 bits, as llama.cpp keeps them, when the file says what decides them
/// (ggml, `docs/gguf.md`): layers, heads of keys and values (as many as query heads unless said), and how wide they are
/// (the embedding split between the query heads unless said).
fn cache_bytes_per_token(metadata: &Metadata, architecture: &str) -> Option<u64> {
    let number = |key: &str| metadata.unsigned(&format!("{architecture}.{key}"));
    let layers = number("block_count")?;
    let heads = number("attention.head_count");
    // Where layers differ the file lists their heads one by one; the most of any counts for each.
    let listed = metadata.numbers(&format!("{architecture}.attention.head_count_kv"));
    let most = listed.map(|heads| heads.iter().fold(0.0_f64, |most, heads| most.max(*heads)) as u64);
    let kv_heads = number("attention.head_count_kv").or(most).or(heads)?;
    let split = || Some(number("embedding_length")? / heads.filter(|heads| *heads > 0)?);
    let key = number("attention.key_length").or_else(split)?;
    let value = number("attention.value_length").or_else(split)?;
    let head_width = key.saturating_add(value).div_ceil(2);
    let shape =
        ModelShape { parameters: 0, weights: Precision::Half, layers, kv_heads, head_width, cache: Precision::Half };
    Some(shape.cache_bytes_per_token()).filter(|bytes| *bytes > 0)
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

/// Opens a plain file. A FIFO, a device or a folder is refused, and never waited for.
fn open(path: &Path) -> Result<File, Problem> {
    files::open_plain(path).map_err(|error| match error {
        FileError::Io { cause, .. } => unreadable(path, &cause),
        _ => Problem::invalid(format!("{} is not a file", path.display())).next("name a plain GGUF file").at("path"),
    })
}

/// SHA-256 of the file, in pieces of a megabyte. One that changes its size meanwhile is refused, so that this ends.
fn digest(
    file: &mut File,
    path: &Path,
    size_bytes: u64,
    stop: &dyn Fn() -> Option<Problem>,
) -> Result<Digest, Problem> {
    file.rewind().map_err(|error| unreadable(path, &error))?;
    let (mut hasher, mut seen) = (Sha256::new(), 0_u64);
    let mut piece = vec![0; 1 << 20];
    loop {
        if let Some(problem) = stop() {
            return Err(problem);
        }
        let read = file.read(&mut piece).map_err(|error| unreadable(path, &error))?;
        seen += read as u64;
        if seen > size_bytes || (read == 0 && seen < size_bytes) {
            let cause = format!("{} changed while it was read", path.display());
            return Err(Problem::invalid(cause).next("register it when it is whole").at("path"));
        }
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

#[cfg(test)]
mod tests {
    use llm::context::gguf::Value;

    use super::*;

    fn cache(entries: &[(&str, Value)]) -> Option<u64> {
        let entries = entries.iter().map(|(key, value)| (format!("llama.{key}"), value.clone())).collect();
        cache_bytes_per_token(&Metadata { entries, ..Metadata::default() }, "llama")
    }

    #[test]
    fn the_cache_of_a_token_by_what_the_file_says() {
        let (layers, heads) = (("block_count", Value::Unsigned(32)), ("attention.head_count", Value::Unsigned(32)));
        let (shared, width) =
            (("attention.head_count_kv", Value::Unsigned(8)), ("embedding_length", Value::Unsigned(4_096)));
        let listed = ("attention.head_count_kv", Value::Numbers(vec![0.0, 8.0, 4.0]));
        let (key, value) =
            (("attention.key_length", Value::Unsigned(64)), ("attention.value_length", Value::Unsigned(128)));
        let (layers, heads, shared, width) = (&layers, &heads, &shared, &width);
        let of = |entries: &[&(&str, Value)]| cache(&entries.iter().map(|entry| (*entry).clone()).collect::<Vec<_>>());
        assert_eq!(of(&[layers, heads, shared, width]), Some(2 * 32 * 8 * 128 * 2), "128 KiB: Llama 3 8B");
        assert_eq!(of(&[layers, heads, width]), Some(2 * 32 * 32 * 128 * 2), "every head has its own");
        assert_eq!(of(&[layers, heads, &listed, width]), Some(2 * 32 * 8 * 128 * 2), "the most of any layer");
        assert_eq!(of(&[layers, shared, &key, &value]), Some(32 * 8 * (64 + 128) * 2), "widths that the file says");
        assert_eq!(of(&[layers, heads]), None, "how wide a head is cannot be told");
        assert_eq!(of(&[heads, width]), None);
        assert_eq!(of(&[layers, &("attention.head_count", Value::Unsigned(0)), width]), None);
    }
}
