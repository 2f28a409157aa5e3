//! Fits a conversation into its model's context window.

use std::path::{Path, PathBuf};

use domain::Timestamp;
use http::HeaderMap;

use crate::endpoint::Endpoint;
use crate::refusal::Refusal;
use crate::request::{Edit, Outline};
use crate::table::Model;

/// A model file's vocabulary and template.
#[derive(Debug)]
pub(crate) struct ModelText {
    pub(crate) artifact: PathBuf,
}

impl ModelText {
    pub(crate) fn of(artifact: &Path) -> Self {
        Self { artifact: artifact.to_owned() }
    }
    pub(crate) fn load_in_background(&self) {}
}

#[derive(Default)]
pub(crate) struct Fitted {
    pub(crate) edit: Option<Edit>,
    pub(crate) headers: HeaderMap,
}

pub(crate) async fn fit(
    _model: &Model,
    _endpoint: Endpoint,
    _outline: &Outline,
    _body: &[u8],
    _now: Timestamp,
) -> Result<Fitted, Refusal> {
    Ok(Fitted::default())
}
