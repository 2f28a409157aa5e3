//! One sequence of the context: what it holds from before, and the request that runs in it.

use std::time::Instant;

use domain::Problem;
use llm::openai::FinishReason;
use tokio::sync::mpsc::error::TrySendError;

use super::answer::{Answer, Delta};
use super::logprobs::TokenLogprobs;
use super::prefix::{Salt, SlotView, Token};
use super::request::{Event, Finished, Generation};
use super::share;
use crate::constraint::matcher::Constraint;

/// A slot.
#[derive(Default)]
pub struct Slot {
    /// All tokens of the sequence that are known.
    tokens: Vec<Token>,
    /// How many of them, from the first, are computed and in the cache.
    computed: usize,
    /// Whose tokens they are.
    salt: Salt,
    last_used: u64,
    running: Option<Running>,
}

/// The request that runs in a slot.
struct Running {
    generation: Generation,
    answer: Answer,
    /// Text that waits for the end, when the request does not stream.
    gathered: Delta,
    arrival: u64,
    cached_tokens: usize,
    generated: usize,
    first_token: Option<Instant>,
    /// Whether a stop text ended the answer: what came after it is not sent.
    stopped: bool,
    form: FormCost,
}

/// What the form of an answer costs, in microseconds of processor time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormCost {
    /// The account by which turns are given: it begins level with that of the others.
    pub account_us: u64,
    /// All of it.
    pub spent_us: u64,
    /// Its last token.
    pub last_us: u64,
}

/// What a slot says after a token came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    Running,
    /// It is finished.
    Finished(FinishReason),
    /// Nobody reads the answer any more.
    Abandoned,
}

