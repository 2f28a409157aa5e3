//! What a sender knows of one replica by what it sent there and what came back: prompts still to be read, prefixes held,
//! how fast it reads and answers.
//!
//! Times are seconds since any moment that the caller keeps to. Nothing here is told by the replica but its usage: what
//! it says of its load is in [`super::Report`].

use super::backlog::Backlog;
use super::forecast::Outlook;
use super::pick::Offer;
use super::prefix::PrefixMemory;
use super::rates::{Fleet, decayed_mean};
use super::speed::{Speed, Work};

/// Time constant of the mean service time.
const SERVICE_TAU_SECONDS: f64 = 10.0;
/// Weight of one answer in the share of what was believed held that was found held.
const TRUST_WEIGHT: f64 = 0.1;

/// A prompt on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prompt<'a> {
    /// Its tokens.
    pub tokens: u32,
    /// The names of its leading blocks.
    pub blocks: &'a [u64],
    /// Tokens a block.
    pub block_tokens: f64,
    /// It may begin with what a replica holds already.
    pub reuses: bool,
    /// Its first token is seen when it comes, not only the end of its answer.
    pub streams: bool,
}

/// One prompt that was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sent {
    at: f64,
    network_seconds: f64,
    /// Tokens that were expected to be read.
    to_read: f64,
    /// Tokens that it was believed to hold, before any doubt.
    held: f64,
    streams: bool,
    /// It had to wait for a slot, so that its time does not tell how fast it was read.
    waits_for_slot: bool,
    /// Prompts were before it.
    waits_for_prompts: bool,
    first_token: Option<FirstToken>,
    is_settled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct FirstToken {
    at: f64,
    reading_seconds: f64,
}

/// What a replica said of an answer's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Answered {
    /// Tokens of the prompt, when it said so.
    pub prompt_tokens: Option<f64>,
    /// Of them, those that it found computed, when it said so.
    pub cached_tokens: Option<f64>,
    /// Tokens of the answer.
    pub output_tokens: f64,
}

/// The record of one replica.
#[derive(Debug, Clone)]
pub struct Ledger {
    prefixes: PrefixMemory,
    speed: Speed,
    backlog: Backlog,
    /// Share of what was believed held that was found held.
    trust: f64,
    service_seconds: Option<f64>,
    served_at: f64,
    /// When the last prompt of which it is known was read.
    read_until: f64,
}

impl Ledger {
    /// Of a replica that nothing was sent to; of its prefixes at most `prefix_blocks` blocks are remembered.
    #[must_use]
    pub fn new(prefix_blocks: usize) -> Self {
        Self {
            prefixes: PrefixMemory::new(prefix_blocks),
            speed: Speed::default(),
            backlog: Backlog::default(),
            trust: 1.0,
            service_seconds: None,
            served_at: 0.0,
            read_until: 0.0,
        }
    }

    /// How many blocks are remembered at most, once the replica has said how much it holds.
    pub fn bound(&mut self, prefix_blocks: usize) {
        self.prefixes.bound(prefix_blocks);
    }

    /// Mean seconds of a request there, after the first.
    #[must_use]
    pub fn service_seconds(&self) -> Option<f64> {
        self.service_seconds
    }

    /// What is known of it for one prompt; where it may not go, and how large a prompt may be, is not known here.
    #[must_use]
    pub fn outlook(&self, prompt: &Prompt<'_>, fleet: &Fleet, now: f64) -> Outlook {
        let (reading, answering) = self.speed.per_second(fleet, now);
        let held = if prompt.reuses { self.held(prompt) * self.trust } else { 0.0 };
        Outlook {
            is_resident: true,
            window_tokens: None,
            prefill_tokens_per_second: reading,
            decode_seconds_per_token: 1.0 / answering,
            backlog_tokens: self.backlog.tokens(reading, now),
            cached_tokens: held as u32,
        }
    }

    /// A prompt is sent, for which `offer` was made.
    pub fn send(&mut self, prompt: &Prompt<'_>, offer: &Offer, now: f64) -> Sent {
        let Offer { candidate, outlook } = offer;
        let to_read = f64::from(prompt.tokens.saturating_sub(outlook.cached_tokens));
        let held = if prompt.reuses { self.held(prompt) } else { 0.0 };
        self.backlog.add(to_read, prompt.streams, outlook.prefill_tokens_per_second, now);
        self.prefixes.remember(prompt.blocks);
        Sent {
            at: now,
            network_seconds: candidate.network_seconds,
            to_read,
            held,
            streams: prompt.streams,
            // One that does not report its slots is taken to have one for everybody.
            waits_for_slot: candidate.occupied() >= candidate.slots(u32::MAX),
            waits_for_prompts: outlook.backlog_tokens > 0.0,
            first_token: None,
            is_settled: false,
        }
    }

    /// Its first token came.
    pub fn first_token(&mut self, sent: &mut Sent, now: f64) {
        if sent.first_token.is_some() {
            return;
        }
        self.settle(sent);
        // Prompts are read one after the other: this one from when it was there and the one before was read.
        let way = sent.network_seconds / 2.0;
        let (from, until) = ((sent.at + way).max(self.read_until), now - way);
        self.read_until = self.read_until.max(until);
        sent.first_token = Some(FirstToken { at: now, reading_seconds: (until - from).max(0.0) });
    }

