//! A cloud in this process: pools kept at their size, idempotency tokens, outages, faults. Time passes when told so.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cloud::contract::tools::{
    CostEstimate, CostLine, DeployModelArgs, Health, Instance, InstanceStatus, Nodepool, Quota, Quotas, RegionHealth,
    ScaleNodepoolArgs,
};
use control::{CloudPort, WriteError};
use domain::{GeoPoint, Kind, Market, Money, Name, Problem, Resources, Timestamp};

use crate::fuse::Fuse;

/// How the next write goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens, and that is said.
    Refuses,
    /// Nothing happens, and nothing is heard.
    NothingHeardNothingDone,
    /// It happens, and nothing is heard.
    NothingHeardButDone,
}

#[derive(Debug, Clone)]
pub struct Site {
    pub capacity: u32,
    pub price: Money,
    pub available: bool,
    pub country: &'static str,
}

#[derive(Default)]
pub struct State {
    pub sites: BTreeMap<String, Site>,
    pub pools: BTreeMap<(String, String), Nodepool>,
    pub faults: VecDeque<Fault>,
    pub silent: bool,
    /// Instances ever started, and writes that changed something.
    pub started: u32,
    pub writes: u32,
    /// What instances were asked for.
    pub asked: Vec<Resources>,
    /// Digests of what instances are shown, as they were told with each pool.
    pub caller_digests: Vec<Vec<domain::Digest>>,
    tokens: BTreeMap<String, (String, Nodepool)>,
    made: i64,
}

pub struct FakeCloud {
    name: Name,
    fuse: Arc<Fuse>,
    state: Mutex<State>,
}

impl FakeCloud {
    /// Three sites in three places, at three prices, with room for ten replicas each.
    pub fn new(fuse: Arc<Fuse>) -> Self {
        let site =
            |cents: i64, country| Site { capacity: 10, price: Money(cents * 10_000_000), available: true, country };
        let sites = [("us-east", site(4, "US")), ("eu-west", site(5, "IE")), ("ap-south", site(3, "IN"))];
        let sites = sites.into_iter().map(|(name, site)| (name.to_owned(), site)).collect();
        let name = "fake".parse().expect("a name");
        Self { name, fuse, state: Mutex::new(State { sites, ..State::default() }) }
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().expect("nobody panicked"))
    }

    /// Lets a moment pass: what starts becomes ready, what drains goes, what died is replaced.
    pub fn pass_time(&self) {
        self.with(State::pass_time);
    }

    /// A site is out, and all that ran there is lost.
    pub fn site_out(&self, region: &str) {
        self.with(|state| {
            state.sites.get_mut(region).expect("a site").available = false;
            state.pass_time();
        });
    }

    /// Pool sizes by region.
    pub fn sizes(&self) -> BTreeMap<String, u32> {
        self.with(|state| state.pools.iter().map(|((region, _), pool)| (region.clone(), pool.size)).collect())
    }

    /// Ids of instances of that status.
    pub fn instances(&self, status: InstanceStatus) -> Vec<String> {
        self.with(|state| {
            let all = state.pools.values().flat_map(|pool| &pool.instances);
            all.filter(|instance| instance.status == status).map(|instance| instance.id.clone()).collect()
        })
    }

    async fn write(&self, effect: impl FnOnce(&mut State) -> Result<Nodepool, Problem>) -> Result<(), WriteError> {
        self.fuse
            .pass(async {
                let mut state = self.state.lock().expect("nobody panicked");
                if state.silent {
                    return Err(WriteError::Unknown(unheard()));
                }
                match state.faults.pop_front() {
                    None => effect(&mut state).map(drop).map_err(WriteError::Refused),
                    Some(Fault::Refuses) => {
                        Err(WriteError::Refused(Problem::new(Kind::NoCapacity, "there is no room now")))
                    }
                    Some(Fault::NothingHeardNothingDone) => Err(WriteError::Unknown(unheard())),
                    Some(Fault::NothingHeardButDone) => {
                        let _ = effect(&mut state);
                        Err(WriteError::Unknown(unheard()))
                    }
                }
            })
            .await
    }
}

fn unheard() -> Problem {
    Problem::new(Kind::Timeout, "the cloud did not answer in time")
}

impl State {
    fn pass_time(&mut self) {
        for (region, _) in self.pools.keys().cloned().collect::<Vec<_>>() {
            let available = self.sites[&region].available;
            for pool in self.pools.values_mut().filter(|pool| pool.region == region) {
                pool.instances.retain(|instance| instance.status != InstanceStatus::Draining);
                for instance in &mut pool.instances {
                    instance.status = match instance.status {
                        _ if !available => InstanceStatus::Lost,
                        InstanceStatus::Starting => InstanceStatus::Ready,
                        status => status,
                    };
                }
                if available {
                    pool.instances.retain(|instance| instance.status != InstanceStatus::Lost);
                }
            }
        }
        for key in self.pools.keys().cloned().collect::<Vec<_>>() {
            self.fill(&key);
        }
        self.pools.retain(|_, pool| pool.size > 0 || !pool.instances.is_empty());
    }

    /// Starts instances until the pool has its size.
    fn fill(&mut self, key: &(String, String)) {
        let site = self.sites[&key.0].clone();
        let Some(pool) = self.pools.get_mut(key) else { return };
        let there = pool.instances.iter().filter(|instance| instance.status != InstanceStatus::Draining).count();
        for _ in there..pool.size as usize {
            self.made += 1;
            self.started += 1;
            pool.instances.push(Instance {
                id: format!("fake-{}", self.made),
                status: if site.available { InstanceStatus::Starting } else { InstanceStatus::Lost },
                url: Some(format!("http://127.0.0.1:1/{}", self.made)),
                market: pool.market,
                price_per_hour: site.price,
                started_at: Timestamp(self.made),
                restarts: 0,
                reason: None,
            });
        }
    }

