//! The world that flows move in: regions with machines, prices and people, the ways between them, and outages.
//!
//! Read from TOML; `docs/data.md` tells the form.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::atlas::great_circle_km;
use crate::problem::SimulationError;
use crate::trace::read_text;

/// Most regions of a world: every step looks at each pair.
const REGIONS_MAX: usize = 200;
/// Largest figure of a world; keeps sums of a day far from overflow.
pub(super) const FIGURE_MAX: f64 = 1e12;
/// There and back for 1,000 km. Light in fibre needs 10 ms and cables make detours: the median of the pairs of
/// Skyplane's latency grid that are over 500 km apart (skyplane-project/skyplane, 2022) is 18 ms.
pub const RTT_MS_PER_1000_KM: f64 = 18.0;

/// For how long a load stays about the same: bursts last as long.
const LOAD_STAYS_SECONDS: f64 = 300.0;

/// A world, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Draws bursts, crowds and losses of spot capacity.
    #[serde(default = "seven")]
    pub seed: u64,
    /// Requests a second from everywhere, the mean of a day.
    pub requests_per_second: f64,
    /// Mean seconds of service of a request that is alone.
    pub service_seconds: f64,
    /// Requests that one replica computes at once.
    pub slots: f64,
    /// Share of a replica's slots that is to be kept busy.
    #[serde(default = "four_fifths")]
    pub busy_target: f64,
    /// From a launch until a replica serves.
    #[serde(default = "cold_start")]
    pub cold_start_seconds: f64,
    /// From the loss of a region until its loss is noticed.
    #[serde(default = "ten")]
    pub detection_seconds: f64,
    /// How long a request waits before it is given up.
    #[serde(default = "thirty")]
    pub patience_seconds: f64,
    /// Gigabytes (2³⁰ bytes) of a million requests and answers, charged when they leave the region that serves.
    #[serde(default = "six")]
    pub gb_per_million_requests: f64,
    /// Most of a region's replicas that may be on spot, as a share.
    #[serde(default)]
    pub spot_share: f64,
    /// There and back inside a region.
    #[serde(default = "two")]
    pub local_rtt_ms: f64,
    /// There and back for 1,000 km over the globe, for pairs without a link of their own.
    #[serde(default = "rtt_ms_per_1000_km")]
    pub rtt_ms_per_1000_km: f64,
    /// How far the day's wave goes up and down, as a share of the mean.
    #[serde(default = "day_swing")]
    pub day_swing: f64,
    /// Standard deviation of a region's demand around its wave over minutes, as a share.
    #[serde(default = "burst_share")]
    pub burst_share: f64,
    /// Crowds a day in each region that come unannounced.
    #[serde(default = "two")]
    pub crowds_per_day: f64,
    /// Where people and machines are.
    pub regions: Vec<Region>,
    /// Ways that are known better than by distance.
    #[serde(default)]
    pub links: Vec<Link>,
    /// When regions are lost.
    #[serde(default)]
    pub outages: Vec<Outage>,
    /// Dollars for a gigabyte from each region to each, row by row, from a table of the network; empty without one. It
    /// counts for regions without a price of their own.
    #[serde(skip)]
    pub egress_pairs: Vec<f64>,
}

/// A region.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its name, like `aws:us-east-1`.
    pub name: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east: the day's wave comes by it.
    pub longitude: f64,
    /// Weight of its people among all.
    pub clients: f64,
    /// Dollars an hour of a replica on demand.
    pub usd_per_hour: f64,
    /// Dollars an hour of a replica on spot.
    #[serde(default)]
    pub spot_usd_per_hour: f64,
    /// Most replicas that can be had there.
    pub replicas_max: u32,
    /// Most of them on spot.
    #[serde(default)]
    pub spot_replicas_max: u32,
    /// How often a day all its spot replicas are taken at once.
    #[serde(default)]
    pub spot_losses_per_day: f64,
    /// Dollars for a gigabyte that leaves it, wherever to; a table of the network may tell where this does not.
    #[serde(default)]
    pub egress_usd_per_gb: Option<f64>,
}