    /// Its answer came to its end.
    pub fn answered(&mut self, sent: &mut Sent, said: &Answered, fleet: &mut Fleet, now: f64) {
        self.settle(sent);
        self.service_seconds =
            Some(decayed_mean(self.service_seconds, now - sent.at, now - self.served_at, SERVICE_TAU_SECONDS));
        self.served_at = now;
        if let Some(found) = said.cached_tokens.filter(|_| sent.held > 0.0) {
            self.trust += TRUST_WEIGHT * ((found / sent.held).clamp(0.0, 1.0) - self.trust);
        }
        if said.output_tokens > 0.0 {
            fleet.ended(said.output_tokens);
        }
        self.learn(sent, said, fleet, now);
    }

    /// It ended without an answer, which teaches nothing.
    pub fn settle(&mut self, sent: &mut Sent) {
        if !std::mem::replace(&mut sent.is_settled, true) {
            self.backlog.remove(sent.to_read, sent.streams);
        }
    }

    /// The replica lost what it held.
    pub fn forget(&mut self) {
        self.prefixes.forget();
    }

    fn learn(&mut self, sent: &Sent, said: &Answered, fleet: &mut Fleet, now: f64) {
        if said.prompt_tokens.is_none() && said.output_tokens <= 0.0 {
            return;
        }
        let read = match (said.prompt_tokens, said.cached_tokens) {
            (Some(prompt), Some(cached)) => prompt - cached,
            _ => sent.to_read,
        };
        let answer = said.output_tokens;
        match sent.first_token {
            // The first token is the end of the reading.
            Some(first) => {
                if !sent.waits_for_slot {
                    self.speed.read(Work { tokens: read, seconds: first.reading_seconds }, fleet, now);
                }
                self.speed.answered(Work { tokens: answer - 1.0, seconds: now - first.at }, fleet, now);
            }
            None if sent.waits_for_prompts || sent.waits_for_slot => {}
            None => self.speed.did_both(read, answer, now - sent.at - sent.network_seconds, fleet, now),
        }
    }

