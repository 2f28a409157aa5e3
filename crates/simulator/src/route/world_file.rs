//! The world that requests are routed in: regions, the ways between them, replicas with rates, memory and prices, and
//! outages. Read from TOML; `docs/data.md` tells the form.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use crate::network::{Filled, Network};
use crate::outage::LostRegion;
use crate::problem::SimulationError;
use crate::trace::read_text;

/// Most replicas of a world.
const REPLICAS_MAX: usize = 10_000;
/// Microseconds in a second, the simulation's own unit of time.
pub const US: f64 = 1e6;

/// A world, checked.
#[derive(Debug, Clone)]
pub struct World {
    /// Draws the clients' regions and which of their requests are bound to their jurisdiction.
    pub seed: u64,
    /// Prompt tokens a block of `hash_ids`.
    pub block_tokens: u32,
    /// From the loss of a region until its loss is noticed, and from its return until that is.
    pub detection_us: u64,
    /// How long a request is held while nobody may serve it.
    pub patience_us: u64,
    /// Where clients and replicas are.
    pub regions: Vec<Region>,
    /// One way between two regions, by their indices.
    pub one_way_us: Vec<Vec<u64>>,
    /// Dollars for a gigabyte from one region to another, by their indices.
    pub egress_usd_per_gb: Vec<Vec<f64>>,
    /// What a table of the network gave.
    pub filled: Filled,
    /// Those who serve.
    pub replicas: Vec<Replica>,
    /// When regions are lost.
    pub outages: Vec<Outage>,
}

/// A region.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// Weight of its clients among all.
    pub clients: f64,
    /// Under whose law it stands.
    #[serde(default)]
    pub jurisdiction: String,
    /// Share of its clients' requests that may not leave the jurisdiction.
    #[serde(default)]
    pub bound_share: f64,
    /// Price of bytes that leave it for another region, whichever; a table of the network may tell where this does not.
    #[serde(default)]
    pub egress_usd_per_gb: Option<f64>,
}

/// One replica.
#[derive(Debug, Clone, Copy)]
pub struct Replica {
    /// Index of its region.
    pub region: usize,
    /// Prompt tokens that it reads in a second, one prompt at a time.
    pub prefill_tokens_per_second: f64,
    /// Microseconds a token of an answer when it is alone.
    pub decode_us_per_token: f64,
    /// By what share of that a full batch slows each answer.
    pub decode_slowdown: f64,
    /// Requests that it computes at once.
    pub slots: u32,
    /// Blocks of tokens that its memory holds, for what runs and for prefixes kept.
    pub kv_blocks: u32,
    /// Dollars an hour.
    pub usd_per_hour: f64,
}

/// A region is lost for a time, with all that runs there.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    /// Index of the region.
    pub region: usize,
    /// From when.
    pub from_us: u64,
    /// Until when.
    pub until_us: u64,
}

impl World {
    /// Loses a region for a time, or says that there is none of that name.
    pub fn lose(&mut self, lost: &LostRegion) -> Result<(), String> {
        let found = self.regions.iter().position(|region| region.name == lost.region);
        let region = found.ok_or_else(|| format!("there is no region {:?}", lost.region))?;
        let until_us = ((lost.from_seconds + lost.for_seconds) * US) as u64;
        self.outages.push(Outage { region, from_us: (lost.from_seconds * US) as u64, until_us });
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default)]
    seed: u64,
    block_tokens: u32,
    #[serde(default = "one")]
    detection_seconds: f64,
    #[serde(default = "sixty")]
    patience_seconds: f64,
    local_rtt_ms: f64,
    regions: Vec<Region>,
    #[serde(default)]
    links: Vec<Link>,
    replicas: Vec<ReplicaForm>,
    #[serde(default)]
    outages: Vec<OutageForm>,
}

const fn one() -> f64 {
    1.0
}

