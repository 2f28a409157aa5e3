//! The problem as it is written down. docs/placement.md describes every field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Tasks, offers, and what moves between them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// What is to run.
    pub tasks: Vec<Task>,
    /// What it can run on.
    pub offers: Vec<Offer>,
    /// Data from one task to the next.
    #[serde(default)]
    pub edges: Vec<Edge>,
    /// Dollars that an hour of waiting for a transfer is worth (λ).
    #[serde(default)]
    pub lambda_usd_per_hour: f64,
    /// Most dollars that the whole may cost (machines and egress, without λ).
    #[serde(default)]
    pub budget_usd: Option<f64>,
    /// Places through which data may go on its way, one for each transfer at most.
    #[serde(default)]
    pub relays: Vec<Relay>,
    /// Quotas that tasks draw on together.
    #[serde(default)]
    pub quotas: Vec<Quota>,
    /// Places that are out: `aws`, `aws:us-east-1` or `aws:us-east-1:us-east-1a`.
    #[serde(default)]
    pub outages: Vec<String>,
    /// What has left already this month.
    #[serde(default)]
    pub month_to_date: Vec<Sent>,
    /// Prices that go before the built-in list; the first row that fits counts.
    #[serde(default)]
    pub egress: Vec<EgressRow>,
    /// How fast data moves.
    #[serde(default)]
    pub bandwidth: Bandwidth,
}

/// One piece of work.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its name, unique.
    pub name: String,
    /// Hours on an instance of speed 1, without interruption.
    pub hours: f64,
    /// Hours on particular instances, by the offer's `instance`; goes before `hours` and the offer's speed.
    #[serde(default)]
    pub hours_on: BTreeMap<String, f64>,
    /// Instances it runs on at once.
    #[serde(default = "one")]
    pub instances: u32,
    /// Least virtual processors of an instance.
    #[serde(default)]
    pub vcpus: f64,
    /// Least memory of an instance.
    #[serde(default)]
    pub memory_gib: f64,
    /// The accelerators it can use; any, or none, when empty.
    #[serde(default)]
    pub accelerators: Vec<String>,
    /// Least accelerator memory of an instance, all accelerators together.
    #[serde(default)]
    pub accelerator_memory_gib: f64,
    /// Jurisdictions or places (`eu`, `aws`, `aws:eu-west-1`) it may run in; anywhere when empty.
    #[serde(default)]
    pub residency: Vec<String>,
    /// Instance families it may run on; any when empty.
    #[serde(default)]
    pub families: Vec<String>,
    /// Markets it may run on (`spot`, `on-demand`); any when empty.
    #[serde(default)]
    pub markets: Vec<Market>,
    /// Most dollars that its machines may cost.
    #[serde(default)]
    pub budget_usd: Option<f64>,
    /// How it saves its work; without this an interruption starts it over.
    #[serde(default)]
    pub checkpoint: Option<Checkpoint>,
    /// Data it reads from fixed places.
    #[serde(default)]
    pub inputs: Vec<FixedData>,
    /// Data it writes to fixed places.
    #[serde(default)]
    pub outputs: Vec<FixedData>,
}

const fn one() -> u32 {
    1
}

/// How a task saves its work.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Hours that writing one takes.
    pub write_hours: f64,
    /// Hours to read it back.
    #[serde(default)]
    pub restore_hours: f64,
}

/// Data at, or to, a fixed place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedData {
    /// The place, like `aws:us-east-1`; outputs may go to `internet`.
    pub place: String,
    /// Gigabytes (2³⁰ bytes).
    pub gb: f64,
}

/// Data from one task to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// The task that writes it.
    pub from: String,
    /// The task that reads it, and so runs later.
    pub to: String,
    /// Gigabytes (2³⁰ bytes).
    #[serde(default)]
    pub gb: f64,
}

/// Something that can be had.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Its name, unique.
    pub name: String,
    /// The cloud, like `aws`.
    pub cloud: String,
    /// The region, like `us-east-1`.
    pub region: String,
    /// The zone.
    #[serde(default)]
    pub zone: String,
    /// The instance type.
    #[serde(default)]
    pub instance: String,
    /// The family of that type.
    #[serde(default)]
    pub family: String,
    /// How it is sold.
    #[serde(default)]
    pub market: Market,
    /// Dollars for an instance and hour.
    pub usd_per_hour: f64,
    /// Speed beside the instance that `hours` was measured on.
    #[serde(default = "unit")]
    pub speed: f64,
    /// Virtual processors.
    #[serde(default)]
    pub vcpus: f64,
    /// Memory.
    #[serde(default)]
    pub memory_gib: f64,
    /// Its accelerator; empty for none.
    #[serde(default)]
    pub accelerator: String,
    /// Accelerator memory, all together.
    #[serde(default)]
    pub accelerator_memory_gib: f64,
    /// Instances that the quota still allows; not limited when absent.
    #[serde(default)]
    pub quota: Option<u32>,
    /// The jurisdiction its region lies in, like `eu`.
    #[serde(default)]
    pub jurisdiction: String,
    /// Mean hours until it is taken back; never when absent.
    #[serde(default)]
    pub mean_up_hours: Option<f64>,
    /// Hours from the request to a running machine, paid again after each interruption.
    #[serde(default)]
    pub boot_hours: f64,
}

