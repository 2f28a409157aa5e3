//! What the engine is asked for, and what it answers.

use std::time::Instant;

use domain::Problem;
use llm::openai::FinishReason;
use tokio::sync::{mpsc, oneshot};

use super::answer::Delta;
use super::prefix::{Salt, Token};
use super::sampling::Sampler;

/// A request to continue a prompt.
pub struct Generation {
    /// The prompt's tokens: at least one, and fewer than the context holds.
    pub prompt: Vec<Token>,
    /// Whose prompt it is.
    pub salt: Salt,
    /// The most tokens to generate, at least one.
    pub max_tokens: usize,
    /// Texts that end the answer.
    pub stops: Vec<String>,
    /// Draws the tokens.
    pub sampler: Sampler,
    /// How many alternatives come with each token's log probability; `None` leaves log probabilities out.
    pub logprobs: Option<usize>,
    /// Whether the caller named a seed, and so wants the same answer again. Then no prefix is taken over: computing a
    /// prompt in other pieces rounds differently, and a drawn token can fall on the other side.
    pub repeatable: bool,
    /// Whether deltas are sent as they come, or all at once at the end.
    pub stream: bool,
    /// When the request arrived.
    pub arrived: Instant,
    /// Where the answer goes. When its other end is gone, the work stops.
    pub reply: mpsc::Sender<Event>,
}

/// What comes back from a generation: any number of deltas, then `Finished` or `Failed`.
#[derive(Debug)]
pub enum Event {
    /// New text.
    Delta(Delta),
    /// The answer is complete.
    Finished(Finished),
    /// The engine could not go on.
    Failed(Problem),
}

/// How a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Why.
    pub reason: FinishReason,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the prompt that were still computed from before.
    pub cached_tokens: usize,
    /// Tokens generated, one that ended the answer included.
    pub completion_tokens: usize,
}

/// A request for one vector an input.
pub struct Embedding {
    /// The inputs' tokens: each at least one, and at most what the context holds.
    pub inputs: Vec<Vec<Token>>,
    /// Where the vectors go, in order. When its other end is gone, the work stops.
    pub reply: oneshot::Sender<Result<Vec<Vec<f32>>, Problem>>,
}

/// Work for the engine.
pub enum Job {
    /// Continue a prompt.
    Generate(Box<Generation>),
    /// Embed inputs.
    Embed(Embedding),
}

impl Job {
    /// Whether nobody waits for the answer any more.
    pub fn is_abandoned(&self) -> bool {
        match self {
            Self::Generate(generation) => generation.reply.is_closed(),
            Self::Embed(embedding) => embedding.reply.is_closed(),
        }
    }
}
