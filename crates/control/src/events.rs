//! What happened to a deployment and why: a journal for each, read in bounded pages.

use domain::text::{PROBLEM_MAX_CHARS, printable};
use domain::{Name, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state::{Entry, Store, StoreError, Write};

/// One decision or happening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What was decided or happened.
    pub what: String,
    /// Why.
    pub why: String,
}

/// The journal of a deployment's events. One deleted and made again under the same name goes on in the same journal.
#[must_use]
pub fn journal_of(deployment: &Name) -> String {
    format!("deployment/{deployment}")
}

/// The write that records an event.
pub fn record(deployment: &Name, event: &Event) -> Result<Write, StoreError> {
    // What happened is told in the words of clouds and callers.
    let text = |text: &str| printable(text, PROBLEM_MAX_CHARS).into_owned();
    let event = Event { at: event.at, what: text(&event.what), why: text(&event.why) };
    let body = serde_json::to_string(&event).map_err(|e| StoreError::Invalid(format!("an event: {e}")))?;
    Ok(Write::Append { journal: journal_of(deployment), body })
}

/// Events from `offset` on, at most `limit`, with their offsets.
pub async fn read(
    store: &dyn Store,
    deployment: &Name,
    offset: u64,
    limit: usize,
) -> Result<Vec<(u64, Event)>, StoreError> {
    let journal = journal_of(deployment);
    store.read_journal(&journal, offset, limit).await?.into_iter().map(|entry| decode(&journal, entry)).collect()
}

/// The latest events, at most `limit`, oldest first.
pub async fn read_latest(store: &dyn Store, deployment: &Name, limit: usize) -> Result<Vec<(u64, Event)>, StoreError> {
    let length = length_of(store, &journal_of(deployment)).await?;
    read(store, deployment, length.saturating_sub(limit as u64), limit).await
}

/// Entries in a journal. Offsets have no gaps, so the end is found by halving, in a number of reads that grows with the
/// logarithm of the length.
async fn length_of(store: &dyn Store, journal: &str) -> Result<u64, StoreError> {
    let (mut low, mut high) = (0_u64, 1_u64);
    while exists(store, journal, high - 1).await? {
        low = high;
        high = high.saturating_mul(2);
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if exists(store, journal, middle).await? { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

async fn exists(store: &dyn Store, journal: &str, offset: u64) -> Result<bool, StoreError> {
    Ok(!store.read_journal(journal, offset, 1).await?.is_empty())
}

fn decode(journal: &str, entry: Entry) -> Result<(u64, Event), StoreError> {
    let event = serde_json::from_str(&entry.body).map_err(|cause| StoreError::Corrupt {
        kind: "journal".to_owned(),
        name: journal.to_owned(),
        cause: cause.to_string(),
    })?;
    Ok((entry.offset, event))
}
