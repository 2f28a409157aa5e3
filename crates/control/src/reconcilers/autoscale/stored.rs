//! What is kept of a deployment that follows the load: why it has as many replicas as it has, and what was learned.
//!
//! The number itself is the deployment's own `replicas`, so that whoever leads next holds what is there without reading
//! anything here. What was learned of days and weeks is saved now and then, for it takes a week to learn again.

use domain::{Deployment, Name, Timestamp};
use planning::autoscale::{AutoscaleReason, Autoscaler};
use serde::{Deserialize, Serialize};
use state::objects::Stored;

/// What a start is taken to last before one has been seen, in seconds.
const COLD_START_DEFAULT_S: f64 = 120.0;
/// Most starts remembered.
const COLD_STARTS_MAX: usize = 10;
/// The start that is planned with is longer than this share of those remembered.
const COLD_START_SHARE: f64 = 0.8;

/// The latest decision, for whoever asks. Written by the autoscale reconciler alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// The deployment's unique id, under which this is kept.
    pub uid: String,
    /// Its name.
    pub deployment: Name,
    /// When it was decided.
    pub at: Timestamp,
    /// What settled it; nothing before the first decision.
    #[serde(default)]
    pub reason: Option<AutoscaleReason>,
    /// The same in a sentence.
    #[serde(default)]
    pub why: String,
    /// The load then, in replicas kept busy.
    #[serde(default)]
    pub load: f64,
    /// The load expected a cold start later, with its margin, in replicas.
    #[serde(default)]
    pub expected: f64,
    /// The latest starts seen, from launch to ready, in seconds.
    #[serde(default)]
    pub cold_starts_s: Vec<f64>,
}

impl Stored for Scaling {
    const KIND: &'static str = "scaling";
    fn object_name(&self) -> String {
        self.uid.clone()
    }
}

impl Scaling {
    /// Before anything was decided.
    #[must_use]
    pub fn new(deployment: &Deployment) -> Self {
        Self {
            uid: deployment.uid.clone(),
            deployment: deployment.name.clone(),
            at: deployment.created_at,
            reason: None,
            why: String::new(),
            load: 0.0,
            expected: 0.0,
            cold_starts_s: Vec::new(),
        }
    }

    /// How long a start lasts, in seconds: longer than most of the latest.
    #[must_use]
    pub fn cold_start_s(&self) -> f64 {
        let mut sorted = self.cold_starts_s.clone();
        sorted.sort_by(f64::total_cmp);
        // A share of a count of at most ten.
        let rank = (sorted.len() as f64 * COLD_START_SHARE).ceil() as usize;
        rank.checked_sub(1).and_then(|index| sorted.get(index).copied()).unwrap_or(COLD_START_DEFAULT_S)
    }

    /// Remembers a start that lasted `seconds`.
    pub fn started_in(&mut self, seconds: f64) {
        if self.cold_starts_s.len() >= COLD_STARTS_MAX {
            self.cold_starts_s.remove(0);
        }
        self.cold_starts_s.push(seconds);
    }
}

/// What was learned of a deployment's load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Learned {
    pub uid: String,
    pub autoscaler: Autoscaler,
}

impl Stored for Learned {
    const KIND: &'static str = "scaling_learned";
    fn object_name(&self) -> String {
        self.uid.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_planned_with_is_longer_than_most_of_the_latest() {
        let mut scaling = Scaling {
            uid: "u".to_owned(),
            deployment: "d".parse().expect("a name"),
            at: Timestamp(0),
            reason: None,
            why: String::new(),
            load: 0.0,
            expected: 0.0,
            cold_starts_s: Vec::new(),
        };
        assert_eq!(scaling.cold_start_s(), COLD_START_DEFAULT_S);
        scaling.started_in(30.0);
        assert_eq!(scaling.cold_start_s(), 30.0);
        for seconds in [900.0, 40.0, 41.0, 42.0, 43.0, 44.0, 45.0, 46.0, 600.0, 47.0] {
            scaling.started_in(seconds);
        }
        assert_eq!(scaling.cold_starts_s.len(), COLD_STARTS_MAX);
        assert_eq!(scaling.cold_start_s(), 47.0, "two that took very long are not planned with");
    }
}
