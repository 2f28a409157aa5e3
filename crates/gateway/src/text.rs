//! Vocabulary and chat template of a model, read from its file's head in the background.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use llm::context::{GgufError, Metadata, Reader};
use telemetry::tasks;

use crate::fitting::Places;

/// How much of a file is read at first; the metadata of most fits.
const HEAD_FIRST_BYTES: usize = 1 << 20;
/// How much is read at most.
const HEAD_MAX_BYTES: usize = 256 << 20;

/// A model file's vocabulary and template, once they are read.
#[derive(Debug)]
pub(crate) struct ModelText {
    pub(crate) artifact: PathBuf,
    reader: OnceLock<Reader>,
    /// Its share of the places where conversations are fitted.
    pub(crate) places: Places,
    is_loading: AtomicBool,
}

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Gguf(#[from] GgufError),
    #[error(transparent)]
    Template(#[from] llm::context::FormatError),
}

impl ModelText {
    pub(crate) fn of(artifact: &Path) -> Self {
        Self {
            artifact: artifact.to_owned(),
            reader: OnceLock::new(),
            places: Places::default(),
            is_loading: AtomicBool::new(false),
        }
    }

    /// What was read, when it has been.
    pub(crate) fn reader(&self) -> Option<&Reader> {
        self.reader.get()
    }

    /// Starts to read, unless it was read or is being read. A failure is tried again with the next snapshot.
    pub(crate) fn load_in_background(self: &Arc<Self>) {
        if self.reader.get().is_some() || self.is_loading.swap(true, Ordering::AcqRel) {
            return;
        }
        let text = Arc::clone(self);
        tasks::spawn("gateway vocabulary", async move {
            let path = text.artifact.clone();
            match tokio::task::spawn_blocking(move || load(&path)).await {
                Ok(Ok(reader)) => {
                    let is_exact = reader.tokenizer().is_exact();
                    tracing::info!(artifact = %text.artifact.display(), is_exact, "vocabulary read");
                    // Only this task sets it: is_loading is still held.
                    let _ = text.reader.set(reader);
                }
                Ok(Err(error)) => {
                    let artifact = text.artifact.display();
                    tracing::warn!(%error, %artifact, "vocabulary not read: conversations are passed on uncut");
                }
                Err(error) => tracing::warn!(%error, "vocabulary not read"),
            }
            text.is_loading.store(false, Ordering::Release);
        });
    }
}

fn load(path: &Path) -> Result<Reader, LoadError> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    let mut wanted = HEAD_FIRST_BYTES;
    loop {
        let missing = wanted.saturating_sub(head.len()) as u64;
        let read = (&mut file).take(missing).read_to_end(&mut head)?;
        match Metadata::parse(&head) {
            Err(GgufError::Truncated) if read > 0 && wanted < HEAD_MAX_BYTES => wanted *= 2,
            metadata => return Ok(Reader::from_metadata(&metadata?)?),
        }
    }
}
