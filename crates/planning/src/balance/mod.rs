//! Which replica takes this request: filter, score, pick. Every score is in seconds.
//!
//! * [`filter`] says who may take it, and why the others may not.
//! * [`score`] says how long the request would take there.
//! * [`pick`] draws two of those who may, and takes the better.
//! * [`forecast`] says it more closely, where more is known: rates, prompts still to be read, prefixes held.
//! * [`informed`] takes the best of all by that forecast.
//! * [`prefix`] remembers which prefixes a replica was sent.
//! * [`split`] divides a flow of requests by the same cost, and [`spread`] those of several origins.
//! * [`ejection`] says when failures put a replica aside, and for how long.

pub mod ejection;
pub mod filter;
pub mod forecast;
pub mod informed;
pub mod pick;
pub mod prefix;
pub mod score;
pub mod split;
pub mod spread;

pub use ejection::{Ejection, EjectionPolicy};
pub use filter::{Exclusion, Exclusions};
pub use forecast::{Ask, Forecast, ForecastWeights, Outlook, Peers};
pub use informed::{Choice, Offer, choose_informed};
pub use pick::{Pick, choose_replica};
pub use prefix::PrefixMemory;
pub use score::{Weights, expected_seconds};
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
