//! The decision: how many replicas to hold from now on, and why.

use serde::{Deserialize, Serialize};

use super::forecast::Forecaster;
use super::idle::Idle;
use super::margin::Margin;
use super::situation::{AutoscaleDecision, AutoscaleGoal, AutoscaleReason, AutoscaleSituation};

/// Nothing is given back for this long after the load was over capacity, as in Knative's panic mode
/// (<https://knative.dev/docs/serving/autoscaling/kpa-specific>).
const PANIC_S: f64 = 60.0;
/// After so long without a decision what was seen before is history: what came between is not known.
const PAUSE_S: f64 = 60.0;
/// Nothing is given back before this has been seen, or a cold start if that is longer: until then a low load may be no
/// more than the beginning of the view.
const LEARNING_S: f64 = 60.0;

/// Decides for one service, and learns from all it is shown. Serialised it is what a successor needs to go on: at most
/// [`Self::BYTES_MAX`] bytes of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Autoscaler {
    goal: AutoscaleGoal,
    forecaster: Forecaster,
    margin: Margin,
    idle: Idle,
    panic_until_s: Option<f64>,
    /// Since when the situation has been seen without a pause, and when it was seen last.
    seen_s: Option<(f64, f64)>,
}

impl Autoscaler {
    /// Most bytes that one takes as JSON: the slots of a day and a week, and the bounded queues, at 25 bytes a number.
    pub const BYTES_MAX: usize = 1 << 20;

    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(goal: AutoscaleGoal) -> Self {
        Self {
            goal,
            forecaster: Forecaster::new(goal.cold_start_s),
            margin: Margin::new(goal.over_capacity_share),
            idle: Idle::default(),
            panic_until_s: None,
            seen_s: None,
        }
    }

    /// Pursues another goal from now on, and keeps what it has learned of the load.
    pub fn pursue(&mut self, goal: AutoscaleGoal) {
        self.goal = goal;
        self.forecaster.look_ahead(goal.cold_start_s);
        self.margin.allow(goal.over_capacity_share);
    }

    /// What to hold from now on. Times must not fall from one call to the next.
    pub fn decide(&mut self, situation: &AutoscaleSituation) -> AutoscaleDecision {
        let now_s = situation.now_s;
        self.note_pause(now_s);
        let forecast = self.forecaster.observe(now_s, situation.load);
        self.margin.observe(now_s, situation.load, situation.over);
        self.margin.expect(now_s + self.goal.cold_start_s, forecast);
        self.idle.observe(situation);
        let margin = self.margin.replicas();
        if situation.load > f64::from(situation.ready) {
            self.panic_until_s = Some(now_s + PANIC_S);
        }
        let (wanted, reason) = self.wanted(situation, forecast + margin);
        AutoscaleDecision { replicas: wanted, reason, forecast, margin }
    }

    fn note_pause(&mut self, now_s: f64) {
        let since_s = match self.seen_s {
            Some((since_s, last_s)) if now_s - last_s <= PAUSE_S.max(self.goal.cold_start_s) => since_s,
            _ => {
                self.forecaster.pause();
                self.margin.pause();
                self.idle.pause();
                now_s
            }
        };
        self.seen_s = Some((since_s, now_s));
    }

    fn wanted(&self, situation: &AutoscaleSituation, ahead: f64) -> (u32, AutoscaleReason) {
        let held = situation.held();
        let best = self.by_load(situation, ahead);
        // Until zero pays, the last replica stays.
        let fewest = self.goal.replicas_min.max(u32::from(held > 0));
        let limited = best.0.max(fewest).min(self.goal.replicas_max);
        let best = if limited == best.0 { best } else { (limited, AutoscaleReason::Limit) };
        let learning_s = LEARNING_S.max(self.goal.cold_start_s);
        let has_learned = self.seen_s.is_some_and(|(since_s, now_s)| now_s - since_s >= learning_s);
        let may_give_back = has_learned && !situation.partial;
        let to_zero = may_give_back && self.goal.replicas_min == 0 && self.idle.zero_pays(situation, &self.goal);
        match best {
            _ if to_zero => (0, AutoscaleReason::ToZero),
            (fewer, _) if fewer < held && !may_give_back => {
                (held.min(self.goal.replicas_max), AutoscaleReason::Learning)
            }
            best => best,
        }
    }

