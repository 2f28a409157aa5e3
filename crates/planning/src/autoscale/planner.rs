//! The decision: how many replicas to hold from now on, and why.

use super::forecast::Forecaster;
use super::margin::Margin;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AutoscaleSituation {
    /// The time, in seconds from any fixed moment; time of day and week follow from it.
    pub now_s: f64,
    /// The load, in replicas kept busy.
    pub load: f64,
    /// Mean load over capacity since the last decision, in replicas.
    pub over: f64,
    /// Work that waits, in replica-seconds.
    pub backlog_replica_s: f64,
    /// Replicas that serve.
    pub ready: u32,
    /// Replicas that are starting.
    pub loading: u32,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// Nothing is given back for this long after the load was over capacity, as in Knative's panic mode
/// (<https://knative.dev/docs/serving/autoscaling/kpa-specific>).
const PANIC_S: f64 = 60.0;
/// How slowly the mean time between arrivals of an idle service is learned.
const GAP_GAIN: f64 = 0.3;

/// Decides for one service, and learns from all it is shown.
#[derive(Debug, Clone)]
pub struct Autoscaler {
    goal: AutoscaleGoal,
    forecaster: Forecaster,
    margin: Margin,
    panic_until_s: f64,
    idle_since_s: Option<f64>,
    mean_gap_s: Option<f64>,
}

impl Autoscaler {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(goal: AutoscaleGoal) -> Self {
        Self {
            goal,
            forecaster: Forecaster::new(goal.cold_start_s),
            margin: Margin::new(goal.over_capacity_share),
            panic_until_s: f64::NEG_INFINITY,
            idle_since_s: None,
            mean_gap_s: None,
        }
    }

    /// What to hold from now on. Times must not fall from one call to the next.
    pub fn decide(&mut self, situation: &AutoscaleSituation) -> AutoscaleDecision {
        let now_s = situation.now_s;
        let forecast = self.forecaster.observe(now_s, situation.load);
        self.margin.observe(now_s, situation.load, situation.over);
        self.margin.expect(now_s + self.goal.cold_start_s, forecast);
        self.learn_gap(situation);
        let margin = self.margin.replicas();
        if situation.load > f64::from(situation.ready) {
            self.panic_until_s = now_s + PANIC_S;
        }
        let (wanted, reason) = self.wanted(situation, forecast + margin);
        AutoscaleDecision { replicas: wanted, reason, forecast, margin }
    }

    fn wanted(&self, situation: &AutoscaleSituation, ahead: f64) -> (u32, AutoscaleReason) {
        let held = situation.ready + situation.loading;
        if self.goal.replicas_min == 0 && self.may_be_zero(situation) {
            return (0, AutoscaleReason::ToZero);
        }
        // Until zero pays, the last replica stays.
        let fewest = self.goal.replicas_min.max(u32::from(held > 0));
        let drain = situation.load + situation.backlog_replica_s / self.goal.drain_s.max(1.0);
        let backlog = if situation.backlog_replica_s > 0.0 { ceil(drain) } else { 0 };
        let mut best = (ceil(ahead), AutoscaleReason::Forecast);
        for other in [(ceil(situation.load), AutoscaleReason::LoadNow), (backlog, AutoscaleReason::Backlog)] {
            if other.0 > best.0 {
                best = other;
            }
        }
        if best.0 < held && situation.now_s < self.panic_until_s {
            best = (held, AutoscaleReason::Panic);
        }
        // What is ready must carry the load now, and what is loading is left to finish.
        let least = situation.loading + ceil(situation.load).min(situation.ready);
        if best.0 < least {
            best = (least, AutoscaleReason::StillLoading);
        }
        let limited = best.0.max(fewest).min(self.goal.replicas_max);
        if limited == best.0 { best } else { (limited, AutoscaleReason::Limit) }
    }

    /// Zero pays when keeping one replica until the next request costs more than that request's wait.
    fn may_be_zero(&self, situation: &AutoscaleSituation) -> bool {
        let idle_s = self.idle_since_s.map_or(0.0, |since_s| situation.now_s - since_s);
        // Without a gap seen yet, expect to wait as long again as it has lasted.
        let expected_gap_s = self.mean_gap_s.map_or(idle_s, |gap_s| (gap_s - idle_s).max(idle_s));
        situation.load <= 0.0
            && situation.backlog_replica_s <= 0.0
            && situation.loading == 0
            && expected_gap_s > self.goal.cold_request_replica_s
    }

    fn learn_gap(&mut self, situation: &AutoscaleSituation) {
        if situation.load <= 0.0 {
            self.idle_since_s.get_or_insert(situation.now_s);
        } else if let Some(since_s) = self.idle_since_s.take() {
            let gap_s = situation.now_s - since_s;
            self.mean_gap_s = Some(self.mean_gap_s.map_or(gap_s, |mean_s| mean_s + GAP_GAIN * (gap_s - mean_s)));
        }
    }
}

/// Whole replicas for a load; a hair above a whole number is that number.
fn ceil(load: f64) -> u32 {
    // A float-to-integer `as` saturates and maps NaN to zero, which is what a count wants.
    (load - 1e-9).ceil().max(0.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOAL: AutoscaleGoal = AutoscaleGoal {
        cold_start_s: 180.0,
        over_capacity_share: 0.001,
        replicas_min: 0,
        replicas_max: 100,
        drain_s: 300.0,
        cold_request_replica_s: 600.0,
    };

    fn at(now_s: f64, load: f64, ready: u32) -> AutoscaleSituation {
        AutoscaleSituation { now_s, load, over: 0.0, backlog_replica_s: 0.0, ready, loading: 0 }
    }

    #[test]
    fn a_steady_load_gets_what_it_needs() {
        let mut scaler = Autoscaler::new(GOAL);
        let decision = (0..500).map(|step| scaler.decide(&at(f64::from(step) * 10.0, 6.5, 7))).last().unwrap();
        assert_eq!((decision.replicas, decision.reason), (7, AutoscaleReason::Forecast));
    }

    #[test]
    fn waiting_work_is_drained_in_time() {
        let mut scaler = Autoscaler::new(GOAL);
        let decision = scaler.decide(&AutoscaleSituation { backlog_replica_s: 3_000.0, ..at(0.0, 2.0, 2) });
        assert_eq!((decision.replicas, decision.reason), (12, AutoscaleReason::Backlog));
    }

    #[test]
    fn loading_replicas_are_not_reaped_and_panic_gives_nothing_back() {
        let mut scaler = Autoscaler::new(GOAL);
        let decision = scaler.decide(&AutoscaleSituation { loading: 5, ..at(0.0, 1.0, 4) });
        assert_eq!((decision.replicas, decision.reason), (6, AutoscaleReason::StillLoading));
        let mut scaler = Autoscaler::new(GOAL);
        scaler.decide(&at(0.0, 9.0, 8));
        let decision = scaler.decide(&at(10.0, 2.0, 12));
        assert_eq!((decision.replicas, decision.reason), (12, AutoscaleReason::Panic));
    }

    #[test]
    fn zero_only_when_the_gap_is_worth_a_cold_start() {
        let mut scaler = Autoscaler::new(GOAL);
        scaler.decide(&at(0.0, 1.0, 1));
        assert_eq!(scaler.decide(&at(100.0, 0.0, 1)).replicas, 1);
        let decision = scaler.decide(&at(1_000.0, 0.0, 1));
        assert_eq!((decision.replicas, decision.reason), (0, AutoscaleReason::ToZero));
    }

    #[test]
    fn limits_are_kept() {
        let mut scaler = Autoscaler::new(AutoscaleGoal { replicas_min: 2, replicas_max: 4, ..GOAL });
        assert_eq!(scaler.decide(&at(0.0, 50.0, 2)).replicas, 4);
        let mut scaler = Autoscaler::new(AutoscaleGoal { replicas_min: 2, replicas_max: 4, ..GOAL });
        assert_eq!(scaler.decide(&at(0.0, 0.0, 2)).replicas, 2);
    }
}
