//! From what gateways counted to the load: requests over a window, tokens by the mean of answered requests.
//!
//! Tokens are known when an answer ends, arrivals at once. A service that is over capacity answers no faster for being
//! asked more, so the tokens asked for are taken as arrivals times tokens of a mean request, never as tokens that came out.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::demand::{Demand, ReplicaCapacity};

/// The load is the mean over this long, and over the shorter time when it is far above capacity: Knative's stable and
/// panic windows (<https://knative.dev/docs/serving/autoscaling/kpa-specific>), the latter longer here, for gateways tell
/// their counts every few seconds.
const STABLE_S: f64 = 60.0;
const PANIC_S: f64 = 10.0;
/// The short window counts from twice what is ready on, as there.
const PANIC_TIMES_READY: f64 = 2.0;
/// The size of a mean request is remembered for this long.
const TOKENS_MEMORY_S: f64 = 600.0;
/// Most counts kept: those of a window, with many gateways.
const KEPT_MAX: usize = 4_096;
/// What a request is taken to need before one has been answered, in seconds of a replica.
const UNKNOWN_REQUEST_S: f64 = 1.0;

/// What was counted over a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counted {
    /// Requests that arrived, refused ones among them.
    pub arrived: f64,
    /// Requests that were answered.
    pub answered: f64,
    /// Their prompt tokens.
    pub prompt_tokens: f64,
    /// Their generated tokens.
    pub generated_tokens: f64,
}

/// Makes the load of one model from counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadMeter {
    /// From, to, requests.
    arrivals: VecDeque<(f64, f64, f64)>,
    /// Answered requests, their prompt and generated tokens, fading.
    answered: f64,
    prompt_tokens: f64,
    generated_tokens: f64,
    last_s: Option<f64>,
}

impl LoadMeter {
    /// Takes in what one gateway counted in the `span_s` seconds up to `now_s`. Times must not fall.
    pub fn observe(&mut self, now_s: f64, span_s: f64, counted: &Counted) {
        self.arrivals.push_back((now_s - span_s.max(0.0), now_s, counted.arrived.max(0.0)));
        let old = |first: &(f64, f64, f64)| first.1 <= now_s - STABLE_S;
        while self.arrivals.len() > KEPT_MAX || self.arrivals.front().is_some_and(old) {
            self.arrivals.pop_front();
        }
        let elapsed_s = self.last_s.replace(now_s).map_or(0.0, |last_s| now_s - last_s);
        let fade = (-elapsed_s / TOKENS_MEMORY_S).exp();
        self.answered = self.answered * fade + counted.answered;
        self.prompt_tokens = self.prompt_tokens * fade + counted.prompt_tokens;
        self.generated_tokens = self.generated_tokens * fade + counted.generated_tokens;
    }

    /// The load in replicas, with `ready` of them serving.
    #[must_use]
    pub fn load(&self, replica: &ReplicaCapacity, ready: u32) -> f64 {
        let lately = self.latest_load(replica);
        let is_panic = lately >= PANIC_TIMES_READY * f64::from(ready.max(1));
        let stable = self.demand(STABLE_S).load(replica);
        if is_panic { lately.max(stable) } else { stable }
    }

    /// The load of the last few seconds, in replicas.
    #[must_use]
    pub fn latest_load(&self, replica: &ReplicaCapacity) -> f64 {
        self.demand(PANIC_S).load(replica)
    }

    /// What a mean request takes, in seconds of one replica.
    #[must_use]
    pub fn request_replica_s(&self, replica: &ReplicaCapacity) -> f64 {
        let seconds = self.per_second(1.0).load(replica);
        if seconds > 0.0 { seconds } else { UNKNOWN_REQUEST_S }
    }

    /// What arrives, over the last `window_s` seconds or as far as it has been seen.
    fn demand(&self, window_s: f64) -> Demand {
        let to_s = self.arrivals.back().map_or(0.0, |(_, to_s, _)| *to_s);
        let first_s = self.arrivals.iter().map(|(from_s, ..)| *from_s).fold(to_s, f64::min);
        let from_s = first_s.max(to_s - window_s);
        let within = |(from, to, requests): &(f64, f64, f64)| {
            let share = if to > from { ((to - from.max(from_s)) / (to - from)).max(0.0) } else { 1.0 };
            requests * share
        };
        let arrived: f64 = self.arrivals.iter().map(within).sum();
        self.per_second(if to_s > from_s { arrived / (to_s - from_s) } else { 0.0 })
    }

    fn per_second(&self, requests_per_second: f64) -> Demand {
        let each = |tokens: f64| if self.answered > 0.0 { tokens / self.answered } else { 0.0 };
        Demand {
            requests_per_second,
            prompt_tokens_per_second: requests_per_second * each(self.prompt_tokens),
            generation_tokens_per_second: requests_per_second * each(self.generated_tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLICA: ReplicaCapacity = ReplicaCapacity {
        requests_per_second: 5.0,
        prompt_tokens_per_second: f64::INFINITY,
        generation_tokens_per_second: 100.0,
    };

    fn asked(arrived: f64, answered: f64, generated_tokens: f64) -> Counted {
        Counted { arrived, answered, generated_tokens, ..Counted::default() }
    }

    #[test]
    fn the_load_is_the_mean_of_all_gateways_over_the_window() {
        let mut meter = LoadMeter::default();
        for step in 1..=40 {
            let now_s = f64::from(step) * 3.0;
            meter.observe(now_s, 3.0, &asked(15.0, 15.0, 0.0));
            meter.observe(now_s, 3.0, &asked(30.0, 30.0, 0.0));
        }
        assert!((meter.load(&REPLICA, 3) - 3.0).abs() < 1e-9, "{}", meter.load(&REPLICA, 3));
    }

    #[test]
    fn tokens_asked_for_do_not_hide_behind_a_service_that_answers_too_few() {
        let mut meter = LoadMeter::default();
        for step in 1..=100 {
            // Ten requests a second of 50 tokens each arrive; one in five is answered.
            meter.observe(f64::from(step), 1.0, &asked(10.0, 2.0, 100.0));
        }
        assert!((meter.load(&REPLICA, 1) - 5.0).abs() < 1e-9);
        assert!((meter.request_replica_s(&REPLICA) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_sudden_rise_counts_at_once_and_a_small_one_with_the_window() {
        let steady = |meter: &mut LoadMeter| {
            (1..=60).for_each(|step| meter.observe(f64::from(step), 1.0, &asked(5.0, 5.0, 0.0)))
        };
        let (mut sudden, mut small) = (LoadMeter::default(), LoadMeter::default());
        steady(&mut sudden);
        steady(&mut small);
        for step in 61..=70 {
            sudden.observe(f64::from(step), 1.0, &asked(50.0, 5.0, 0.0));
            small.observe(f64::from(step), 1.0, &asked(8.0, 8.0, 0.0));
        }
        assert!((sudden.load(&REPLICA, 1) - 10.0).abs() < 1e-9, "{}", sudden.load(&REPLICA, 1));
        assert!((small.load(&REPLICA, 1) - 1.1).abs() < 1e-9, "{}", small.load(&REPLICA, 1));
    }

    #[test]
    fn with_nothing_seen_there_is_no_load() {
        let meter = LoadMeter::default();
        assert_eq!((meter.load(&REPLICA, 0), meter.request_replica_s(&REPLICA)), (0.0, 0.2));
    }
}
