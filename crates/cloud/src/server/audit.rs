//! The audit journal: an entry for every write that was asked for, whatever became of it, and for a sample of the reads and
//! of the calls that were refused before anything was at stake.

use domain::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use state::{Batch, Store, StoreError, Write};

use crate::contract::canonical;
use crate::contract::envelope::{Envelope, Status};

/// The journal that holds the entries.
pub const JOURNAL: &str = "audit";
/// Longest text taken over from a caller, in characters.
const TEXT_CHARS_MAX: usize = 256;

/// Who asked for what, why, and what became of it. Arguments are held as their digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When the call came in.
    pub at: Timestamp,
    /// Who called.
    pub principal: String,
    /// The tool.
    pub tool: String,
    /// The region, when the call names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Digest of what was asked for.
    pub arguments_digest: String,
    /// Why, as the caller said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The operation, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// What became of it.
    pub status: Option<Status>,
    /// Whether the answer repeated an earlier one.
    #[serde(default)]
    pub replayed: bool,
    /// The code of the problem, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// How many like calls (same caller, tool and outcome) came since the last such entry and have none of their own.
    #[serde(default, skip_serializing_if = "is_none")]
    pub others: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
const fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Entry {
    /// An entry for a call that came in at `at`.
    pub(super) fn starting(principal: &str, tool: &str, arguments: &Value, at: Timestamp) -> Self {
        let text = |name: &str| {
            let text = arguments.get(name).and_then(Value::as_str)?;
            Some(text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect())
        };
        Self {
            at,
            principal: principal.to_owned(),
            tool: tool.to_owned(),
            region: text("region"),
            arguments_digest: canonical::digest(arguments),
            reason: text("reason"),
            operation: None,
            status: None,
            replayed: false,
            code: None,
            duration_ms: 0,
            others: 0,
        }
    }

    /// The entry with what became of it.
    pub(super) fn ending(mut self, envelope: &Envelope<Value>, now: Timestamp) -> Self {
        self.status = Some(envelope.status);
        self.operation = envelope.operation.as_ref().map(|operation| operation.id.clone());
        self.replayed = envelope.operation.as_ref().is_some_and(|operation| operation.replayed);
        self.code = envelope.error.as_ref().map(|problem| problem.code.clone());
        self.duration_ms = now.micros_since(self.at) / 1_000;
        self
    }

    /// The write that appends it.
    pub(super) fn write(&self) -> Result<Write, StoreError> {
        let body = serde_json::to_string(self).map_err(|e| StoreError::Invalid(e.to_string()))?;
        Ok(Write::Append { journal: JOURNAL.to_owned(), body })
    }
}

/// Appends an entry.
pub(super) async fn append(store: &dyn Store, entry: &Entry) -> Result<(), StoreError> {
    store.commit(Batch::new().with(entry.write()?)).await.map(|_| ())
}
