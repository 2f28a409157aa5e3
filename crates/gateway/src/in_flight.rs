//! One request on one replica, from the choice until the end of its answer: what it teaches is noted when it happens, and
//! whatever way it ends, the replica's load falls with it.

use std::sync::Arc;

use planning::balance::{Answered, Sent};

use crate::choose::Chosen;
use crate::prompt::PromptOutline;
use crate::relay::Usage;
use crate::replica::Replica;
use crate::table::Model;

/// A request on a replica. Dropping it takes it off.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) replica: Arc<Replica>,
    model: Arc<Model>,
    sent: Sent,
    /// Tokens of its prompt, counted or estimated.
    pub(crate) prompt_tokens: u64,
    /// Bytes of its prompt, and leading tokens of it that the replica was believed to hold.
    prompt_bytes: f64,
    held_tokens: u64,
}

impl InFlight {
    /// A request goes to the chosen replica.
    pub(crate) fn begin(model: &Arc<Model>, chosen: &Chosen, outline: &PromptOutline) -> Self {
        let replica = Arc::clone(&chosen.seat(model).replica);
        let fleet = *model.fleet.lock();
        let prompt = outline.prompt(&fleet);
        replica.entered();
        let sent = replica.note(|ledger, now| ledger.send(&prompt, &chosen.offer, now));
        Self {
            replica,
            model: Arc::clone(model),
            sent,
            prompt_tokens: u64::from(prompt.tokens),
            prompt_bytes: outline.bytes as f64,
            held_tokens: u64::from(chosen.offer.outlook.cached_tokens),
        }
    }

    /// Its first content came.
    pub(crate) fn first_token(&mut self) {
        let sent = &mut self.sent;
        self.replica.note(|ledger, now| ledger.first_token(sent, now));
    }

    /// It was answered to its end, with such a usage if the replica told any.
    pub(crate) fn answered(&mut self, usage: Option<Usage>) {
        self.replica.succeeded();
        let said = usage.map_or_else(Answered::default, |usage| Answered {
            prompt_tokens: Some(usage.prompt_tokens as f64),
            cached_tokens: usage.cached_tokens().map(|tokens| tokens as f64),
            output_tokens: usage.completion_tokens as f64,
        });
        let (sent, model) = (&mut self.sent, &self.model);
        let bytes = self.prompt_bytes;
        self.replica.note(|ledger, now| {
            // Always in this order: a replica's record, then its fleet.
            let mut fleet = model.fleet.lock();
            fleet.counted(said.prompt_tokens.unwrap_or_default(), bytes);
            ledger.answered(sent, &said, &mut fleet, now);
        });
        self.model.meter.prefix(self.held_tokens, usage.and_then(|usage| usage.cached_tokens()));
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.replica.left();
        let sent = &mut self.sent;
        self.replica.note(|ledger, _| ledger.settle(sent));
    }
}