    /// What load, backlog and what is under way ask for, before the limits.
    fn by_load(&self, situation: &AutoscaleSituation, ahead: f64) -> (u32, AutoscaleReason) {
        let drain = situation.load + situation.backlog_replica_s / self.goal.drain_s.max(1.0);
        let backlog = if situation.backlog_replica_s > 0.0 { ceil(drain) } else { 0 };
        let mut best = (ceil(ahead), AutoscaleReason::Forecast);
        for other in [(ceil(situation.load), AutoscaleReason::LoadNow), (backlog, AutoscaleReason::Backlog)] {
            if other.0 > best.0 {
                best = other;
            }
        }
        if best.0 < situation.held() && self.panic_until_s.is_some_and(|until_s| situation.now_s < until_s) {
            best = (situation.held(), AutoscaleReason::Panic);
        }
        // What is ready must carry the load now, and what is loading is left to finish.
        let least = situation.loading.saturating_add(ceil(situation.load).min(situation.ready));
        if best.0 < least { (least, AutoscaleReason::StillLoading) } else { best }
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
        AutoscaleSituation { now_s, load, ready, wanted: ready, ..AutoscaleSituation::default() }
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

    /// One that has watched `load` on `ready` replicas for long enough to give back, until `until_s`.
    fn watching(until_s: f64, load: f64, ready: u32) -> Autoscaler {
        let mut scaler = Autoscaler::new(GOAL);
        (0..).map(|step| f64::from(step) * 10.0).take_while(|now_s| *now_s < until_s).for_each(|now_s| {
            scaler.decide(&at(now_s, load, ready));
        });
        scaler
    }

    #[test]
    fn loading_replicas_are_not_reaped_and_panic_gives_nothing_back() {
        let mut scaler = watching(300.0, 1.0, 4);
        let decision = scaler.decide(&AutoscaleSituation { loading: 5, ..at(300.0, 1.0, 4) });
        assert_eq!((decision.replicas, decision.reason), (6, AutoscaleReason::StillLoading));
        let mut scaler = watching(300.0, 9.0, 8);
        let decision = scaler.decide(&at(300.0, 2.0, 12));
        assert_eq!((decision.replicas, decision.reason), (12, AutoscaleReason::Panic));
    }

    #[test]
    fn what_is_ready_carries_no_more_than_it_can() {
        // Load for four on two that are ready, beside three that load: the three are what the other two are for.
        let mut scaler = Autoscaler::new(GOAL);
        let decision = scaler.decide(&AutoscaleSituation { loading: 3, wanted: 5, ..at(0.0, 4.0, 2) });
        assert_eq!((decision.replicas, decision.reason), (5, AutoscaleReason::Panic));
        let mut scaler = watching(300.0, 2.0, 2);
        let decision = scaler.decide(&AutoscaleSituation { loading: 1, ..at(300.0, 2.0, 2) });
        assert_eq!((decision.replicas, decision.reason), (3, AutoscaleReason::StillLoading));
    }

    #[test]
    fn the_margin_is_held_on_top_of_the_forecast() {
        let mut scaler = Autoscaler::new(GOAL);
        // Every five minutes half a minute of 14 instead of 9.5 replicas, which no forecast sees coming.
        let load = |step: u32| if step % 30 < 3 { 14.0 } else { 9.5 };
        let decision =
            (0..=1_090).map(|step| scaler.decide(&at(f64::from(step) * 10.0, load(step), 20))).last().unwrap();
        assert!(decision.margin > 0.5, "{decision:?}");
        assert_eq!(decision.replicas, (decision.forecast + decision.margin).ceil() as u32, "{decision:?}");
        assert!(decision.replicas > decision.forecast.ceil() as u32, "{decision:?}");
        assert_eq!(decision.reason, AutoscaleReason::Forecast);
    }

    #[test]
    fn a_forecast_is_judged_by_the_load_one_cold_start_later() {
        let margin_at = |until_s: f64| {
            let mut scaler = Autoscaler::new(GOAL);
            let load = |now_s: f64| if now_s < 1_000.0 { 2.0 } else { 8.0 };
            let steps = (0..).map(|step| f64::from(step) * 10.0).take_while(|now_s| *now_s <= until_s);
            steps.map(|now_s| scaler.decide(&at(now_s, load(now_s), 9)).margin).last().unwrap()
        };
        assert!(margin_at(990.0) < 1e-9, "nothing has missed yet");
        // What was forecast 180 s before the rise missed it, and so did all that was forecast until the rise.
        let (first, last) = (margin_at(1_000.0), margin_at(1_170.0));
        assert!(first > 0.0 && last > 10.0 * first, "{first} {last}");
        assert!(margin_at(1_400.0) < margin_at(1_180.0), "who forecasts after the rise has seen it");
    }

    #[test]
    fn zero_only_when_the_gap_is_worth_a_cold_start() {
        let mut scaler = watching(300.0, 1.0, 1);
        let mut idle = |now_s: f64| scaler.decide(&at(now_s, 0.0, 1));
        let decisions: Vec<_> = (30..=95).map(|step| idle(f64::from(step) * 10.0)).collect();
        let zero = decisions.iter().position(|decision| decision.replicas == 0).unwrap();
        // 600 s of idleness are what the wait of one request is worth.
        assert_eq!((zero, decisions[zero].reason), (61, AutoscaleReason::ToZero));
    }

    #[test]
    fn what_runs_is_not_idle_and_what_was_woken_gets_its_chance() {
        let mut scaler = watching(2_000.0, 0.0, 1);
        let running = AutoscaleSituation { running: true, ..at(2_000.0, 0.0, 1) };
        assert_eq!(scaler.decide(&running).replicas, 1);
        let mut scaler = watching(2_000.0, 0.0, 0);
        let waiting = AutoscaleSituation { backlog_replica_s: 1.0, ..at(2_000.0, 0.0, 0) };
        let decision = scaler.decide(&waiting);
        assert_eq!((decision.replicas, decision.reason), (1, AutoscaleReason::Backlog));
        // Whoever asked has given up; the replica is ready, and stays for as long as its start took.
        let held: Vec<u32> =
            (201..=230).map(|step| scaler.decide(&at(f64::from(step) * 10.0, 0.0, 1)).replicas).collect();
        assert!(held[..18].iter().all(|replicas| *replicas == 1), "{held:?}");
        assert_eq!(held.last(), Some(&0), "{held:?}");
    }

    #[test]
    fn a_successor_holds_what_is_there_until_it_has_seen_enough() {
        let before = watching(7_200.0, 6.5, 7);
        let saved = serde_json::to_string(&before).unwrap();
        assert!(saved.len() < Autoscaler::BYTES_MAX);
        let mut after: Autoscaler = serde_json::from_str(&saved).unwrap();
        assert_eq!(after, before);
        // It comes back later, and sees little at first. Of the seven wanted only five are there.
        let seen = |now_s: f64| AutoscaleSituation { wanted: 7, ..at(now_s, 0.5, 5) };
        for step in 0..18 {
            let decision = after.decide(&seen(7_400.0 + f64::from(step) * 10.0));
            assert_eq!((decision.replicas, decision.reason), (7, AutoscaleReason::Learning), "step {step}");
        }
        assert!(after.decide(&seen(7_580.0)).replicas < 7);
        let unseen = AutoscaleSituation { partial: true, ..seen(7_590.0) };
        assert_eq!(after.decide(&unseen).replicas, 7, "a gateway is silent, and may have more");
        let mut ignorant = Autoscaler::new(GOAL);
        assert_eq!(ignorant.decide(&at(0.0, 0.0, 3)).reason, AutoscaleReason::Learning);
        assert_eq!(ignorant.decide(&at(10.0, 9.0, 3)).replicas, 9, "up it goes at once");
    }

    #[test]
    fn limits_are_kept() {
        let mut scaler = Autoscaler::new(AutoscaleGoal { replicas_min: 2, replicas_max: 4, ..GOAL });
        assert_eq!(scaler.decide(&at(0.0, 50.0, 2)).replicas, 4);
        let mut scaler = Autoscaler::new(AutoscaleGoal { replicas_min: 2, replicas_max: 4, ..GOAL });
        assert_eq!(scaler.decide(&at(0.0, 0.0, 2)).replicas, 2);
    }
}
