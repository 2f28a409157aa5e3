//! One deployment that follows the load: what is remembered of it between two runs, and the next decision about it.

use std::collections::BTreeMap;

use domain::{Autoscaling, Deployment, Replica, ReplicaPhase, Timestamp};
use planning::autoscale::{
    AutoscaleDecision, AutoscaleGoal, AutoscaleSituation, Autoscaler, ReplicaCapacity, Sharer, explain, share_of,
};

use super::observe::{Asked, seconds};
use super::stored::{Learned, Scaling};

/// How often is decided, in milliseconds.
const DECIDE_MS: i64 = 10_000;
/// How often what was learned is saved, in milliseconds: a slot of the season.
const SAVE_MS: i64 = 600_000;
/// Waiting work may take as long as a cold start to be done, and at least this long, in seconds.
const DRAIN_MIN_S: f64 = 60.0;
/// A request that has to wait for a cold start is worth keeping a replica for so many times as long, and at least so many
/// seconds: the choice that the replays of docs/benchmarks.md are run with.
const COLD_REQUEST_STARTS: f64 = 10.0;
const COLD_REQUEST_MIN_S: f64 = 60.0;

/// What is remembered of one deployment.
pub(super) struct Life {
    autoscaler: Autoscaler,
    pub scaling: Scaling,
    /// Replicas that were seen starting, and since when.
    starting: BTreeMap<String, Timestamp>,
    due_at: Timestamp,
    saved_at: Timestamp,
}

/// The deployment's replicas, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub ready: u32,
    pub loading: u32,
}

impl Life {
    /// Goes on with what was saved, or begins.
    pub(super) fn begin(
        deployment: &Deployment,
        wanted: &Autoscaling,
        scaling: Option<Scaling>,
        learned: Option<Learned>,
        now: Timestamp,
    ) -> Self {
        let scaling = scaling.unwrap_or_else(|| Scaling::new(deployment));
        let goal = goal(wanted, scaling.cold_start_s());
        let autoscaler = learned.map_or_else(|| Autoscaler::new(goal), |learned| learned.autoscaler);
        Self { autoscaler, scaling, starting: BTreeMap::new(), due_at: now, saved_at: now }
    }

    /// Learns how long starts last from replicas that were starting and now serve.
    /// By when it was seen here: what clouds and other processes write is of wall clocks, which step.
    pub(super) fn watch_starts<'a>(&mut self, replicas: impl Iterator<Item = &'a Replica> + Clone, now: Timestamp) {
        for replica in replicas.clone() {
            match replica.phase {
                ReplicaPhase::Starting => {
                    self.starting.entry(replica.id.clone()).or_insert(now);
                }
                ReplicaPhase::Ready => {
                    if let Some(since) = self.starting.remove(&replica.id) {
                        self.scaling.started_in(seconds(now) - seconds(since));
                    }
                }
                ReplicaPhase::Draining | ReplicaPhase::Lost => {}
            }
        }
        self.starting.retain(|id, _| replicas.clone().any(|replica| replica.id == *id));
    }

    /// Whether it is time to decide: every few seconds, and at once when something is asked of a deployment that has none.
    pub(super) fn is_due(&self, deployment: &Deployment, asked: &Asked<'_>, now: Timestamp) -> bool {
        let wakes = deployment.replicas == 0 && asked.in_flight > 0;
        now >= self.due_at || wakes
    }

    /// The next decision, which is noted in [`Self::scaling`].
    pub(super) fn decide(
        &mut self,
        wanted: &Autoscaling,
        situation: &AutoscaleSituation,
        now: Timestamp,
    ) -> AutoscaleDecision {
        let goal = goal(wanted, self.scaling.cold_start_s());
        self.autoscaler.pursue(goal);
        let decision = self.autoscaler.decide(situation);
        let two_digits = |value: f64| (value * 100.0).round() / 100.0;
        self.scaling.reason = Some(decision.reason);
        self.scaling.why = explain(&decision, situation, &goal);
        self.scaling.load = two_digits(situation.load);
        self.scaling.expected = two_digits(decision.forecast + decision.margin);
        self.due_at = now.plus_millis(DECIDE_MS);
        decision
    }

    /// What was learned, when it is time to save it.
    pub(super) fn save_due(&mut self, now: Timestamp) -> Option<Learned> {
        if now.micros_since(self.saved_at) < SAVE_MS * 1_000 {
            return None;
        }
        self.saved_at = now;
        Some(Learned { uid: self.scaling.uid.clone(), autoscaler: self.autoscaler.clone() })
    }
}

/// The situation of one deployment among those of its model.
pub(super) fn situation(
    deployment: &Deployment,
    wanted: &Autoscaling,
    found: Found,
    others: &[Sharer],
    asked: &Asked<'_>,
    now: Timestamp,
) -> AutoscaleSituation {
    let capacity = capacity(wanted);
    let all_ready = found.ready + others.iter().map(|other| other.ready).sum::<u32>();
    let load = asked.meter.load(&capacity, all_ready);
    let share = share_of(load, Sharer { ready: found.ready, most: wanted.replicas_max }, others);
    let over = (asked.meter.latest_load(&capacity) * share - f64::from(found.ready)).max(0.0);
    AutoscaleSituation {
        now_s: seconds(now),
        load: load * share,
        over,
        backlog_replica_s: f64::from(asked.waiting) * asked.meter.request_replica_s(&capacity) * share,
        running: asked.in_flight > 0 && share > 0.0,
        ready: found.ready,
        loading: found.loading,
        wanted: deployment.replicas,
        partial: asked.partial,
    }
}

fn capacity(wanted: &Autoscaling) -> ReplicaCapacity {
    let carries = &wanted.replica_carries;
    ReplicaCapacity {
        requests_per_second: carries.requests_per_second.unwrap_or(f64::INFINITY),
        prompt_tokens_per_second: carries.prompt_tokens_per_second.unwrap_or(f64::INFINITY),
        generation_tokens_per_second: carries.generated_tokens_per_second.unwrap_or(f64::INFINITY),
    }
}

fn goal(wanted: &Autoscaling, cold_start_s: f64) -> AutoscaleGoal {
    AutoscaleGoal {
        cold_start_s,
        over_capacity_share: wanted.over_capacity_share,
        replicas_min: wanted.replicas_min,
        replicas_max: wanted.replicas_max,
        drain_s: cold_start_s.max(DRAIN_MIN_S),
        cold_request_replica_s: (COLD_REQUEST_STARTS * cold_start_s).max(COLD_REQUEST_MIN_S),
    }
}
