//! A form on its way through one answer: which tokens may come next, and when it is complete.
//!
//! Each step's work is bounded by fuel, which `compile` sets; what needs more ends its answer.

use domain::Problem;
use llguidance::toktrie::SimpleVob;
use llguidance::{CancellationHandle, Matcher};

use super::Field;
use super::compile::readable;
use crate::engine::prefix::Token;

/// The tokens that may come next.
pub struct Allowed(SimpleVob);

impl Allowed {
    /// Whether `token` may come.
    pub fn has(&self, token: Token) -> bool {
        u32::try_from(token).is_ok_and(|token| self.0.is_allowed(token))
    }
}

/// One answer's form.
pub struct Constraint {
    matcher: Matcher,
    field: Field,
    vocabulary: usize,
}

impl Constraint {
    /// A form at its beginning.
    pub fn new(matcher: Matcher, field: Field, vocabulary: usize) -> Self {
        Self { matcher: matcher.into_cancellable(), field, vocabulary }
    }

    /// What stops the work on a token, for good.
    pub fn handle(&self) -> CancellationHandle {
        self.matcher.cancellation_handle().unwrap_or_default()
    }

    /// Its work takes more time than one request may take.
    pub fn too_slow(&self) -> Problem {
        self.field.refuse("it takes more work than one request may ask for")
    }

    /// Whether the answer is whole, and nothing can follow.
    pub fn is_complete(&self) -> bool {
        self.matcher.is_stopped() && self.matcher.stop_reason().is_ok()
    }

    /// The tokens that may come next: at least one.
    pub fn allowed(&mut self) -> Result<Allowed, Problem> {
        match self.matcher.compute_mask_or_eos() {
            Ok(mask) if mask.len() >= self.vocabulary => Ok(Allowed(mask)),
            Ok(_) => Err(self.field.refuse("it speaks of another vocabulary")),
            Err(error) => Err(self.field.refuse(readable(&error))),
        }
    }

    /// Goes on with `token`, which was allowed.
    pub fn accept(&mut self, token: Token) -> Result<(), Problem> {
        let token = u32::try_from(token).map_err(|error| self.field.refuse(error))?;
        if self.matcher.is_stopped() {
            return Ok(());
        }
        self.matcher.consume_token(token).map_err(|error| self.field.refuse(readable(&error)))
    }

    /// No token is left: the answer cannot go on.
    pub fn exhausted(&self) -> Problem {
        self.field.refuse("no token may come next")
    }
}
