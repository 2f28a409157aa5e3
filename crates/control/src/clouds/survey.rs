//! What all clouds last said, read at most so often, and remembered while a cloud is silent.
//!
//! It holds no decision. A cloud that does not answer keeps its last answers, with the time since when it is silent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloud::contract::tools::{CostEstimate, Health, Nodepool, Quotas};
use domain::{Clock, CloudSite, Kind, Monotonic, Name, Problem, Resources, SiteRef, Timestamp};
use futures_util::future::join_all;

use super::CloudPort;
use super::outage::{Patience, Service};
use super::sites::sites_of;

/// Longest wait for one reading of a cloud.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// How long prices are believed, in milliseconds.
const PRICES_FRESH_MS: i64 = 60_000;
/// Most needs whose prices are remembered for one cloud.
const PRICES_MAX: usize = 64;

/// One cloud as it was last seen.
#[derive(Debug, Clone)]
pub struct CloudView {
    /// Its name.
    pub cloud: Name,
    /// Since when it has not answered, if it did not answer last.
    pub silent_since: Option<Timestamp>,
    /// For how many milliseconds it has been silent, if it did not answer last.
    pub silent_ms: Option<i64>,
    /// Milliseconds since it last answered, if it ever did.
    pub answered_ms_ago: Option<i64>,
    /// Why it did not.
    pub problem: Option<Problem>,
    /// Its last health report, if it ever gave one.
    pub health: Option<Arc<Health>>,
    /// Its last quotas, if it ever gave them.
    pub quotas: Option<Arc<Quotas>>,
    /// By region: whether it is in service.
    pub service: BTreeMap<String, Service>,
}

impl CloudView {
    /// Whether the last reading succeeded.
    #[must_use]
    pub const fn answered(&self) -> bool {
        self.silent_since.is_none() && self.health.is_some()
    }

    /// Its pools with their sites.
    pub fn pools(&self) -> impl Iterator<Item = (SiteRef, &Nodepool)> {
        let pools = self.health.iter().flat_map(|health| &health.nodepools);
        pools.filter_map(|pool| {
            let site = pool.region.parse().ok()?;
            Some((SiteRef { cloud: self.cloud.clone(), site }, pool))
        })
    }
}

/// A site with its price for one need, and whether it is in service.
#[derive(Debug, Clone)]
pub struct SurveyedSite {
    /// The site; `available` is as its cloud last said.
    pub site: CloudSite,
    /// Whether it is in service, with hysteresis.
    pub service: Service,
}

impl SurveyedSite {
    /// The site as an allocation should see it, when the deployment has `placed` replicas there: those may stay through
    /// a short failure, new ones may not come.
    #[must_use]
    pub fn for_allocation(&self, placed: u32) -> CloudSite {
        let usable = if placed > 0 { self.service.holds() } else { self.service.takes() && self.site.available };
        let mut site = self.site.clone();
        site.available = usable;
        if !usable && site.reason.is_none() {
            site.reason = Some("it was out until a moment ago".to_owned());
        }
        site
    }
}

/// The clouds, and what they last said.
pub struct Survey {
    clouds: Vec<Watched>,
    clock: Arc<dyn Clock>,
    patience: Patience,
    silent_ms: i64,
}

struct Watched {
    port: Arc<dyn CloudPort>,
    /// Held while the cloud is asked, so that it is asked once; what is remembered can be read meanwhile.
    asking: tokio::sync::Mutex<()>,
    memory: Mutex<Memory>,
}

impl Watched {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing panics while it is held; what it holds is whole in any case.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self, now: Monotonic) -> CloudView {
        self.memory().view(self.port.name(), now)
    }
}

#[derive(Default)]
struct Memory {
    read_at: Option<Monotonic>,
    answered_at: Option<Monotonic>,
    silent_since: Option<(Timestamp, Monotonic)>,
    problem: Option<Problem>,
    health: Option<Arc<Health>>,
    quotas: Option<Arc<Quotas>>,
    service: BTreeMap<String, Service>,
    prices: Vec<(Resources, Monotonic, Arc<CostEstimate>)>,
}

impl Survey {
    /// A survey of `clouds`. A cloud silent for `silent_ms` milliseconds has all its sites out.
    #[must_use]
    pub fn new(clouds: Vec<Arc<dyn CloudPort>>, clock: Arc<dyn Clock>, patience: Patience, silent_ms: i64) -> Self {
        let watched = |port| Watched { port, asking: tokio::sync::Mutex::default(), memory: Mutex::default() };
        Self { clouds: clouds.into_iter().map(watched).collect(), clock, patience, silent_ms }
    }

