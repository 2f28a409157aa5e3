//! The cloud on this machine: a cloud like any other, whose instances are processes.
//!
//! Its sites stand in different places of the world in name, price and capacity; a site can be put out of order, and an
//! instance can be killed, for real. Its instances outlive it: after a restart it finds them by the locks that they hold,
//! adopts those that belong to a pool, kills those that do not, and starts what is missing.

mod artifact;
pub mod config;
mod credential;
mod describe;
mod faults;
mod outcome;
mod plan;
mod pool;
mod process;
mod supervise;
mod tools;
mod watch;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use domain::{Clock, Kind, Problem, Secret};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};
use state::SharedStore;
use state::objects::{self, Versioned};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

pub use config::LocalCloudConfig;
use config::SiteConfig;
use pool::{Outage, Pool};
use watch::World;
use watch::probe::Asking;
use watch::pulse::BEAT_EVERY;

use crate::server::{CloudServer, ServerAccess};

/// How often all slots are gone over.
const PASS_EVERY: Duration = Duration::from_millis(100);
/// How often it is looked whether something has come about that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often the process table is read.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How often logs and folders are looked after.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// How often old records are removed.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);
/// How long the store is left alone after it did not take a change.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// How long to wait for the lock on the folder: a child between fork and exec may hold it a moment longer.
const LOCK_WITHIN: Duration = Duration::from_secs(2);

/// What is remembered, as it is in the store.
#[derive(Default)]
struct State {
    pools: BTreeMap<String, Versioned<Pool>>,
    outages: BTreeMap<String, Outage>,
    /// Set while the store does not take changes.
    trouble: Option<Trouble>,
}

/// A store that did not take a change. What it holds now is unknown until it is read again.
#[derive(Debug, Clone)]
struct Trouble {
    cause: String,
    read_again_at: Instant,
}

impl State {
    fn used(&self, region: &str) -> usize {
        self.pools.values().filter(|pool| pool.value.region == region).map(|pool| pool.value.slots.len()).sum()
    }

    /// Notes that the store did not take a change.
    fn note_trouble(&mut self, cause: &state::StoreError) {
        self.trouble = Some(Trouble { cause: cause.to_string(), read_again_at: Instant::now() + STORE_PAUSE });
    }

    /// What the store holds.
    async fn read(store: &dyn state::Store) -> Result<Self, state::StoreError> {
        let mut state = Self::default();
        for pool in objects::list::<Pool>(store).await? {
            state.pools.insert(Pool::key(&pool.value.region, &pool.value.nodepool), pool);
        }
        for outage in objects::list::<Outage>(store).await? {
            state.outages.insert(outage.value.region.clone(), outage.value);
        }
        Ok(state)
    }

    fn instances(&self) -> impl Iterator<Item = &str> {
        self.pools.values().flat_map(|pool| &pool.value.slots).map(|slot| slot.instance.as_str())
    }
}

/// The cloud on this machine.
pub struct LocalCloud {
    config: LocalCloudConfig,
    store: SharedStore,
    clock: Arc<dyn Clock>,
    state: tokio::sync::Mutex<State>,
    world: World,
    artifacts: artifact::Artifacts,
    /// What instances are shown.
    credential: Secret,
    chance: Mutex<StdRng>,
    wake: Arc<Notify>,
    stopping: AtomicBool,
    _lock: File,
}

/// How an orderly end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Instances that ended by themselves.
    pub ended: usize,
    /// Instances that had to be killed.
    pub killed: usize,
}

impl LocalCloud {
    /// Opens the cloud in `config.root`, which is made when it is missing, with what `store` remembers of it. Fails when
    /// the configuration cannot work, when another process has the cloud open, or when the store cannot be read.
    pub async fn open(
        mut config: LocalCloudConfig,
        store: SharedStore,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, Problem> {
        config.check()?;
        let unusable = |e: std::io::Error| Problem::new(Kind::Unavailable, format!("the local cloud's folder: {e}"));
        files::private_folder(&config.root, &["lock"])?;
        config.root = config.root.canonicalize().map_err(unusable)?;
        files::private_folder(&config.root.join("instances"), &[])?;
        let lock = lock(&config).await?;
        let credential = credential::read_or_make(&config.root)?;
        let state = State::read(&*store).await?;
        let wake = Arc::new(Notify::new());
        let artifacts = artifact::Artifacts::new(clock.clone(), wake.clone());
        let world = World::new(u64::from(config.silence_seconds) * 1_000);
        let chance = config.spot.seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64);
        Ok(Arc::new(Self {
            config,
            store,
            clock,
            state: tokio::sync::Mutex::new(state),
            world,
            artifacts,
            credential,
            chance: Mutex::new(chance),
            wake,
            stopping: AtomicBool::new(false),
            _lock: lock,
        }))
    }

    /// Its MCP server, and `POST /local/faults` for drills.
    pub fn router(self: &Arc<Self>, access: ServerAccess) -> Result<Router, Problem> {
        let server = CloudServer::new(self.clone(), self.store.clone(), self.clock.clone(), access)?;
        Ok(server.router().merge(server.guard(faults::routes(self.clone()))))
    }

