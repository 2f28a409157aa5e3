//! An answer on its way from the engine to a response.

use domain::Problem;
use llm::openai::Usage;
use tokio::sync::mpsc;

use super::error::ApiError;
use crate::engine::answer::Delta;
use crate::engine::gate::Refusal;
use crate::engine::request::{Event, Finished};

/// What every chunk of an answer repeats.
#[derive(Debug, Clone)]
pub struct Head {
    /// The answer's id.
    pub id: String,
    /// When it began, in seconds since the Unix epoch.
    pub created: i64,
    /// The model's name.
    pub model: String,
    /// What serves it.
    pub fingerprint: String,
}

/// A whole answer.
#[derive(Debug)]
pub struct Whole {
    /// Its text.
    pub delta: Delta,
    /// How it ended.
    pub finished: Finished,
}

/// Waits for the first event. A failure before any text is an error with its own status, so that whoever routes can
/// still try elsewhere.
pub async fn first(events: &mut mpsc::Receiver<Event>) -> Result<Event, ApiError> {
    match events.recv().await {
        Some(Event::Failed(problem)) => Err(problem.into()),
        Some(event) => Ok(event),
        None => Err(Refusal::Stopped.into()),
    }
}

/// Gathers everything up to the end.
pub async fn whole(first: Event, mut events: mpsc::Receiver<Event>) -> Result<Whole, ApiError> {
    let mut all = Delta::default();
    let mut next = Some(first);
    while let Some(event) = next {
        match event {
            Event::Delta(delta) => all.append(delta),
            Event::Finished(finished) => return Ok(Whole { delta: all, finished }),
            Event::Failed(problem) => return Err(problem.into()),
        }
        next = events.recv().await;
    }
    Err(Problem::internal("the engine stopped in the middle of the answer").into())
}

/// The usage of a finished answer.
pub const fn usage(finished: &Finished) -> Usage {
    Usage::generation(finished.prompt_tokens as u64, finished.completion_tokens as u64, finished.cached_tokens as u64)
}