impl Slot {
    /// How the choice of a slot sees this one.
    pub fn view(&self) -> SlotView<'_> {
        let cached = self.tokens.get(..self.computed).unwrap_or_default();
        SlotView { idle: self.running.is_none(), cached, salt: &self.salt, last_used: self.last_used }
    }

    /// Whether a request runs here.
    pub const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Begins `generation`, whose first `reused` tokens are in the cache already.
    /// `account_us` is where the account of its form begins.
    pub fn start(&mut self, generation: Generation, reused: usize, arrival: u64, account_us: u64) {
        self.tokens.clone_from(&generation.prompt);
        self.salt.clone_from(&generation.salt);
        self.computed = reused;
        self.last_used = arrival;
        let answer = Answer::new(generation.stops.clone());
        self.running = Some(Running {
            generation,
            answer,
            gathered: Delta::default(),
            arrival,
            cached_tokens: reused,
            generated: 0,
            first_token: None,
            stopped: false,
            form: FormCost { account_us, spent_us: 0, last_us: 0 },
        });
    }

    /// Tokens that are not computed yet, and the place in the order of arrival, of the request that runs here.
    pub fn pending(&self) -> Option<(usize, u64)> {
        self.running.as_ref().map(|running| (self.tokens.len() - self.computed, running.arrival))
    }

    /// The next `count` tokens to compute, with the position of the first.
    pub fn next_tokens(&self, count: usize) -> (usize, &[Token]) {
        (self.computed, self.tokens.get(self.computed..self.computed + count).unwrap_or_default())
    }

    /// How many tokens are computed.
    pub const fn computed(&self) -> usize {
        self.computed
    }

    /// Notes that `count` more tokens are computed. Returns how many of them were the prompt's.
    pub fn note_computed(&mut self, count: usize) -> usize {
        let prompt = self.running.as_ref().map_or(0, |running| running.generation.prompt.len());
        let of_prompt = prompt.saturating_sub(self.computed).min(count);
        self.computed += count;
        of_prompt
    }

    /// What the form of the answer here costs; none without a form.
    pub fn form(&self) -> Option<FormCost> {
        self.running.as_ref().filter(|running| running.generation.sampler.form().is_some()).map(|running| running.form)
    }

    /// Notes that a token cost the form `us` microseconds. Says why the answer ends when that is too much.
    pub fn note_form(&mut self, us: u64) -> Option<Problem> {
        let running = self.running.as_mut()?;
        let form = &mut running.form;
        form.account_us = form.account_us.saturating_add(us);
        form.spent_us = form.spent_us.saturating_add(us);
        form.last_us = us;
        let exceeds = share::exceeds(form.spent_us, us, running.generated as u64);
        exceeds.then(|| running.generation.sampler.form().map(Constraint::too_slow)).flatten()
    }

    /// The request that runs here.
    pub fn generation(&mut self) -> Option<&mut Generation> {
        self.running.as_mut().map(|running| &mut running.generation)
    }

    /// Whether the client has left.
    pub fn is_abandoned(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.generation.reply.is_closed())
    }

    /// Adds a drawn token: `piece` are its bytes, `ends` says that it ends the answer, `room` that the context has
    /// room for it.
    pub fn advance(
        &mut self,
        token: Token,
        piece: &[u8],
        ends: bool,
        room: bool,
        logprobs: Option<TokenLogprobs>,
    ) -> Progress {
        let Some(running) = &mut self.running else { return Progress::Abandoned };
        self.tokens.push(token);
        running.generated += 1;
        if running.first_token.is_none() {
            running.first_token = Some(Instant::now());
        }
        if ends {
            return Progress::Finished(FinishReason::Stop);
        }
        let (delta, stopped) = running.answer.push(piece, logprobs);
        let sent = running.send(delta);
        running.stopped = stopped;
        if stopped {
            Progress::Finished(FinishReason::Stop)
        } else if !sent {
            Progress::Abandoned
        } else if running.generated >= running.generation.max_tokens || !room {
            Progress::Finished(FinishReason::Length)
        } else {
            Progress::Running
        }
    }

    /// Ends the request with `reason`, and keeps what is computed for the next.
    pub fn finish(&mut self, reason: FinishReason) -> Option<Finished> {
        let mut running = self.running.take()?;
        self.tokens.truncate(self.computed);
        if !running.stopped {
            let rest = running.answer.finish();
            running.gathered.append(rest);
        }
        let last = std::mem::take(&mut running.gathered);
        if !last.is_empty() {
            running.deliver(Event::Delta(last));
        }
        let finished = Finished {
            reason,
            prompt_tokens: running.generation.prompt.len(),
            cached_tokens: running.cached_tokens,
            completion_tokens: running.generated,
        };
        running.deliver(Event::Finished(finished));
        Some(finished)
    }

    /// Ends the request without an answer: the client has left, or `problem` says why.
    pub fn abort(&mut self, problem: Option<Problem>) {
        if let Some(running) = self.running.take()
            && let Some(problem) = problem
        {
            running.deliver(Event::Failed(problem));
        }
        self.tokens.truncate(self.computed);
    }

    /// Forgets what is computed; the caller has cleared the cache.
    pub fn forget(&mut self) {
        self.tokens.clear();
        self.computed = 0;
    }

    /// When the request arrived, once its first token has just come.
    pub fn first_token_now(&self) -> Option<f64> {
        let running = self.running.as_ref().filter(|running| running.generated == 1)?;
        running.first_token.map(|at| at.duration_since(running.generation.arrived).as_secs_f64())
    }
}

impl Running {
    /// Sends or gathers a delta; false when nobody reads.
    fn send(&mut self, delta: Delta) -> bool {
        if !self.generation.stream {
            self.gathered.append(delta);
            return !self.generation.reply.is_closed();
        }
        delta.is_empty() || self.deliver(Event::Delta(delta))
    }

    /// The channel holds as many events as the request may make tokens, so that it is never full.
    fn deliver(&self, event: Event) -> bool {
        match self.generation.reply.try_send(event) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(_)) => {
                tracing::error!("answer channel is full");
                false
            }
        }
    }
}