    /// The same token with the same arguments leads to the same answer; with others it is refused.
    fn once(
        &mut self,
        token: &str,
        args: String,
        effect: impl FnOnce(&mut Self) -> Result<Nodepool, Problem>,
    ) -> Result<Nodepool, Problem> {
        if let Some((before, answer)) = self.tokens.get(token) {
            assert_eq!(*before, args, "a token was used again with other arguments");
            return Ok(answer.clone());
        }
        let pool = effect(self)?;
        self.writes += 1;
        self.tokens.insert(token.to_owned(), (args, pool.clone()));
        Ok(pool)
    }

    fn room(&self, region: &str) -> u32 {
        let used = self.pools.values().filter(|pool| pool.region == region).map(|pool| pool.size).sum::<u32>();
        self.sites[region].capacity.saturating_sub(used)
    }

    fn deploy(&mut self, args: &DeployModelArgs) -> Result<Nodepool, Problem> {
        let key = (args.region.clone(), args.nodepool.clone());
        if self.pools.contains_key(&key) {
            return Err(Problem::new(Kind::Conflict, "there is such a pool already"));
        }
        if !self.sites[&args.region].available || self.room(&args.region) < args.replicas {
            return Err(Problem::new(Kind::NoCapacity, "the site cannot start them"));
        }
        self.asked.push(args.resources);
        let pool = Nodepool {
            region: args.region.clone(),
            nodepool: args.nodepool.clone(),
            size: args.replicas,
            model: args.model.clone(),
            market: args.market,
            labels: args.write.labels.clone(),
            instances: Vec::new(),
        };
        self.pools.insert(key.clone(), pool);
        self.fill(&key);
        Ok(self.pools[&key].clone())
    }

    fn scale(&mut self, args: &ScaleNodepoolArgs) -> Result<Nodepool, Problem> {
        let key = (args.region.clone(), args.nodepool.clone());
        let room = self.room(&args.region);
        let pool = self.pools.get_mut(&key).ok_or_else(|| Problem::not_found("there is no such pool"))?;
        if args.size > pool.size + room {
            return Err(Problem::new(Kind::NoCapacity, "the site has no room for them"));
        }
        pool.size = args.size;
        let stays = |instance: &Instance| instance.status != InstanceStatus::Draining;
        let surplus = pool.instances.iter().filter(|i| stays(i)).count().saturating_sub(args.size as usize);
        pool.instances.sort_by_key(|instance| !args.remove.contains(&instance.id));
        for instance in pool.instances.iter_mut().filter(|i| stays(i)).take(surplus) {
            instance.status = InstanceStatus::Draining;
        }
        self.fill(&key);
        Ok(self.pools[&key].clone())
    }
}

#[async_trait]
impl CloudPort for FakeCloud {
    fn name(&self) -> &Name {
        &self.name
    }

    async fn get_health(&self) -> Result<Health, Problem> {
        let state = self.state.lock().expect("nobody panicked");
        if state.silent {
            return Err(unheard());
        }
        let regions = state.sites.iter().map(|(region, site)| RegionHealth {
            region: region.clone(),
            available: site.available,
            reason: (!site.available).then(|| "its power is out".to_owned()),
        });
        Ok(Health { regions: regions.collect(), nodepools: state.pools.values().cloned().collect() })
    }

    async fn get_quotas(&self) -> Result<Quotas, Problem> {
        let state = self.state.lock().expect("nobody panicked");
        if state.silent {
            return Err(unheard());
        }
        let quotas = state.sites.iter().map(|(region, site)| Quota {
            region: region.clone(),
            country: site.country.to_owned(),
            location: GeoPoint { latitude: 1.0, longitude: 2.0 },
            instance_type: "m7i.large".to_owned(),
            instance: Resources { cpu_milli: 2_000, memory_bytes: 8 << 30, gpu: 0 },
            limit: site.capacity,
            used: site.capacity - state.room(region),
            spot: true,
        });
        Ok(Quotas { quotas: quotas.collect() })
    }

    async fn get_cost_estimate(&self, _resources: Resources) -> Result<CostEstimate, Problem> {
        let state = self.state.lock().expect("nobody panicked");
        let line = |(region, site): (&String, &Site)| CostLine {
            region: region.clone(),
            instance_type: "m7i.large".to_owned(),
            market: Market::OnDemand,
            price_per_hour: site.price,
            total: site.price,
        };
        Ok(CostEstimate { lines: state.sites.iter().map(line).collect(), source: "a test".to_owned() })
    }

    async fn deploy_model(&self, args: DeployModelArgs) -> Result<(), WriteError> {
        self.write(|state| {
            let text = serde_json::to_string(&args).expect("arguments serialise");
            state.caller_digests.push(args.caller_digests.clone());
            state.once(&args.write.idempotency_token, text, |state| state.deploy(&args))
        })
        .await
    }

    async fn scale_nodepool(&self, args: ScaleNodepoolArgs) -> Result<(), WriteError> {
        self.write(|state| {
            let text = serde_json::to_string(&args).expect("arguments serialise");
            state.once(&args.write.idempotency_token, text, |state| state.scale(&args))
        })
        .await
    }
}
