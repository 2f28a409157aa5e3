//! The world of one service: the rate moves, replicas load and serve, requests over capacity wait.
//!
//! Seconds are counted one by one. Replicas are paid for while they load; those given back go at once, the ones still
//! loading last. A policy sees the rate of the second just past, never a later one.

use std::collections::VecDeque;

use planning::autoscale::{AutoscaleSituation, Autoscaler};

use super::rates::Rates;

/// What a policy sees at a decision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Seconds since the start.
    pub now_s: f64,
    /// The rate now, in replicas kept busy.
    pub load: f64,
    /// Mean load over capacity since the last decision, in replicas.
    pub over: f64,
    /// Work that waits, in replica-seconds.
    pub backlog_replica_s: f64,
    /// Replicas that serve.
    pub ready: u32,
    /// Replicas that load.
    pub loading: u32,
}

/// Decides how many replicas to hold.
pub trait ScalingPolicy {
    /// Seconds from one decision to the next.
    fn interval_s(&self) -> usize;
    /// Replicas to hold from now on, loading ones among them.
    fn decide(&mut self, view: &View) -> u32;
}

/// The product's own policy.
#[derive(Debug)]
pub struct Ours(pub Autoscaler);

impl ScalingPolicy for Ours {
    fn interval_s(&self) -> usize {
        10
    }

    fn decide(&mut self, view: &View) -> u32 {
        let View { now_s, load, over, backlog_replica_s, ready, loading } = *view;
        // Here requests take no time, so that none runs on; all are seen; and what is asked for is launched at once.
        let (running, partial, wanted) = (false, false, ready + loading);
        let situation =
            AutoscaleSituation { now_s, load, over, backlog_replica_s, running, ready, loading, wanted, partial };
        self.0.decide(&situation).replicas
    }
}

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScaleRun {
    /// Replica-seconds paid.
    pub replica_s: f64,
    /// Replica-seconds of the fewest that carry the rate.
    pub needed_s: f64,
    /// Requests.
    pub requests: f64,
    /// Requests that came when capacity was full.
    pub requests_over: f64,
    /// Seconds with the rate over capacity.
    pub short_s: f64,
    /// Replicas launched after the start.
    pub launches: usize,
    /// What was decided, in order.
    pub decisions: Vec<u32>,
}

/// Replays all rates under `policy`, from a start with just enough replicas ready.
pub fn replay(rates: &Rates, per_replica: f64, cold_start_s: f64, policy: &mut dyn ScalingPolicy) -> ScaleRun {
    let mut run = ScaleRun::default();
    let mut ready = whole(rates.at(0.0) / per_replica);
    let mut loading: VecDeque<(f64, u32)> = VecDeque::new();
    let (mut backlog, mut over_since) = (0.0_f64, 0.0);
    let interval_s = policy.interval_s().max(1);
    for second in 0..rates.span_s() as usize {
        let now_s = second as f64;
        while let Some((_, count)) = loading.front().filter(|(ready_at, _)| *ready_at <= now_s) {
            ready += count;
            loading.pop_front();
        }
        if second % interval_s == 0 {
            let view = View {
                now_s,
                load: rates.at(now_s) / per_replica,
                over: over_since / interval_s as f64,
                backlog_replica_s: backlog,
                ready,
                loading: loading.iter().map(|(_, count)| count).sum(),
            };
            over_since = 0.0;
            let wanted = policy.decide(&view);
            run.launches += resize(&mut ready, &mut loading, wanted, now_s + cold_start_s);
            run.decisions.push(wanted);
        }
        let load = rates.at(now_s + 0.5) / per_replica;
        let over = (load - f64::from(ready)).max(0.0);
        backlog = (backlog + load - f64::from(ready)).max(0.0);
        over_since += over;
        run.requests += load * per_replica;
        run.requests_over += over * per_replica;
        run.short_s += f64::from(u8::from(over > 0.0));
        run.needed_s += f64::from(whole(load));
        run.replica_s += f64::from(ready) + loading.iter().map(|(_, count)| f64::from(*count)).sum::<f64>();
    }
    run
}

/// Launches or gives back; ready replicas go first, since a policy that wants fewer than are loading wants them now.
fn resize(ready: &mut u32, loading: &mut VecDeque<(f64, u32)>, wanted: u32, ready_at: f64) -> usize {
    let held = *ready + loading.iter().map(|(_, count)| count).sum::<u32>();
    if wanted > held {
        loading.push_back((ready_at, wanted - held));
        return (wanted - held) as usize;
    }
    let mut surplus = held - wanted;
    while surplus > 0 {
        let Some((_, count)) = loading.back_mut() else { break };
        let dropped = surplus.min(*count);
        *count -= dropped;
        surplus -= dropped;
        if *count == 0 {
            loading.pop_back();
        }
    }
    *ready -= surplus;
    0
}

/// Whole replicas for a load; a hair above a whole number is that number.
fn whole(load: f64) -> u32 {
    (load - 1e-9).ceil().max(0.0) as u32
}