const fn sixty() -> f64 {
    60.0
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    between: [String; 2],
    rtt_ms: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplicaForm {
    region: String,
    count: usize,
    prefill_tokens_per_second: f64,
    decode_ms_per_token: f64,
    #[serde(default)]
    decode_slowdown: f64,
    slots: u32,
    kv_blocks: u32,
    usd_per_hour: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutageForm {
    region: String,
    from_seconds: f64,
    for_seconds: f64,
}

/// Reads a world. What it leaves open between two regions is taken from `network`.
pub fn read_world(path: &Path, network: Option<&Network>) -> Result<World, SimulationError> {
    parse_world(&read_text(path)?, network).map_err(|cause| SimulationError::malformed(path, cause))
}

/// A world from its TOML text, or what is wrong with it.
pub fn parse_world(text: &str, network: Option<&Network>) -> Result<World, String> {
    let form: Form = toml::from_str(text).map_err(|error| error.to_string())?;
    if form.block_tokens == 0 {
        return Err("block_tokens is 0".to_owned());
    }
    let places = places(&form.regions)?;
    let mut filled = Filled::default();
    let one_way_us = one_way(&form, &places, network, &mut filled)?;
    let egress_usd_per_gb = egress(&form.regions, network, &mut filled)?;
    let mut replicas = Vec::new();
    for group in &form.replicas {
        let replica = replica(group, &places)?;
        if replicas.len() + group.count > REPLICAS_MAX {
            return Err(format!("more than {REPLICAS_MAX} replicas"));
        }
        replicas.extend(std::iter::repeat_n(replica, group.count));
    }
    if replicas.is_empty() {
        return Err("there is no replica".to_owned());
    }
    let outages = form.outages.iter().map(|outage| {
        let from = measured("from_seconds", outage.from_seconds, 0.0)?;
        let length = measured("for_seconds", outage.for_seconds, 0.0)?;
        let region = place(&places, &outage.region)?;
        Ok(Outage { region, from_us: (from * US) as u64, until_us: ((from + length) * US) as u64 })
    });
    let outages = outages.collect::<Result<_, String>>()?;
    Ok(World {
        seed: form.seed,
        block_tokens: form.block_tokens,
        detection_us: (measured("detection_seconds", form.detection_seconds, 0.0)? * US) as u64,
        patience_us: (measured("patience_seconds", form.patience_seconds, 0.0)? * US) as u64,
        regions: form.regions,
        one_way_us,
        egress_usd_per_gb,
        filled,
        replicas,
        outages,
    })
}

fn places(regions: &[Region]) -> Result<HashMap<String, usize>, String> {
    let mut places = HashMap::new();
    for (index, region) in regions.iter().enumerate() {
        measured("clients", region.clients, 0.0)?;
        if !(0.0..=1.0).contains(&region.bound_share) {
            return Err(format!("bound_share of {} is {}, not between 0 and 1", region.name, region.bound_share));
        }
        if places.insert(region.name.clone(), index).is_some() {
            return Err(format!("region {} is there twice", region.name));
        }
    }
    if regions.iter().map(|region| region.clients).sum::<f64>() > 0.0 {
        Ok(places)
    } else {
        Err("no region has clients".to_owned())
    }
}

/// The world's own price of a region's bytes, then the table's for the pair, then nothing.
fn egress(regions: &[Region], network: Option<&Network>, filled: &mut Filled) -> Result<Vec<Vec<f64>>, String> {
    let mut price = |from: &Region, to: &Region| {
        let known = || network.and_then(|network| network.pair(&from.name, &to.name).egress_usd_per_gb);
        match from.egress_usd_per_gb {
            Some(usd_per_gb) => measured("egress_usd_per_gb", usd_per_gb, 0.0),
            None => Ok(known().inspect(|_| filled.egress_pairs += 1).unwrap_or_default()),
        }
    };
    regions.iter().map(|from| regions.iter().map(|to| price(from, to)).collect()).collect()
}

/// The world's own links, then the table's.
fn one_way(
    form: &Form,
    places: &HashMap<String, usize>,
    network: Option<&Network>,
    filled: &mut Filled,
) -> Result<Vec<Vec<u64>>, String> {
    let half_us = |rtt_ms: f64| (rtt_ms * 500.0) as u64;
    let local = half_us(measured("local_rtt_ms", form.local_rtt_ms, 0.0)?);
    let count = form.regions.len();
    let mut known: Vec<Vec<Option<u64>>> = vec![vec![None; count]; count];
    (0..count).for_each(|at| known[at][at] = Some(local));
    for link in &form.links {
        let (a, b) = (place(places, &link.between[0])?, place(places, &link.between[1])?);
        let way = Some(half_us(measured("rtt_ms", link.rtt_ms, 0.0)?));
        known[a][b] = way;
        known[b][a] = way;
    }
    let mut matrix = vec![vec![0; count]; count];
    for (a, row) in known.iter().enumerate() {
        for (b, way) in row.iter().enumerate() {
            let name = |at: usize| form.regions[at].name.as_str();
            let seen = || network.and_then(|network| network.rtt_ms(name(a), name(b)));
            let way = way.or_else(|| seen().map(half_us).inspect(|_| filled.rtt_pairs += usize::from(a < b)));
            matrix[a][b] = way.ok_or_else(|| {
                let nor = if network.is_some() { ", and the network's table has none" } else { "" };
                format!("no link between {} and {}{nor}", name(a), name(b))
            })?;
        }
    }
    Ok(matrix)
}

fn replica(form: &ReplicaForm, places: &HashMap<String, usize>) -> Result<Replica, String> {
    if form.slots == 0 || form.kv_blocks == 0 {
        return Err(format!("replicas of {} have no slots or no kv_blocks", form.region));
    }
    Ok(Replica {
        region: place(places, &form.region)?,
        prefill_tokens_per_second: measured("prefill_tokens_per_second", form.prefill_tokens_per_second, 1e-3)?,
        decode_us_per_token: measured("decode_ms_per_token", form.decode_ms_per_token, 0.0)? * 1e3,
        decode_slowdown: measured("decode_slowdown", form.decode_slowdown, 0.0)?,
        slots: form.slots,
        kv_blocks: form.kv_blocks,
        usd_per_hour: measured("usd_per_hour", form.usd_per_hour, 0.0)?,
    })
}

fn place(places: &HashMap<String, usize>, name: &str) -> Result<usize, String> {
    places.get(name).copied().ok_or_else(|| format!("there is no region {name:?}"))
}

/// Far beyond any sensible figure, and near enough that microseconds of it fit.
const FIGURE_MAX: f64 = 1e12;

fn measured(name: &str, value: f64, least: f64) -> Result<f64, String> {
    if (least..=FIGURE_MAX).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{name} is {value}, not a number of at least {least}"))
    }
}
