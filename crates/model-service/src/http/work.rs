//! Work of a caller's size, done apart from the threads that carry bytes: parsing, rendering, tokenising, writing.

use std::sync::Arc;
use std::time::Duration;

use domain::{Kind, Problem};

use super::Service;
use super::error::ApiError;
use crate::engine::Engine;
use crate::engine::prefix::Token;
use crate::pool::{Pool, PoolError};

/// Threads of each lane, and how many pieces of work wait for them.
const THREADS: usize = 2;
const QUEUE: usize = 256;
/// The longest wait for a turn, and the longest work.
const LIMIT: Duration = Duration::from_secs(20);
/// Text up to this length is worked on at once.
pub const QUICK_BYTES: usize = 2 * 1024;
/// Text beyond this length waits in a lane of its own, where it delays only its like.
const LONG_BYTES: usize = 32 * 1024;

/// Where the work is done: two lanes, so that what is short does not wait for what is long.
pub struct Lanes {
    short: Pool,
    long: Pool,
}

impl Lanes {
    /// Starts the threads.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { short: Pool::new("short", THREADS, QUEUE)?, long: Pool::new("long", THREADS, QUEUE)? })
    }
}

impl Service {
    /// Runs `work` on the `bytes` of `field`. It does not begin when the caller has left before its turn.
    pub async fn apart<T: Send + 'static>(
        &self,
        field: &str,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let lane = if bytes > LONG_BYTES { &self.lanes.long } else { &self.lanes.short };
        lane.run(LIMIT, work).await.map_err(|error| match error {
            PoolError::Busy => {
                Problem::new(Kind::Overloaded, "too much work waits here").next("try again later").retry_after_ms(1_000)
            }
            PoolError::Late(limit) => {
                Problem::invalid(format!("{field} takes longer than {limit:?} to read")).next("send less").at(field)
            }
            PoolError::Failed => Problem::internal(format!("{field} could not be read")),
        })
    }
}

/// Runs `work`, which tokenises `bytes` of text of `field`. Text that cannot fit into the context is refused without it.
pub async fn tokenizing<T: Send + 'static>(
    service: &Arc<Service>,
    field: &'static str,
    bytes: usize,
    work: impl FnOnce(&Engine) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let engine = service.engine()?;
    fits(engine, field, bytes)?;
    if bytes <= QUICK_BYTES {
        return Ok(work(engine));
    }
    let shared = Arc::clone(service);
    service.apart(field, bytes, move || shared.engine().map(work)).await?
}

/// Refuses text that must have more tokens than the context holds.
pub fn fits(engine: &Engine, field: &str, bytes: usize) -> Result<(), ApiError> {
    let fewest = engine.model.fewest_tokens(bytes);
    if fewest > engine.settings.context_tokens as usize {
        return Err(ApiError::context_length(field, fewest, engine.settings.context_tokens));
    }
    Ok(())
}

/// Refuses token ids that the vocabulary does not have, and more of them than the context holds.
pub fn check_tokens(engine: &Engine, tokens: Vec<Token>, field: &str) -> Result<Vec<Token>, ApiError> {
    if tokens.len() > engine.settings.context_tokens as usize {
        return Err(ApiError::context_length(field, tokens.len(), engine.settings.context_tokens));
    }
    let vocabulary = engine.model.vocabulary();
    let known = |token: &Token| usize::try_from(*token).is_ok_and(|token| token < vocabulary);
    match tokens.iter().find(|token| !known(token)) {
        Some(token) => Err(Problem::invalid(format!("{token} is no token of this model")).at(field).into()),
        None => Ok(tokens),
    }
}
