//! The routing snapshot made ready for requests: keys by their hash, models by name, replicas with what is known of them.
//!
//! A new snapshot makes a new table; replicas that stay keep their connections, health and load.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use access::api_key::KeyHash;
use domain::{KeyGrant, ModelDemand, ModelRef, ModelRoute, Name, ReplicaRoute, RoutingSnapshot, SiteRef, Timestamp};
use metrics::counter;
use parking_lot::Mutex;
use planning::balance::Fleet;
use telemetry::metric;
use tokio::time::Instant;

use crate::config::GatewayConfig;
use crate::demand::DemandCounts;
use crate::meter::ModelMeter;
use crate::replica::Replica;
use crate::text::ModelText;

/// A snapshot in use.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) version: u64,
    /// When it was taken over. What the snapshot says of its own making is another clock's.
    pub(crate) taken_over: Instant,
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
    /// Projects share what its replicas have computed of a prompt.
    pub(crate) shared_prefix_cache: bool,
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
    pub(crate) site: SiteRef,
    pub(crate) draining: bool,
    pub(crate) dollars_per_hour: f64,
    /// Index of its cloud among the meter's.
    pub(crate) cloud: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { version: 0, taken_over: Instant::now(), keys: HashMap::new(), models: BTreeMap::new() }
    }
}

impl Table {
    /// The table of `snapshot`, with what `previous` knows of the same replicas and files.
    pub(crate) fn build(snapshot: &RoutingSnapshot, previous: &Self, config: &GatewayConfig) -> Self {
        let mut known = Known { before: previous.replicas(), named: HashMap::new() };
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
        Self { version: snapshot.version, taken_over: Instant::now(), models: models.collect(), keys: keys.collect() }
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

/// Replicas that a table is built with.
struct Known {
    /// Those of the table before, by id.
    before: HashMap<String, Arc<Replica>>,
    /// Those that the snapshot has named so far; nothing for one that cannot be used.
    named: HashMap<String, Option<Arc<Replica>>>,
}

impl Known {
    /// The replica that a snapshot names; nothing when it cannot be used, which is logged.
    fn replica(&mut self, found: &ReplicaRoute, config: &GatewayConfig) -> Option<Arc<Replica>> {
        if let Some(named) = self.named.get(&found.id) {
            let same = named.clone().filter(|replica| replica.is(found));
            if named.is_some() && same.is_none() {
                tracing::warn!(replica = %found.id, url = %found.url, "replica left out: another has its id");
            }
            return same;
        }
        let kept = self.before.get(&found.id).filter(|replica| replica.is(found)).cloned();
        let cloud = found.site.cloud.to_string();
        let ejections = || counter!(metric::GATEWAY_EJECTIONS.name, "cloud_provider" => cloud);
        let replica = kept.or_else(|| Replica::new(found, config, ejections()));
        if replica.is_none() {
            let shown: String = found.url.chars().take(200).collect();
            tracing::warn!(replica = %found.id, url = ?shown, "replica left out: its url is not plain http");
        }
        self.named.insert(found.id.clone(), replica.clone());
        replica
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
        known: &mut Known,
        config: &GatewayConfig,
        Kept { text, demand, fleet }: Kept,
    ) -> Self {
        let clouds: BTreeSet<Name> = route.replicas.iter().map(|replica| replica.site.cloud.clone()).collect();
        let meter = ModelMeter::new(name, clouds);
        let mut seats: Vec<Seat> = Vec::with_capacity(route.replicas.len());
        for found in &route.replicas {
            let Some(replica) = known.replica(found, config) else { continue };
            if seats.iter().any(|seat| Arc::ptr_eq(&seat.replica, &replica)) {
                tracing::warn!(replica = %found.id, model = %name, "replica left out: it is named twice");
                continue;
            }
            seats.push(Seat {
                replica,
                site: found.site.clone(),
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
            shared_prefix_cache: route.shared_prefix_cache,
            demand,
            text,
            fleet,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(id: &str, url: &str) -> ReplicaRoute {
        ReplicaRoute {
            id: id.to_owned(),
            deployment: "demo-production".parse().expect("a name"),
            site: "local/us-east".parse().expect("a site"),
            location: None,
            url: url.to_owned(),
            credential: None,
            draining: false,
            price_per_hour: domain::Money::ZERO,
        }
    }

    fn table(previous: &Table, routes: &[(&str, &[ReplicaRoute])]) -> Table {
        let route = |replicas: &[ReplicaRoute]| ModelRoute {
            model: "demo:1.0".parse().expect("a model"),
            artifact: "/nonexistent".into(),
            context_tokens: 4_096,
            created_at: Timestamp(0),
            starts_in_seconds: None,
            shared_prefix_cache: false,
            replicas: replicas.to_vec(),
        };
        let models = routes.iter().map(|(name, replicas)| ((*name).to_owned(), route(replicas))).collect();
        Table::build(&RoutingSnapshot { models, ..RoutingSnapshot::default() }, previous, &GatewayConfig::default())
    }

    fn urls(table: &Table, model: &str) -> Vec<String> {
        table.models[model].seats.iter().map(|seat| seat.replica.url.clone()).collect()
    }

    const A: &str = "http://127.0.0.1:1";
    const B: &str = "http://127.0.0.1:2";

    /// What cannot be used is left out, and everything else is.
    #[test]
    fn replicas_named_twice_or_badly_are_left_out() {
        let bad = ["", "https://127.0.0.1:1", "http://", "127.0.0.1:9", "http://a b/", "http://x:99999"];
        let mut replicas = vec![replica("one", A), replica("one", A), replica("one", B), replica("two", B)];
        replicas.extend(bad.iter().map(|url| replica(url, url)));
        replicas.push(replica("id with \n", A));
        let found = table(&Table::default(), &[("demo", &replicas), ("demo:1.0", &[replica("one", B)])]);
        assert_eq!(urls(&found, "demo"), [A, B]);
        assert!(urls(&found, "demo:1.0").is_empty(), "another has its id");
    }

    #[test]
    fn a_replica_is_kept_while_its_url_is_the_same() {
        let first = table(&Table::default(), &[("demo", &[replica("one", A)]), ("demo:1.0", &[replica("one", A)])]);
        let of = |table: &Table, model: &str| Arc::clone(&table.models[model].seats[0].replica);
        assert!(Arc::ptr_eq(&of(&first, "demo"), &of(&first, "demo:1.0")), "all names share it");
        let same = table(&first, &[("demo", &[replica("one", A)])]);
        assert!(Arc::ptr_eq(&of(&first, "demo"), &of(&same, "demo")));
        let moved = table(&same, &[("demo", &[replica("one", B)])]);
        assert!(!Arc::ptr_eq(&of(&same, "demo"), &of(&moved, "demo")));
    }
}
