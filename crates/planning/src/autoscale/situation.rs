//! What a decision is made of and what it says: the goal, the situation, the decision and its reason.

use serde::{Deserialize, Serialize};

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AutoscaleGoal {
    /// Seconds from a launch until a replica serves.
    pub cold_start_s: f64,
    /// Share of the load that may find no capacity.
    pub over_capacity_share: f64,
    /// Fewest replicas; with zero the service may scale to zero.
    pub replicas_min: u32,
    /// Most replicas.
    pub replicas_max: u32,
    /// How long waiting requests may take to drain.
    pub drain_s: f64,
    /// What a request that has to wait for a cold start is worth, in replica-seconds.
    pub cold_request_replica_s: f64,
}

/// Everything at a decision.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AutoscaleSituation {
    /// The time, in seconds from any fixed moment; time of day and week follow from it.
    pub now_s: f64,
    /// The load, in replicas kept busy.
    pub load: f64,
    /// Mean load over capacity since the last decision, in replicas.
    pub over: f64,
    /// Work that waits, in replica-seconds.
    pub backlog_replica_s: f64,
    /// Whether a request runs. A long answer runs on when nothing arrives any more, and what runs is not idle.
    pub running: bool,
    /// Replicas that serve.
    pub ready: u32,
    /// Replicas that are starting.
    pub loading: u32,
    /// Replicas asked for until now, whether they are there or not.
    pub wanted: u32,
    /// Some of the load may not be seen: then nothing is given back.
    pub partial: bool,
}

impl AutoscaleSituation {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.load <= 0.0 && self.backlog_replica_s <= 0.0 && !self.running
    }

    /// What is there, on its way or ordered: what giving nothing back means.
    #[must_use]
    pub fn held(&self) -> u32 {
        self.ready.saturating_add(self.loading).max(self.wanted)
    }
}

/// How many replicas to hold, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AutoscaleDecision {
    /// Replicas, ready and loading together.
    pub replicas: u32,
    /// What settled it.
    pub reason: AutoscaleReason,
    /// The forecast at the horizon of a cold start, in replicas.
    pub forecast: f64,
    /// The margin above it, in replicas.
    pub margin: f64,
}

/// What settled a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoscaleReason {
    /// The forecast with its margin.
    Forecast,
    /// The load now is more than the forecast asks for.
    LoadNow,
    /// The load is over capacity: nothing is given back for a while.
    Panic,
    /// Waiting work must drain in time.
    Backlog,
    /// Replicas still loading are not given back; they would only be started again.
    StillLoading,
    /// Nothing comes for long enough that a cold start is the lesser cost.
    ToZero,
    /// A limit of the goal.
    Limit,
    /// Too little has been seen since the start, or since a pause, or of the load, to give anything back.
    Learning,
}

impl AutoscaleReason {
    /// The reason as one stable word, the same as its serialised form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forecast => "forecast",
            Self::LoadNow => "load_now",
            Self::Panic => "panic",
            Self::Backlog => "backlog",
            Self::StillLoading => "still_loading",
            Self::ToZero => "to_zero",
            Self::Limit => "limit",
            Self::Learning => "learning",
        }
    }
}
