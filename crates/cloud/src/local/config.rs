//! The section `[local]` of the configuration, and the price sheets of the default sites.

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::{GeoPoint, Market, Money, Problem, Resources};
use serde::{Deserialize, Serialize};

/// How the cloud on this machine behaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LocalCloudConfig {
    /// Its folder. Instances carry it on their command line, and are found again by it.
    pub root: PathBuf,
    /// The program that serves a model, with leading arguments when it needs any: `["nice", "-n5", "model-service"]`.
    pub command: Vec<String>,
    /// Variables that instances find in their environment, beside `PATH` and `LANG`: nothing of this process's own is
    /// passed on. `{ CUDA_VISIBLE_DEVICES = "0" }`
    pub environment: BTreeMap<String, String>,
    /// Requests that an instance serves at one time.
    pub parallel: u32,
    /// Requests that may wait at an instance.
    pub queue: u32,
    /// How long an instance may finish what it has when it is removed, in seconds.
    pub drain_seconds: u32,
    /// How long an instance may take to load its model, in seconds. Then it is replaced.
    pub startup_seconds: u32,
    /// How long an instance may go without answering, in seconds. Then it is replaced.
    pub silence_seconds: u32,
    /// The spot market.
    pub spot: SpotConfig,
    /// The sites.
    pub sites: Vec<SiteConfig>,
}

/// How the spot market takes instances back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpotConfig {
    /// How often it takes back one instance, on average in an hour; 0 is never.
    pub reclaims_per_hour: f64,
    /// How long before that it tells the instance, in seconds.
    pub notice_seconds: u32,
    /// Seed of its chance; by default another one at every start.
    pub seed: Option<u64>,
}

/// A site: a place of the world with the price sheet of a real region there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteConfig {
    /// Its name, which the tools call region.
    pub name: String,
    /// Its country (ISO 3166-1 alpha-2).
    pub country: String,
    /// Where it is.
    pub location: GeoPoint,
    /// The instance type whose prices apply.
    pub instance_type: String,
    /// What one instance offers.
    pub instance: Resources,
    /// Dollars an hour for an instance that is kept.
    pub on_demand_usd_per_hour: f64,
    /// Dollars an hour for an instance that can be taken back; without it, the site has no spot market.
    #[serde(default)]
    pub spot_usd_per_hour: Option<f64>,
    /// Most instances.
    pub capacity: u32,
}

impl SiteConfig {
    /// The price of one instance-hour, or nothing where the market does not exist.
    #[must_use]
    pub fn price(&self, market: Market) -> Option<Money> {
        match market {
            Market::OnDemand => Some(Money::from_dollars(self.on_demand_usd_per_hour)),
            Market::Spot => self.spot_usd_per_hour.map(Money::from_dollars),
        }
    }

    /// Whether an instance offers what a replica needs.
    #[must_use]
    pub const fn fits(&self, need: &Resources) -> bool {
        need.cpu_milli <= self.instance.cpu_milli
            && need.memory_bytes <= self.instance.memory_bytes
            && need.gpu <= self.instance.gpu
    }
}

/// Where the default prices come from.
pub const PRICE_SOURCE: &str = "on-demand and spot price of c5n.large (Linux) in the first zone of AWS us-east-1, eu-west-1 \
and ap-southeast-1, from skypilot-org/skypilot-catalog, catalogs/v7/aws/vms.csv at commit 001367d; read on 2026-11-21";

impl Default for SpotConfig {
    fn default() -> Self {
        Self { reclaims_per_hour: 0.0, notice_seconds: 10, seed: None }
    }
}

impl Default for LocalCloudConfig {
    fn default() -> Self {
        let site = |name: &str, country: &str, (latitude, longitude), on_demand, spot| SiteConfig {
            name: name.to_owned(),
            country: country.to_owned(),
            location: GeoPoint { latitude, longitude },
            instance_type: "c5n.large".to_owned(),
            // Two cores and 5.25 GiB.
            instance: Resources { cpu_milli: 2_000, memory_bytes: 5_637_144_576, gpu: 0 },
            on_demand_usd_per_hour: on_demand,
            spot_usd_per_hour: Some(spot),
            capacity: 8,
        };
        Self {
            root: PathBuf::from("clouds/local"),
            command: vec!["model-service".to_owned()],
            environment: BTreeMap::new(),
            parallel: 4,
            queue: 64,
            drain_seconds: 30,
            startup_seconds: 120,
            silence_seconds: 30,
            spot: SpotConfig::default(),
            sites: vec![
                site("us-east", "US", (38.95, -77.45), 0.108, 0.0491),
                site("eu-west", "IE", (53.35, -6.26), 0.122, 0.0574),
                site("ap-southeast", "SG", (1.35, 103.82), 0.124, 0.0668),
            ],
        }
    }
}

impl LocalCloudConfig {
    /// Refuses what cannot work.
    pub fn check(&self) -> Result<(), Problem> {
        let wrong = |cause: String, field: &str| Err(Problem::invalid(cause).at(format!("local.{field}")));
        if self.command.first().is_none_or(String::is_empty) {
            return wrong("no program serves models".to_owned(), "command");
        }
        if self.parallel == 0 {
            return wrong("an instance serves at least one request at a time".to_owned(), "parallel");
        }
        if !(self.spot.reclaims_per_hour.is_finite() && self.spot.reclaims_per_hour >= 0.0) {
            return wrong("a rate is a number from 0 on".to_owned(), "spot.reclaims_per_hour");
        }
        let mut names = std::collections::BTreeSet::new();
        for site in &self.sites {
            if site.name.parse::<domain::Name>().is_err() {
                return wrong(format!("{:?} is not a valid site name", site.name), "sites.name");
            }
            if !names.insert(&site.name) {
                return wrong(format!("two sites are called {:?}", site.name), "sites.name");
            }
        }
        Ok(())
    }
}
