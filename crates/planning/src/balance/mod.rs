//! Which replica takes this request: filter, score, pick. Every score is in seconds.
//!
//! * [`filter`] says who may take it, and why the others may not.
//! * [`forecast`] says how long the request would take there, and what it would cost.
//! * [`pick`] takes the best of those who may.
//! * [`ledger`] keeps what a sender learns of a replica: its [`backlog`] of prompts, its [`speed`], and prefixes.
//! * [`rates`] keeps what replicas of a model show together.
//! * [`chain`] names the blocks of a prompt, [`prefix`] remembers which of them a replica was sent.
//! * [`split`] divides a flow of requests by the same cost, and [`spread`] those of several origins.
//! * [`ejection`] says when failures put a replica aside, and for how long.

pub mod backlog;
pub mod chain;
pub mod ejection;
pub mod filter;
pub mod forecast;
pub mod ledger;
pub mod pick;
pub mod prefix;
pub mod rates;
pub mod speed;
pub mod split;
pub mod spread;

pub use chain::Chain;
pub use ejection::{Ejection, EjectionPolicy};
pub use filter::{Exclusion, Exclusions};
pub use forecast::{Ask, Forecast, ForecastWeights, Outlook, Peers};
pub use ledger::{Answered, Ledger, Prompt, Sent};
pub use pick::{Choice, Offer, choose_replica};
pub use prefix::PrefixMemory;
pub use rates::Fleet;
pub use split::{Branch, Crowding, Split, split};
pub use spread::Spread;

/// Whether a replica answers its health probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// Not probed yet. It may well serve: a replica enters the snapshot when the control plane found it ready.
    #[default]
    Unknown,
    /// It answered the latest probe.
    Up,
    /// It did not, or refused a connection since.
    Down,
}

/// What a replica last said of its load.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Report {
    /// Requests that it was computing.
    pub running: u32,
    /// Requests waiting in it.
    pub waiting: u32,
    /// Requests that it computes at once.
    pub parallel: u32,
    /// Requests of this gateway on it when the report was taken, so that the others' share is known.
    pub own_in_flight: u32,
}

/// One replica, in plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Candidate {
    /// Whether it answers probes.
    pub health: Health,
    /// It takes nothing new.
    pub draining: bool,
    /// Milliseconds for which it is still put aside; nothing when it is not.
    pub ejected_ms: Option<u64>,
    /// This request failed on it already.
    pub tried: bool,
    /// Its latest report, when it gave one.
    pub report: Option<Report>,
    /// Requests of this gateway on it now.
    pub in_flight: u32,
    /// Mean seconds that a request took on it; nothing before the first.
    pub service_seconds: Option<f64>,
    /// Seconds to reach it and back.
    pub network_seconds: f64,
    /// Dollars an hour.
    pub dollars_per_hour: f64,
}

impl Candidate {
    /// Requests that it computes at once: what it says, and `prior` when it does not.
    #[must_use]
    pub fn slots(&self, prior: u32) -> u32 {
        match self.report.map_or(0, |report| report.parallel) {
            0 => prior.max(1),
            slots => slots,
        }
    }

    /// Requests on it now: what others had there when it reported, and what this gateway has there now. The second part
    /// needs no report: what was sent since is in it, and what has ended since is not.
    #[must_use]
    pub fn occupied(&self) -> u32 {
        let others = self
            .report
            .map_or(0, |report| report.running.saturating_add(report.waiting).saturating_sub(report.own_in_flight));
        others.saturating_add(self.in_flight)
    }
}