/// A way between two regions that was measured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Both ends.
    pub between: [String; 2],
    /// There and back.
    pub rtt_ms: f64,
}

/// A region is lost for a time, with all that runs there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// The region's name.
    pub region: String,
    /// From when, seconds since the start.
    pub from_seconds: f64,
    /// For how long.
    pub for_seconds: f64,
}

const fn seven() -> u64 {
    7
}
const fn two() -> f64 {
    2.0
}
const fn six() -> f64 {
    6.0
}
const fn ten() -> f64 {
    10.0
}
const fn thirty() -> f64 {
    30.0
}
const fn four_fifths() -> f64 {
    0.8
}
const fn cold_start() -> f64 {
    183.0
}
const fn rtt_ms_per_1000_km() -> f64 {
    RTT_MS_PER_1000_KM
}
const fn day_swing() -> f64 {
    0.5
}
const fn burst_share() -> f64 {
    0.05
}

/// Reads a world.
pub fn read_world(path: &Path) -> Result<World, SimulationError> {
    parse_world(&read_text(path)?).map_err(|cause| SimulationError::malformed(path, cause))
}

/// A world from its TOML text, or what is wrong with it.
pub fn parse_world(text: &str) -> Result<World, String> {
    let world: World = toml::from_str(text).map_err(|error| error.to_string())?;
    world.checked()
}

impl World {
    /// The same world, or what is wrong with it.
    pub fn checked(self) -> Result<Self, String> {
        if !(1..=REGIONS_MAX).contains(&self.regions.len()) {
            return Err(format!("{} regions are not 1 to {REGIONS_MAX}", self.regions.len()));
        }
        for (name, value, least) in [
            ("requests_per_second", self.requests_per_second, f64::MIN_POSITIVE),
            ("service_seconds", self.service_seconds, 1e-6),
            ("slots", self.slots, 1.0),
            ("busy_target", self.busy_target, 0.01),
            ("cold_start_seconds", self.cold_start_seconds, 0.0),
            ("detection_seconds", self.detection_seconds, 0.0),
            ("patience_seconds", self.patience_seconds, 0.0),
            ("gb_per_million_requests", self.gb_per_million_requests, 0.0),
            ("local_rtt_ms", self.local_rtt_ms, 0.0),
            ("rtt_ms_per_1000_km", self.rtt_ms_per_1000_km, 0.0),
            ("crowds_per_day", self.crowds_per_day, 0.0),
        ] {
            at_least(name, value, least)?;
        }
        for (name, value) in [
            ("busy_target", self.busy_target),
            ("spot_share", self.spot_share),
            ("day_swing", self.day_swing / 0.7),
            ("burst_share", self.burst_share),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("{name} is too large or below zero"));
            }
        }
        self.regions.iter().try_for_each(Region::check)?;
        let places = self.places()?;
        for link in &self.links {
            link.between.iter().try_for_each(|end| place(&places, end).map(|_| ()))?;
            at_least("rtt_ms", link.rtt_ms, 0.0)?;
        }
        for outage in &self.outages {
            place(&places, &outage.region)?;
            at_least("from_seconds", outage.from_seconds, 0.0)?;
            at_least("for_seconds", outage.for_seconds, 0.0)?;
        }
        if self.regions.iter().all(|region| region.clients <= 0.0) {
            return Err("no region has clients".to_owned());
        }
        Ok(self)
    }

    fn places(&self) -> Result<HashMap<String, usize>, String> {
        let mut places = HashMap::new();
        for (at, region) in self.regions.iter().enumerate() {
            if places.insert(region.name.clone(), at).is_some() {
                return Err(format!("region {} is there twice", region.name));
            }
        }
        Ok(places)
    }

    /// The index of a region.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<usize> {
        self.regions.iter().position(|region| region.name == name)
    }

    /// Seconds there and back between all pairs, row by row.
    #[must_use]
    pub fn rtt_seconds(&self) -> Vec<f64> {
        let count = self.regions.len();
        let spot = |region: &Region| (region.latitude, region.longitude);
        let by_distance = |at: usize| {
            let km = great_circle_km(spot(&self.regions[at / count]), spot(&self.regions[at % count]));
            (self.local_rtt_ms + km / 1_000.0 * self.rtt_ms_per_1000_km) / 1_000.0
        };
        let mut rtt: Vec<f64> = (0..count * count).map(by_distance).collect();
        for link in &self.links {
            if let (Some(from), Some(to)) = (self.index(&link.between[0]), self.index(&link.between[1])) {
                rtt[from * count + to] = link.rtt_ms / 1_000.0;
                rtt[to * count + from] = link.rtt_ms / 1_000.0;
            }
        }
        rtt
    }

    /// Replicas that so many requests a second keep as busy as they are to be.
    #[must_use]
    pub fn replicas_for(&self, flow: f64) -> f64 {
        flow * self.service_seconds / (self.slots * self.busy_target)
    }

    /// The busy share up to which a replica's queue has time to settle before the load is another: the relaxation time of a
    /// queue with several servers is `S / (s·(1−√ρ)²)` (J. W. Cohen, "The Single Server Queue", 1982, III.1). What arrives
    /// beyond the capacity is counted as waiting, second by second, and not by the formula of a settled queue.
    #[must_use]
    pub fn steady_share(&self) -> f64 {
        let root = 1.0 - (self.service_seconds / (self.slots * LOAD_STAYS_SECONDS)).sqrt();
        root.max(0.0).powi(2)
    }

    /// Dollars of a request that comes from one region and is served in another: the machine's time on demand at its target,
    /// and the bytes.
    #[must_use]
    pub fn usd_per_request(&self, origin: usize, serving: usize) -> f64 {
        let machine = self.regions[serving].usd_per_hour / 3_600.0 * self.replicas_for(1.0);
        machine + if origin == serving { 0.0 } else { self.egress_usd_per_request(serving, origin) }
    }

    /// Dollars of the bytes of a request that leave the region which serves it for another.
    #[must_use]
    pub fn egress_usd_per_request(&self, serving: usize, origin: usize) -> f64 {
        let between = || self.egress_pairs.get(serving * self.regions.len() + origin).copied();
        let usd_per_gb = self.regions[serving].egress_usd_per_gb.or_else(between).unwrap_or_default();
        usd_per_gb * self.gb_per_million_requests / 1e6
    }
}

