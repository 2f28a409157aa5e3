//! When nothing is the right number: scale to zero by the expected gap.
//!
//! Zero pays when keeping the last replica until the next request costs more than that request's wait for a cold start:
//! `idle cost × expected gap > cold penalty`, both in replica-seconds. The gap is learned from the gaps so far.

use serde::{Deserialize, Serialize};

use super::situation::{AutoscaleGoal, AutoscaleSituation};

/// How slowly the mean time between arrivals of an idle service is learned.
const GAP_GAIN: f64 = 0.3;

/// What is known of the gaps of one service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Idle {
    since_s: Option<f64>,
    ready_since_s: Option<f64>,
    mean_gap_s: Option<f64>,
}

impl Idle {
    /// Takes in whether anything is asked for, and whether anything could serve it.
    pub fn observe(&mut self, situation: &AutoscaleSituation) {
        let now_s = situation.now_s;
        if situation.ready == 0 {
            self.ready_since_s = None;
        } else {
            self.ready_since_s.get_or_insert(now_s);
        }
        if situation.is_idle() {
            self.since_s.get_or_insert(now_s);
        } else if let Some(since_s) = self.since_s.take() {
            let gap_s = now_s - since_s;
            self.mean_gap_s = Some(self.mean_gap_s.map_or(gap_s, |mean_s| mean_s + GAP_GAIN * (gap_s - mean_s)));
        }
    }

    /// Nothing was seen for a while, so nobody knows that it was idle.
    pub fn pause(&mut self) {
        self.since_s = None;
        self.ready_since_s = None;
    }

    /// Whether holding none is the lesser cost now.
    #[must_use]
    pub fn zero_pays(&self, situation: &AutoscaleSituation, goal: &AutoscaleGoal) -> bool {
        let lasted = |since: Option<f64>| since.map_or(0.0, |since_s| situation.now_s - since_s);
        let idle_s = lasted(self.since_s);
        // Without a gap seen yet, expect to wait as long again as it has lasted; and so with one that lasts longer.
        let expected_gap_s = self.mean_gap_s.map_or(idle_s, |gap_s| (gap_s - idle_s).max(idle_s));
        // What has been started gets as long to be of use as its start took: those who asked may be on their way back.
        let had_its_chance = situation.ready == 0 || lasted(self.ready_since_s) >= goal.cold_start_s;
        situation.is_idle() && situation.loading == 0 && had_its_chance && expected_gap_s > goal.cold_request_replica_s
    }
}
