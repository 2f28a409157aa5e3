//! `GET /v1/models`.

use serde::{Deserialize, Serialize};

/// The models that can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelList {
    /// Always `list`.
    pub object: String,
    /// One entry a model.
    pub data: Vec<ModelEntry>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// The name to ask for.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// When it was made known, in seconds since the Unix epoch.
    pub created: i64,
    /// Who serves it.
    pub owned_by: String,
}

impl ModelList {
    /// A list of `(id, created)` served by `owner`.
    #[must_use]
    pub fn new(models: impl IntoIterator<Item = (String, i64)>, owner: &str) -> Self {
        let entry = |(id, created)| ModelEntry { id, object: "model".to_owned(), created, owned_by: owner.to_owned() };
        Self { object: "list".to_owned(), data: models.into_iter().map(entry).collect() }
    }
}