const fn unit() -> f64 {
    1.0
}

impl Offer {
    /// The place its data lives in, like `aws:us-east-1`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.cloud, self.region)
    }

    /// Whether `name` is its cloud, region or zone.
    #[must_use]
    pub fn is_in(&self, name: &str) -> bool {
        let mut parts = name.split(':');
        parts.next() == Some(&self.cloud)
            && parts.next().is_none_or(|region| region == self.region)
            && parts.next().is_none_or(|zone| zone == self.zone)
            && parts.next().is_none()
    }
}

/// How capacity is sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Market {
    /// Kept until given back.
    #[default]
    OnDemand,
    /// May be taken back.
    Spot,
}

/// A place that passes data on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// The place, like `aws:ca-central-1`.
    pub place: String,
    /// The jurisdiction it lies in, like `eu`; the data's residency holds for it too.
    #[serde(default)]
    pub jurisdiction: String,
    /// Dollars for an hour of the machine that passes the data on, while it comes in and while it goes out.
    #[serde(default)]
    pub usd_per_hour: f64,
}

impl Relay {
    /// Whether data of this task may go through it.
    #[must_use]
    pub fn may_pass(&self, task: &Task) -> bool {
        let resides = |name: &String| *name == self.jurisdiction || self.is_in(name);
        task.residency.is_empty() || task.residency.iter().any(resides)
    }

    /// Whether `name` is its cloud or its place.
    #[must_use]
    pub fn is_in(&self, name: &str) -> bool {
        name == self.place || self.place.split_once(':').is_some_and(|(cloud, _)| cloud == name)
    }
}

/// Capacity that all tasks which may run at once share. Tasks may run at once unless the edges put one before the other.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Its name, unique.
    pub name: String,
    /// Most of `unit` at once.
    pub limit: u32,
    /// What is counted.
    #[serde(default)]
    pub unit: QuotaUnit,
    /// Where it holds: `aws`, `aws:us-east-1` or `aws:us-east-1:us-east-1a`; everywhere when empty.
    #[serde(default)]
    pub place: String,
    /// The instance families it counts; all when empty.
    #[serde(default)]
    pub families: Vec<String>,
    /// The markets it counts; all when empty.
    #[serde(default)]
    pub markets: Vec<Market>,
}

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuotaUnit {
    /// Instances.
    #[default]
    Instances,
    /// Virtual processors, as Amazon and Azure count them.
    Vcpus,
}

impl Quota {
    /// What one instance of an offer takes of it.
    #[must_use]
    pub fn units(&self, offer: &Offer) -> u32 {
        let counts = (self.place.is_empty() || offer.is_in(&self.place))
            && (self.families.is_empty() || self.families.contains(&offer.family))
            && (self.markets.is_empty() || self.markets.contains(&offer.market));
        match self.unit {
            _ if !counts => 0,
            QuotaUnit::Instances => 1,
            QuotaUnit::Vcpus => offer.vcpus.ceil() as u32,
        }
    }

    /// Whether it has room for a task alone on an offer.
    #[must_use]
    pub fn holds(&self, task: &Task, offer: &Offer) -> bool {
        u64::from(self.units(offer)) * u64::from(task.instances) <= u64::from(self.limit)
    }
}

/// What left a place this month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sent {
    /// The place.
    pub from: String,
    /// Any place of the class of destination.
    pub to: String,
    /// Gigabytes (2³⁰ bytes).
    pub gb: f64,
}

/// One price between places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressRow {
    /// `*`, a cloud, or a place.
    pub from: String,
    /// `*`, a cloud, a place, or `internet`.
    pub to: String,
    /// Dollars a gigabyte, whatever the amount.
    pub usd_per_gb: f64,
}

/// How fast data moves, in gigabits per second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bandwidth {
    /// Within a region.
    pub same_region_gbps: f64,
    /// Between regions of a cloud.
    pub same_cloud_gbps: f64,
    /// Between clouds, or from and to the internet.
    pub between_clouds_gbps: f64,
    /// Pairs that differ; the first that fits counts.
    pub pairs: Vec<PairBandwidth>,
}

impl Default for Bandwidth {
    fn default() -> Self {
        Self { same_region_gbps: 10.0, same_cloud_gbps: 5.0, between_clouds_gbps: 2.0, pairs: Vec::new() }
    }
}

/// How fast data moves from one place to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairBandwidth {
    /// `*`, a cloud, or a place.
    pub from: String,
    /// `*`, a cloud, a place, or `internet`.
    pub to: String,
    /// Gigabits per second.
    pub gbps: f64,
}
