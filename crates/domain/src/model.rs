//! A registered model: a name, a version, a file and its digest.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::name::{Digest, Name};
use crate::problem::Problem;

/// A model and its version, written `name:version`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ModelRef {
    /// The model.
    pub name: Name,
    /// Its version.
    pub version: Name,
}

impl FromStr for ModelRef {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        let (name, version) = text.split_once(':').ok_or_else(|| {
            Problem::invalid(format!("{text:?} names no version")).next("write it like 'demo:1.0'").at("model")
        })?;
        Ok(Self { name: name.parse()?, version: version.parse()? })
    }
}

impl TryFrom<String> for ModelRef {
    type Error = Problem;
    fn try_from(text: String) -> Result<Self, Problem> {
        text.parse()
    }
}

impl From<ModelRef> for String {
    fn from(model: ModelRef) -> Self {
        model.to_string()
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.version)
    }
}

/// A registered model. Immutable but for its tags: another file is another version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    /// Name and version.
    pub reference: ModelRef,
    /// The GGUF file.
    pub path: PathBuf,
    /// Digest of the file's bytes.
    pub digest: Digest,
    /// Size of the file.
    pub size_bytes: u64,
    /// The architecture that the file names, such as `llama`.
    pub architecture: String,
    /// The context window that the model was trained for, in tokens.
    pub context_tokens: u32,
    /// Parameters, when the file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// Bytes that the keys and values of one token take at 16 bits, when the file says what decides them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_bytes_per_token: Option<u64>,
    /// Whatever else the file or the user says of it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Free labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// When it was registered.
    pub registered_at: Timestamp,
}