impl Outage {
    /// Whether it lasts at that second.
    #[must_use]
    pub fn covers(&self, now_s: f64) -> bool {
        (self.from_seconds..self.from_seconds + self.for_seconds).contains(&now_s)
    }
}

impl Region {
    fn check(&self) -> Result<(), String> {
        let of = |name: &str| format!("{name} of {}", self.name);
        for (name, value) in [
            ("clients", self.clients),
            ("usd_per_hour", self.usd_per_hour),
            ("spot_usd_per_hour", self.spot_usd_per_hour),
            ("spot_losses_per_day", self.spot_losses_per_day),
            ("egress_usd_per_gb", self.egress_usd_per_gb.unwrap_or_default()),
        ] {
            at_least(&of(name), value, 0.0)?;
        }
        for (name, value, most) in [("latitude", self.latitude, 90.0), ("longitude", self.longitude, 180.0)] {
            if !(-most..=most).contains(&value) {
                return Err(format!("{} is {value}, not between -{most} and {most}", of(name)));
            }
        }
        Ok(())
    }
}

fn place(places: &HashMap<String, usize>, name: &str) -> Result<usize, String> {
    places.get(name).copied().ok_or_else(|| format!("there is no region {name:?}"))
}

fn at_least(name: &str, value: f64, least: f64) -> Result<(), String> {
    if (least..=FIGURE_MAX).contains(&value) {
        Ok(())
    } else {
        let wanted = match least {
            _ if value > FIGURE_MAX => format!("over the limit of {FIGURE_MAX:e}"),
            f64::MIN_POSITIVE => "not a number above zero".to_owned(),
            least => format!("not a number of at least {least}"),
        };
        Err(format!("{name} is {value}, {wanted}"))
    }
}
