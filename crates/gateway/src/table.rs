//! The routing snapshot made ready for requests: keys by their hash, models by name, replicas with what is known of them.
//!
//! A new snapshot makes a new table; replicas that stay keep their connections, health and load.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use access::api_key::KeyHash;
use domain::{KeyGrant, ModelDemand, ModelRef, ModelRoute, Name, RoutingSnapshot, Timestamp};
use metrics::counter;
use parking_lot::Mutex;
use planning::balance::Fleet;
use telemetry::metric;

use crate::config::GatewayConfig;
use crate::demand::DemandCounts;
use crate::meter::ModelMeter;
use crate::replica::Replica;
use crate::text::ModelText;

/// A snapshot in use.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) version: u64,
    pub(crate) made_at: Timestamp,
    pub(crate) keys: HashMap<KeyHash, KeyGrant>,
    pub(crate) models: BTreeMap<String, Arc<Model>>,
}

/// A model that can be called, under one of its names.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    /// The name its replicas know, as JSON.
    pub(crate) alias_json: String,
    pub(crate) context_tokens: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) seats: Vec<Seat>,
    pub(crate) meter: ModelMeter,
    /// The model and version behind the name.
    pub(crate) reference: ModelRef,
    /// Seconds until a replica serves that is started now, when the replicas follow the load.
    pub(crate) starts_in_seconds: Option<u32>,
    pub(crate) demand: Arc<DemandCounts>,
    /// Vocabulary and template, read in the background.
    pub(crate) text: Arc<ModelText>,
    /// What its replicas have shown together, under all its names.
    pub(crate) fleet: Arc<Mutex<Fleet>>,
}

/// A replica's place in a model's list.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) replica: Arc<Replica>,
    pub(crate) draining: bool,
    pub(crate) dollars_per_hour: f64,
    /// Index of its cloud among the meter's.
    pub(crate) cloud: usize,
}

impl Table {
    /// The table of `snapshot`, with what `previous` knows of the same replicas and files.
    pub(crate) fn build(snapshot: &RoutingSnapshot, previous: &Self, config: &GatewayConfig) -> Self {
        let mut known = previous.replicas();
        let mut texts: HashMap<_, _> =
            previous.models.values().map(|model| (model.text.artifact.clone(), Arc::clone(&model.text))).collect();
        let mut demands: HashMap<_, _> =
            previous.models.values().map(|model| (model.reference.clone(), Arc::clone(&model.demand))).collect();
        let mut fleets: HashMap<_, _> =
            previous.models.values().map(|model| (model.reference.clone(), Arc::clone(&model.fleet))).collect();
        let keys = snapshot.keys.iter().filter_map(|(hash, grant)| match KeyHash::parse(hash) {
            Some(hash) => Some((hash, grant.clone())),
            None => {
                tracing::warn!(key = %grant.id, "key hash in the snapshot is not valid");
                None
            }
        });
        let models = snapshot.models.iter().map(|(name, route)| {
            let text = texts.entry(route.artifact.clone()).or_insert_with(|| Arc::new(ModelText::of(&route.artifact)));
            let kept = Kept {
                text: Arc::clone(text),
                demand: Arc::clone(demands.entry(route.model.clone()).or_default()),
                fleet: Arc::clone(fleets.entry(route.model.clone()).or_default()),
            };
            (name.clone(), Arc::new(Model::build(name, route, &mut known, config, kept)))
        });
        Self { version: snapshot.version, made_at: snapshot.made_at, models: models.collect(), keys: keys.collect() }
    }

    /// Every replica once, by id.
    pub(crate) fn replicas(&self) -> HashMap<String, Arc<Replica>> {
        let seats = self.models.values().flat_map(|model| &model.seats);
        seats.map(|seat| (seat.replica.id.clone(), Arc::clone(&seat.replica))).collect()
    }

    /// What is asked of the models whose replicas follow the load.
    pub(crate) fn demand(&self) -> BTreeMap<String, ModelDemand> {
        let scaled = self.models.values().filter(|model| model.starts_in_seconds.is_some());
        scaled.map(|model| (model.reference.to_string(), model.demand.read())).collect()
    }

    /// Requests running on each replica that drains.
    pub(crate) fn draining(&self) -> BTreeMap<String, u32> {
        let seats = self.models.values().flat_map(|model| &model.seats).filter(|seat| seat.draining);
        seats.map(|seat| (seat.replica.id.clone(), seat.replica.in_flight())).collect()
    }
}

/// What outlives a snapshot: all names of one model share it.
struct Kept {
    text: Arc<ModelText>,
    demand: Arc<DemandCounts>,
    fleet: Arc<Mutex<Fleet>>,
}

impl Model {
    fn build(
        name: &str,
        route: &ModelRoute,
        known: &mut HashMap<String, Arc<Replica>>,
        config: &GatewayConfig,
        Kept { text, demand, fleet }: Kept,
    ) -> Self {
        let clouds: BTreeSet<Name> = route.replicas.iter().map(|replica| replica.site.cloud.clone()).collect();
        let meter = ModelMeter::new(name, clouds);
        let mut seats = Vec::with_capacity(route.replicas.len());
        for found in &route.replicas {
            let kept = known.get(&found.id).filter(|replica| replica.url == found.url).cloned();
            let cloud_name = found.site.cloud.to_string();
            let ejections = || counter!(metric::GATEWAY_EJECTIONS.name, "cloud_provider" => cloud_name);
            let Some(replica) = kept.or_else(|| Replica::new(found, config, ejections())) else {
                tracing::warn!(replica = %found.id, url = %found.url, "replica left out: its url is not plain http");
                continue;
            };
            known.insert(found.id.clone(), Arc::clone(&replica));
            seats.push(Seat {
                replica,
                draining: found.draining,
                dollars_per_hour: found.price_per_hour.dollars(),
                cloud: meter.clouds.iter().position(|(cloud, _)| *cloud == found.site.cloud).unwrap_or(0),
            });
        }
        // A name needs no escapes, but whoever writes JSON by hand is wrong some day.
        let alias_json = serde_json::Value::String(route.model.to_string()).to_string();
        Self {
            name: name.to_owned(),
            alias_json,
            context_tokens: route.context_tokens,
            created_at: route.created_at,
            seats,
            meter,
            reference: route.model.clone(),
            starts_in_seconds: route.starts_in_seconds,
            demand,
            text,
            fleet,
        }
    }
}
