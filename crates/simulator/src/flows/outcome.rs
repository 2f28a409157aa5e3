//! What a day of flows came to, as a whole, during outages, after them, and minute by minute.

use super::latency::Latencies;

/// What happened in a stretch of time.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// Requests that came.
    pub arrived: f64,
    /// Requests given up.
    pub lost: f64,
    /// Latencies of those served.
    pub latencies: Latencies,
}

impl Served {
    /// Share of the requests that were served; 1 of none.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.arrived > 0.0 { 1.0 - self.lost / self.arrived } else { 1.0 }
    }

    /// Counts another stretch too.
    pub fn join(&mut self, part: &Self) {
        self.arrived += part.arrived;
        self.lost += part.lost;
        self.latencies.join(&part.latencies);
    }
}

/// One stretch of the timeline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Seconds since the start at its end.
    pub at_s: f64,
    /// Requests a second.
    pub demand: f64,
    /// Share of them that was served.
    pub served_share: f64,
    /// Their mean latency.
    pub mean_latency_s: f64,
    /// Replicas that serve at its end.
    pub ready: f64,
}

/// What a day came to.
#[derive(Debug, Clone, Default)]
pub struct FlowRun {
    /// All of it.
    pub all: Served,
    /// While a region is lost.
    pub during: Served,
    /// In the half hour after an outage.
    pub after: Served,
    /// Requests served in another region than they came from.
    pub remote: f64,
    /// Dollars of replicas.
    pub replicas_usd: f64,
    /// Dollars of bytes between regions.
    pub egress_usd: f64,
    /// Seconds of replicas, loading ones among them.
    pub replica_s: f64,
    /// Seconds of the fewest replicas that keep to the busy target, anywhere, with nothing ever loading.
    pub needed_s: f64,
    /// Times that a region's spot capacity was taken.
    pub spot_losses: usize,
    /// The day in stretches of [`MOMENT_S`].
    pub timeline: Vec<Moment>,
    /// The shares that were decided for each step, when they were asked for.
    pub decisions: Vec<Vec<f64>>,
}

/// A stretch of the timeline, seconds.
pub const MOMENT_S: f64 = 300.0;
/// How long the time after an outage is.
pub const AFTER_S: f64 = 1_800.0;
