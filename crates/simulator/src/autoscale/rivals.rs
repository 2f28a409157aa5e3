//! Published autoscalers, re-implemented to be compared with, and an oracle.

use std::collections::VecDeque;

use super::rates::Rates;
use super::world::{ScalingPolicy, View};

/// Knative's pod autoscaler: 70 % of capacity, mean over 60 s; panic on 6 s when that wants twice what is ready, and no
/// scale-down in panic (<https://knative.dev/docs/serving/autoscaling/kpa-specific>). Decides every 2 s.
#[derive(Debug, Default)]
pub struct Knative {
    loads: VecDeque<f64>,
    panic_until_s: Option<f64>,
}

impl Knative {
    const TARGET: f64 = 0.7;
    const STABLE_DECISIONS: usize = 30;
    const PANIC_DECISIONS: usize = 3;
    const STABLE_S: f64 = 60.0;
}

impl ScalingPolicy for Knative {
    fn interval_s(&self) -> usize {
        2
    }

    fn decide(&mut self, view: &View) -> u32 {
        self.loads.push_back(view.load);
        if self.loads.len() > Self::STABLE_DECISIONS {
            self.loads.pop_front();
        }
        let stable = whole(mean(self.loads.iter()) / Self::TARGET);
        let panic = whole(mean(self.loads.iter().rev().take(Self::PANIC_DECISIONS)) / Self::TARGET);
        if panic >= 2 * view.ready.max(1) {
            self.panic_until_s = Some(view.now_s + Self::STABLE_S);
        }
        if self.panic_until_s.is_some_and(|until_s| view.now_s < until_s) {
            return panic.max(view.ready + view.loading);
        }
        stable.max(1)
    }
}

/// SkyServe's request-rate autoscaler with its defaults: rate over 60 s, decisions every 20 s, a change must be wanted for
/// 300 s to go up and 1,200 s to go down (skypilot 0.14.1, `sky/serve/{constants,autoscalers}.py`).
#[derive(Debug, Default)]
pub struct SkyServe {
    loads: VecDeque<f64>,
    wants_more: usize,
    wants_less: usize,
}

impl SkyServe {
    const WINDOW_DECISIONS: usize = 3;
    const UP_DECISIONS: usize = 15;
    const DOWN_DECISIONS: usize = 60;
}

impl ScalingPolicy for SkyServe {
    fn interval_s(&self) -> usize {
        20
    }

    fn decide(&mut self, view: &View) -> u32 {
        self.loads.push_back(view.load);
        if self.loads.len() > Self::WINDOW_DECISIONS {
            self.loads.pop_front();
        }
        let (wanted, held) = (whole(mean(self.loads.iter())).max(1), view.ready + view.loading);
        self.wants_more = if wanted > held { self.wants_more + 1 } else { 0 };
        self.wants_less = if wanted < held { self.wants_less + 1 } else { 0 };
        if self.wants_more >= Self::UP_DECISIONS || self.wants_less >= Self::DOWN_DECISIONS {
            (self.wants_more, self.wants_less) = (0, 0);
            return wanted;
        }
        held
    }
}

/// Knows the future to the end of the next sample, and holds what the highest rate until then needs.
#[derive(Debug)]
pub struct Oracle<'a> {
    rates: &'a Rates,
    per_replica: f64,
    cold_start_s: f64,
}

impl<'a> Oracle<'a> {
    /// For a service with these rates.
    #[must_use]
    pub const fn new(rates: &'a Rates, per_replica: f64, cold_start_s: f64) -> Self {
        Self { rates, per_replica, cold_start_s }
    }
}

impl ScalingPolicy for Oracle<'_> {
    fn interval_s(&self) -> usize {
        10
    }

    fn decide(&mut self, view: &View) -> u32 {
        let at_horizon = self.rates.at(view.now_s + self.cold_start_s + 10.0);
        let highest = self.rates.highest_through_next_sample(view.now_s).max(at_horizon);
        whole(highest / self.per_replica)
    }
}

fn mean<'a>(values: impl ExactSizeIterator<Item = &'a f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

/// Whole replicas for a load; a hair above a whole number is that number.
fn whole(load: f64) -> u32 {
    (load - 1e-9).ceil().max(0.0) as u32
}