    /// Leading tokens that it was sent lately. At least the last token is always read.
    fn held(&self, prompt: &Prompt<'_>) -> f64 {
        let held = self.prefixes.matched(prompt.blocks) as f64 * prompt.block_tokens;
        held.min(f64::from(prompt.tokens.saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Candidate;
    use super::*;

    const BLOCKS: [u64; 8] = [11, 12, 13, 14, 15, 16, 17, 18];

    fn prompt(tokens: u32, streams: bool) -> Prompt<'static> {
        let blocks = &BLOCKS[..(tokens as usize / 100).min(8)];
        Prompt { tokens, blocks, block_tokens: 100.0, reuses: true, streams }
    }

    fn send(ledger: &mut Ledger, prompt: &Prompt<'_>, fleet: &Fleet, now: f64) -> Sent {
        let offer = Offer { candidate: Candidate::default(), outlook: ledger.outlook(prompt, fleet, now) };
        ledger.send(prompt, &offer, now)
    }

    /// Prompts of 1,000 tokens that share nothing, one by one, at 4,000 tokens a second; answers of 101 at 20 a second.
    fn work(ledger: &mut Ledger, fleet: &mut Fleet, streams: bool, from: f64, count: u32) -> f64 {
        let said = Answered { prompt_tokens: Some(1_000.0), cached_tokens: Some(0.0), output_tokens: 101.0 };
        let fresh = Prompt { blocks: &[], ..prompt(1_000, streams) };
        let mut now = from;
        for _ in 0..count {
            let mut sent = send(ledger, &fresh, fleet, now);
            if streams {
                ledger.first_token(&mut sent, now + 0.25);
            }
            now += 5.25;
            ledger.answered(&mut sent, &said, fleet, now);
        }
        now
    }

    #[test]
    fn rates_are_learned_of_streams_and_of_whole_answers() {
        let (mut ledger, mut fleet) = (Ledger::new(100), Fleet::default());
        let now = work(&mut ledger, &mut fleet, true, 0.0, 40);
        let outlook = ledger.outlook(&prompt(1_000, true), &fleet, now);
        assert!((3_500.0..4_050.0).contains(&outlook.prefill_tokens_per_second), "{outlook:?}");
        assert!((0.049..0.051).contains(&outlook.decode_seconds_per_token), "{outlook:?}");
        assert!((ledger.service_seconds().unwrap() - 5.25).abs() < 1e-9);

        // Of a whole answer the time is known, and how it divides is not: the sum comes out right.
        let (mut ledger, mut fleet) = (Ledger::new(100), Fleet::default());
        let now = work(&mut ledger, &mut fleet, false, 0.0, 40);
        let outlook = ledger.outlook(&prompt(1_000, false), &fleet, now);
        let expected = 1_000.0 / outlook.prefill_tokens_per_second + 101.0 * outlook.decode_seconds_per_token;
        assert!((4.7..5.3).contains(&expected), "{expected} {outlook:?}");
    }

    #[test]
    fn the_reading_of_prompts_in_a_queue_is_told_apart() {
        let (mut ledger, mut fleet) = (Ledger::new(100), Fleet::default());
        let fresh = Prompt { blocks: &[], ..prompt(1_000, true) };
        let mut sent: Vec<Sent> = (0..40).map(|_| send(&mut ledger, &fresh, &fleet, 0.0)).collect();
        assert_eq!(ledger.outlook(&fresh, &fleet, 0.0).backlog_tokens, 40_000.0);
        for (place, sent) in (1..).zip(&mut sent) {
            // Each takes half a second, the last one has waited for twenty.
            let now = f64::from(place) * 0.5;
            ledger.first_token(sent, now);
            let said = Answered { prompt_tokens: Some(1_000.0), cached_tokens: Some(0.0), output_tokens: 1.0 };
            ledger.answered(sent, &said, &mut fleet, now);
        }
        let outlook = ledger.outlook(&fresh, &fleet, 20.0);
        assert!((1_950.0..2_001.0).contains(&outlook.prefill_tokens_per_second), "{outlook:?}");
        assert_eq!(outlook.backlog_tokens, 0.0);
    }

    #[test]
    fn what_was_sent_is_held_until_the_replica_is_lost() {
        let (mut ledger, fleet) = (Ledger::new(100), Fleet::default());
        let cached = |ledger: &Ledger, prompt: &Prompt<'_>| ledger.outlook(prompt, &fleet, 0.0).cached_tokens;
        assert_eq!(cached(&ledger, &prompt(500, true)), 0);
        let mut sent = send(&mut ledger, &prompt(500, true), &fleet, 0.0);
        ledger.first_token(&mut sent, 0.5);
        assert_eq!(cached(&ledger, &prompt(800, true)), 500);
        // The last token is always read.
        assert_eq!(cached(&ledger, &prompt(500, true)), 499);
        assert_eq!(cached(&ledger, &Prompt { reuses: false, ..prompt(800, true) }), 0);
        ledger.forget();
        assert_eq!(cached(&ledger, &prompt(800, true)), 0);
    }

    #[test]
    fn belief_follows_what_the_replica_says() {
        let (mut ledger, mut fleet) = (Ledger::new(100), Fleet::default());
        let mut turn = |ledger: &mut Ledger, found: Option<f64>| {
            let mut sent = send(ledger, &prompt(801, true), &fleet, 0.0);
            let said = Answered { prompt_tokens: Some(801.0), cached_tokens: found, output_tokens: 5.0 };
            ledger.answered(&mut sent, &said, &mut fleet, 1.0);
            ledger.outlook(&prompt(801, true), &fleet, 1.0).cached_tokens
        };
        // The first one was not believed to be held, so nothing was wrong.
        assert_eq!(turn(&mut ledger, Some(0.0)), 800);
        // What says nothing of its cache is believed.
        assert_eq!(turn(&mut ledger, None), 800);
        let doubted = (0..30).map(|_| turn(&mut ledger, Some(0.0))).last().unwrap();
        assert!(doubted < 50, "{doubted}");
        let trusted = (0..30).map(|_| turn(&mut ledger, Some(800.0))).last().unwrap();
        assert!(trusted > 750, "{trusted}");
    }

    proptest! {
        #[test]
        fn whatever_happens_the_backlog_comes_back_to_nothing(
            steps in proptest::collection::vec((0_u8..4, 0_usize..8, 0.0_f64..3.0, 1_u32..2_000, any::<bool>()), 1..80),
        ) {
            let (mut ledger, mut fleet) = (Ledger::new(20), Fleet::default());
            let (mut open, mut now): (Vec<Sent>, f64) = (Vec::new(), 0.0);
            for (what, which, wait, tokens, streams) in steps {
                now += wait;
                let which = which.min(open.len().saturating_sub(1));
                match (what, open.is_empty()) {
                    (0, _) | (_, true) => open.push(send(&mut ledger, &prompt(tokens, streams), &fleet, now)),
                    (1, _) => ledger.first_token(&mut open[which], now),
                    (2, _) => {
                        let said = Answered { output_tokens: f64::from(tokens), ..Answered::default() };
                        ledger.answered(&mut open.swap_remove(which), &said, &mut fleet, now);
                    }
                    _ => ledger.settle(&mut open.swap_remove(which)),
                }
                let outlook = ledger.outlook(&prompt(tokens, streams), &fleet, now);
                prop_assert!(outlook.backlog_tokens >= 0.0 && outlook.backlog_tokens.is_finite());
                prop_assert!(outlook.prefill_tokens_per_second > 0.0 && outlook.decode_seconds_per_token > 0.0);
                prop_assert!(outlook.cached_tokens < tokens);
            }
            open.iter_mut().for_each(|sent| ledger.settle(sent));
            prop_assert!(ledger.outlook(&prompt(1, true), &fleet, now).backlog_tokens < 1e-6);
        }
    }
}