    /// The names of the clouds.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.clouds.iter().map(|watched| watched.port.name())
    }

    /// The cloud of that name.
    #[must_use]
    pub fn port(&self, cloud: &Name) -> Option<&Arc<dyn CloudPort>> {
        self.clouds.iter().map(|watched| &watched.port).find(|port| port.name() == cloud)
    }

    /// Every cloud as it was last seen, without asking any.
    #[must_use]
    pub fn remembered(&self) -> Vec<CloudView> {
        {
            let now = self.clock.monotonic();
            self.clouds.iter().map(|watched| watched.view(now)).collect()
        }
    }

    /// Every cloud as it stands, read again when the last reading is older than `age_ms` milliseconds.
    pub async fn look(&self, age_ms: i64) -> Vec<CloudView> {
        join_all(self.clouds.iter().map(|watched| self.refresh(watched, age_ms))).await;
        self.remembered()
    }

    /// Every site of every cloud that ever answered, priced for `need`.
    pub async fn sites(&self, need: &Resources, age_ms: i64) -> Vec<SurveyedSite> {
        let of_clouds = join_all(self.clouds.iter().map(|watched| async move {
            self.refresh(watched, age_ms).await;
            let prices = self.prices(watched, need).await;
            self.surveyed(watched, need, prices.as_deref())
        }));
        of_clouds.await.into_iter().flatten().collect()
    }

    /// Makes the next look read `cloud` again, because it was just changed.
    pub fn forget(&self, cloud: &Name) {
        if let Some(watched) = self.clouds.iter().find(|watched| watched.port.name() == cloud) {
            watched.memory().read_at = None;
        }
    }

    async fn refresh(&self, watched: &Watched, age_ms: i64) {
        let _asking = watched.asking.lock().await;
        let read_at = watched.memory().read_at;
        if read_at.is_some_and(|at| self.clock.monotonic().millis_since(at) < age_ms) {
            return;
        }
        let reading = async { futures_util::try_join!(watched.port.get_health(), watched.port.get_quotas()) };
        let answer = within(READ_TIMEOUT, reading).await;
        let now = self.clock.monotonic();
        let mut memory = watched.memory();
        memory.read_at = Some(now);
        match answer {
            Ok((health, quotas)) => memory.take(health, quotas, now, self.patience),
            Err(problem) => {
                if memory.silent_since.is_none() {
                    tracing::warn!(cloud = %watched.port.name(), cause = %problem, "cloud does not answer");
                    memory.silent_since = Some((self.clock.now(), now));
                }
                memory.problem = Some(problem);
            }
        }
    }

    async fn prices(&self, watched: &Watched, need: &Resources) -> Option<Arc<CostEstimate>> {
        let now = self.clock.monotonic();
        let (known, silent) = {
            let memory = watched.memory();
            (memory.prices.iter().find(|(of, _, _)| of == need).cloned(), memory.silent_since.is_some())
        };
        if let Some((_, at, prices)) = &known
            && (silent || now.millis_since(*at) < PRICES_FRESH_MS)
        {
            return Some(prices.clone());
        }
        match within(READ_TIMEOUT, watched.port.get_cost_estimate(*need)).await {
            Ok(prices) => {
                let prices = Arc::new(prices);
                let mut memory = watched.memory();
                memory.prices.retain(|(of, _, _)| of != need);
                if memory.prices.len() >= PRICES_MAX {
                    memory.prices.remove(0);
                }
                memory.prices.push((*need, now, prices.clone()));
                Some(prices)
            }
            // Yesterday's prices are better than none.
            Err(_) => known.map(|(_, _, prices)| prices),
        }
    }

    fn surveyed(&self, watched: &Watched, need: &Resources, prices: Option<&CostEstimate>) -> Vec<SurveyedSite> {
        let memory = watched.memory();
        let (Some(health), Some(quotas)) = (&memory.health, &memory.quotas) else { return Vec::new() };
        let none = CostEstimate { lines: Vec::new(), source: String::new() };
        let now = self.clock.monotonic();
        let silent = memory.silent_since.is_some_and(|(_, since)| now.millis_since(since) >= self.silent_ms);
        let sites = sites_of(watched.port.name(), need, health, quotas, prices.unwrap_or(&none));
        sites
            .into_iter()
            .map(|mut site| {
                let mut service = memory.service.get(site.site.site.as_str()).copied().unwrap_or_default();
                if silent {
                    service = Service::Out;
                    site.available = false;
                    site.reason = Some("its cloud does not answer".to_owned());
                }
                SurveyedSite { site, service }
            })
            .collect()
    }
}

impl Memory {
    fn take(&mut self, health: Health, quotas: Quotas, now: Monotonic, patience: Patience) {
        let known = std::mem::take(&mut self.service);
        for region in &health.regions {
            let before = known.get(&region.region).copied().unwrap_or_default();
            self.service.insert(region.region.clone(), before.observe(region.available, now, patience));
        }
        self.health = Some(Arc::new(health));
        self.quotas = Some(Arc::new(quotas));
        self.answered_at = Some(now);
        self.silent_since = None;
        self.problem = None;
    }

    fn view(&self, cloud: &Name, now: Monotonic) -> CloudView {
        CloudView {
            cloud: cloud.clone(),
            silent_since: self.silent_since.map(|(named, _)| named),
            silent_ms: self.silent_since.map(|(_, at)| now.millis_since(at)),
            answered_ms_ago: self.answered_at.map(|at| now.millis_since(at)),
            problem: self.problem.clone(),
            health: self.health.clone(),
            quotas: self.quotas.clone(),
            service: self.service.clone(),
        }
    }
}

/// The answer, or that it did not come in time.
pub(crate) async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
        Err(Problem::new(Kind::Timeout, format!("the cloud did not answer within {} s", limit.as_secs())))
    })
}