    /// Keeps every pool at its size until `shutdown`. The instances live on.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        // What runs already is adopted before anything is started.
        self.sweep().await;
        let pulse =
            telemetry::tasks::essential_until_done("local_cloud_pulse", self.clone().keep_time(shutdown.clone()));
        let probes = telemetry::tasks::essential_until_done("local_cloud_probes", self.clone().probe(shutdown.clone()));
        let mut passes = tokio::time::interval(PASS_EVERY);
        passes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let started = Instant::now();
        let (mut swept, mut tidied, mut pruned, mut reclaimed) = (started, started, started, self.world.pulse.now());
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = self.wake.notified() => {}
                _ = passes.tick() => {}
            }
            let now = Instant::now();
            if now - swept >= SWEEP_EVERY {
                self.sweep().await;
                swept = now;
            }
            let running = self.world.pulse.now();
            self.reclaim(running.since(reclaimed)).await;
            reclaimed = running;
            if now - tidied >= TIDY_EVERY {
                self.tidy().await;
                tidied = now;
            }
            if now - pruned >= PRUNE_EVERY {
                self.prune_ended().await;
                pruned = now;
            }
            self.pass().await;
        }
        // They end by the same token.
        let _ = tokio::join!(probes, pulse);
    }

    /// Ends all instances in an orderly way: asks each to finish what it has, and kills what is left after `within`. The
    /// pools keep their size, so that the next start brings them back.
    pub async fn stop_all(&self, within: Duration) -> Stopped {
        self.stopping.store(true, Ordering::SeqCst);
        // Whatever pass was going on has ended when the lock is had, and no other begins.
        let state = self.state.lock().await;
        self.sweep_with(&state);
        drop(state);
        let all = self.world.living();
        for instance in &all {
            self.world.ask_to_end(instance);
        }
        let left = self.wait_until_ended(Instant::now() + within).await;
        for instance in &left {
            self.world.kill(instance, "the cloud was stopped");
        }
        self.wait_until_ended(Instant::now() + LOCK_WITHIN).await;
        Stopped { ended: all.len().saturating_sub(left.len()), killed: left.len() }
    }

    async fn wait_until_ended(&self, deadline: Instant) -> Vec<String> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            let now = looks.tick().await;
            let left = self.world.living();
            if left.is_empty() || now >= deadline {
                return left;
            }
        }
    }

    async fn probe(self: Arc<Self>, shutdown: CancellationToken) {
        let mut tries = tokio::time::interval(SWEEP_EVERY);
        loop {
            // A proxy from the environment has no business between this machine and itself.
            match reqwest::Client::builder().no_proxy().build() {
                Ok(http) => return watch::probe::ask_all(&self.asking(http), shutdown).await,
                Err(error) => tracing::error!(cause = %error, "no http client for probes"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = tries.tick() => {}
            }
        }
    }

    fn asking(&self, http: reqwest::Client) -> Asking<'_> {
        Asking { world: &self.world, root: &self.config.root, credential: &self.credential, http }
    }

    /// Advances the clock of running time, and starts all judgement afresh when this process was absent.
    async fn keep_time(self: Arc<Self>, shutdown: CancellationToken) {
        let mut beats = tokio::time::interval(BEAT_EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = beats.tick() => {
                    if let Some(jump) = self.world.pulse.beat(Instant::now(), self.clock.now()) {
                        tracing::warn!(jump_ms = jump.as_millis(), "clock jumped: instances are asked afresh");
                        self.world.look_afresh();
                    }
                }
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn new_id(&self) -> String {
        // From the system, not from the seed: an id must never come again, in no run.
        format!("i-{:016x}", rand::rng().next_u64())
    }

    fn site(&self, region: &str) -> Result<&SiteConfig, Problem> {
        self.config.sites.iter().find(|site| site.name == region).ok_or_else(|| {
            let known: Vec<&str> = self.config.sites.iter().map(|site| site.name.as_str()).collect();
            Problem::not_found(format!("the local cloud has no region {region:?}"))
                .next(format!("use one of {}", known.join(", ")))
                .at("region")
        })
    }

    /// Whether `more` instances can be started at the site, of a pool that then has `size`.
    fn check_room(&self, state: &State, site: &SiteConfig, more: usize, size: Asked) -> Result<(), Problem> {
        let (used, limit) = (state.used(&site.name), site.capacity as usize);
        if size.count as usize > limit {
            // Not for lack of room: the same call can never succeed.
            return Err(Problem::invalid(format!("{} has no more than {limit} instances", site.name))
                .next("ask for less, or spread them over several regions")
                .at(size.field));
        }
        if state.outages.contains_key(&site.name) {
            return Err(Problem::new(Kind::Unavailable, format!("{} is out of order", site.name))
                .next("try again when it is back, or use another region")
                .at("region"));
        }
        if used + more > limit {
            let cause = format!("{} has room for {limit} instances, and {used} are in use", site.name);
            return Err(Problem::new(Kind::NoCapacity, cause)
                .next("try again when there is room, use another region, or ask for less")
                .at("region"));
        }
        Ok(())
    }
}

/// How many instances a call asks for, and in which field.
#[derive(Clone, Copy)]
struct Asked {
    count: u32,
    field: &'static str,
}

async fn lock(config: &LocalCloudConfig) -> Result<File, Problem> {
    let path = config.root.join("lock");
    let unusable = |e: std::io::Error| Problem::new(Kind::Unavailable, format!("{}: {e}", path.display()));
    let file = files::open_private(&path)?;
    let deadline = Instant::now() + LOCK_WITHIN;
    let mut tries = tokio::time::interval(LOOK_EVERY);
    loop {
        tries.tick().await;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::Error(error)) => return Err(unusable(error)),
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() >= deadline => {
                let cause = format!("another process has the local cloud in {} open", config.root.display());
                return Err(Problem::new(Kind::Conflict, cause).next("stop it with 'mcp down', or use another folder"));
            }
            Err(std::fs::TryLockError::WouldBlock) => {}
        }
    }
}
