//! Keeping it so: every pool at its size, nothing twice, nothing left over.
//!
//! A pass goes over all slots, and does what [`super::plan`] says. What it changes is committed before it takes effect:
//! a new instance id is in the store before its process is started, so that after a crash at any instant every process
//! either belongs to a slot (and is adopted) or to none (and is killed).

use std::collections::HashSet;
use std::path::Path;

use domain::Timestamp;
use nix::sys::signal::Signal;
use rand::Rng as _;
use state::objects::{self, Versioned};
use state::{Batch, Expect, Write};
use tokio::time::Instant;

use super::artifact::Checked;
use super::plan::{Rules, Seen, Step, plan_slot};
use super::pool::{Leaving, Pool, Slot};
use super::process::owner::{self, Held, Owned};
use super::process::{self, Launch, Process};
use super::{LocalCloud, State, credential, outcome};

/// How many times a pass may go over one pool: end, renew, start.
const ROUNDS: usize = 3;
/// Folders of instances that are gone which are kept, for their logs.
const OLD_FOLDERS_MAX: usize = 32;
/// Most of a log's end that goes into a reason, in bytes.
const LOG_TAIL_BYTES: u64 = 2_048;
/// Most of a line of it, in characters.
const LOG_LINE_CHARS: usize = 200;

impl LocalCloud {
    /// One pass over all pools.
    pub(super) async fn pass(&self) {
        let mut state = self.state.lock().await;
        if self.is_stopping() || !self.has_store(&mut state).await {
            return;
        }
        let keys: Vec<String> = state.pools.keys().cloned().collect();
        for key in keys {
            for _ in 0..ROUNDS {
                if !self.pass_pool(&mut state, &key).await {
                    break;
                }
            }
        }
    }

    /// Whether the store takes changes, as far as known. After it did not, it is left alone for a moment and then read
    /// again: a commit whose outcome is unknown may have taken effect.
    async fn has_store(&self, state: &mut State) -> bool {
        let Some(trouble) = &state.trouble else { return true };
        if Instant::now() < trouble.read_again_at {
            return false;
        }
        match State::read(&*self.store).await {
            Ok(read) => *state = read,
            Err(error) => {
                tracing::error!(cause = %error, "store not read");
                state.note_trouble(&error);
            }
        }
        state.trouble.is_none()
    }

    /// Goes over one pool; true when it changed, so that there may be more to do.
    async fn pass_pool(&self, state: &mut State, key: &str) -> bool {
        let Some(Versioned { value: pool, version }) = state.pools.get(key) else { return false };
        let (rules, now) = (self.rules(state, pool), self.clock.now());
        let mut next = pool.clone();
        let mut removed = HashSet::new();
        for (slot, next_slot) in pool.slots.iter().zip(&mut next.slots) {
            match plan_slot(slot, self.see(&slot.instance), rules) {
                // What died with its site is no failure of its own.
                Step::Wait if rules.site_out => self.world.forget(&slot.instance),
                Step::Wait => {}
                Step::Start => self.start(pool, slot),
                Step::AskToEnd => self.world.ask_to_end(&slot.instance),
                Step::Kill(reason) => {
                    tracing::warn!(instance = %slot.instance, region = %pool.region, reason, "instance killed");
                    self.world.kill(&slot.instance, reason);
                }
                Step::Renew { failed } => *next_slot = self.renew(pool, slot, failed, now),
                Step::Remove => {
                    removed.insert(slot.instance.clone());
                }
            }
        }
        next.slots.retain(|slot| !removed.contains(&slot.instance));
        next.fill(now, &mut || self.new_id());
        let ended = next.settle(&|id| self.world.serves(id), now);
        if next == *pool && !(next.size == 0 && next.slots.is_empty()) {
            return false;
        }
        let (expect, pool) = (Expect::Version(*version), pool.clone());
        let saved = match outcome::writes(&ended) {
            Ok(writes) => self.save_with(state, next, expect, writes).await,
            Err(error) => Err(error),
        };
        match saved {
            Ok(()) => {
                self.forget_replaced(state, key, &pool);
                true
            }
            Err(problem) => {
                tracing::error!(cause = %problem, pool = key, "pool not saved");
                false
            }
        }
    }

    fn rules(&self, state: &State, pool: &Pool) -> Rules {
        Rules {
            site_out: state.outages.contains_key(&pool.region),
            startup_ms: u64::from(self.config.startup_seconds) * 1_000,
            silence_ms: u64::from(self.config.silence_seconds) * 1_000,
        }
    }

    fn see(&self, instance: &str) -> Seen {
        self.world.see(instance).unwrap_or_else(|| {
            if process::folder(&self.config.root, instance).exists() {
                return Seen::Gone;
            }
            Seen::Unborn { for_ms: self.world.unborn_ms(instance) }
        })
    }

    /// Starts the instance of a slot, once it is known that its model file is the right one.
    fn start(&self, pool: &Pool, slot: &Slot) {
        let model = match self.artifacts.open(&pool.artifact, &pool.digest) {
            Checked::Right(model) => model,
            Checked::Soon => return,
            Checked::Wrong(problem) => {
                tracing::error!(instance = %slot.instance, cause = %problem, "instance not started");
                return self.world.failed(&slot.instance, problem.cause);
            }
        };
        let own = credential::digest(&self.credential);
        let launch = Launch {
            config: &self.config,
            instance: &slot.instance,
            model,
            callers: pool.caller_digests.iter().chain([&own]).collect(),
            alias: pool.model.to_string(),
            resources: pool.resources,
        };
        match launch.start() {
            Ok((child, process)) => {
                tracing::info!(instance = %slot.instance, region = %pool.region, pid = child.id(), "instance started");
                self.world.started(&slot.instance, child, process);
            }
            Err(error) => {
                let program = self.config.command.first().map_or("", String::as_str);
                tracing::error!(cause = %error, program, "instance not started");
                self.world.failed(&slot.instance, format!("{program} cannot be started: {error}"));
            }
        }
    }

    /// The slot with another instance.
    fn renew(&self, pool: &Pool, slot: &Slot, failed: bool, now: Timestamp) -> Slot {
        let failures = if failed { slot.failures.saturating_add(1) } else { 0 };
        let left = slot.leaving.as_ref().map(|leaving| leaving.reason.clone());
        let last_end = left.or_else(|| self.end_of(pool, &slot.instance));
        tracing::warn!(instance = %slot.instance, reason = last_end.as_deref(), failures, "instance replaced");
        Slot { restarts: slot.restarts.saturating_add(1), failures, last_end, ..Slot::new(self.new_id(), now) }
    }

    fn end_of(&self, pool: &Pool, instance: &str) -> Option<String> {
        let how = self.world.end(instance)?;
        let last = last_line(&process::folder(&self.config.root, instance).join("log"));
        // The process knows its model file by another name.
        let last = last.map(|line| line.replace(process::MODEL, &pool.artifact.to_string_lossy()));
        Some(last.map_or_else(|| how.clone(), |line| format!("{how}; its log ends: {line}")))
    }

    fn forget_replaced(&self, state: &State, key: &str, before: &Pool) {
        let now = state.pools.get(key);
        let stands = |id: &str| now.is_some_and(|pool| pool.value.slots.iter().any(|slot| slot.instance == id));
        for slot in before.slots.iter().filter(|slot| !stands(&slot.instance)) {
            self.world.forget(&slot.instance);
        }
    }

    /// Commits a pool as it is to be; a pool without size and slots is removed.
    pub(super) async fn save(&self, state: &mut State, pool: Pool, expect: Expect) -> Result<(), state::StoreError> {
        self.save_with(state, pool, expect, Vec::new()).await
    }

    /// [`LocalCloud::save`], with other writes in the same commit.
    pub(super) async fn save_with(
        &self,
        state: &mut State,
        pool: Pool,
        expect: Expect,
        others: Vec<Write>,
    ) -> Result<(), state::StoreError> {
        let key = Pool::key(&pool.region, &pool.nodepool);
        let is_gone = pool.size == 0 && pool.slots.is_empty();
        let write = if is_gone { objects::delete::<Pool>(&key, expect) } else { objects::put(&pool, expect)? };
        let batch = others.into_iter().fold(Batch::new().with(write), Batch::with);
        let committed = self.store.commit(batch).await.inspect_err(|error| state.note_trouble(error))?;
        if is_gone {
            state.pools.remove(&key);
        } else {
            state.pools.insert(key, Versioned { value: pool, version: committed.revision });
        }
        Ok(())
    }

    /// Looks at what lives in this cloud's folder: adopts what belongs to a slot, kills orphans.
    pub(super) async fn sweep(&self) {
        let state = self.state.lock().await;
        self.sweep_with(&state);
    }

    /// [`LocalCloud::sweep`], for whoever holds the lock already.
    pub(super) fn sweep_with(&self, state: &State) {
        let is_known = |held: &Held| self.world.process(&held.instance).is_some_and(Process::is_alive);
        let found = owner::find_held(&self.config.root).and_then(|mut held| {
            held.retain(|held| !is_known(held));
            if held.is_empty() { Ok(Vec::new()) } else { owner::find_processes(&self.config.root, &held) }
        });
        let mut found = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(cause = %error, "instances not looked for");
                return;
            }
        };
        let wanted: HashSet<&str> = state.instances().collect();
        // The one that was started comes before those that it has started.
        found.sort_by_key(|owned| (owned.process.group != owned.process.pid, owned.process));
        for Owned { instance, process } in found {
            match self.world.process(&instance) {
                Some(known) if known == process || known.pid == process.group => {}
                None if wanted.contains(instance.as_str()) && self.world.view(&instance).is_none() => {
                    tracing::info!(instance, pid = process.pid, "instance adopted");
                    self.world.adopted(&instance, process);
                }
                _ => {
                    tracing::warn!(instance, pid = process.pid, "orphan killed");
                    process.signal(Signal::SIGKILL);
                }
            }
        }
    }

    /// Cuts logs, and removes folders of instances long gone.
    pub(super) async fn tidy(&self) {
        let state = self.state.lock().await;
        let wanted: HashSet<&str> = state.instances().collect();
        for instance in &wanted {
            if let Err(error) = process::rotate_log(&self.config.root, instance) {
                tracing::warn!(cause = %error, instance, "log not cut");
            }
        }
        if let Err(error) = remove_old_folders(&self.config.root.join("instances"), &wanted) {
            tracing::warn!(cause = %error, "old folders not removed");
        }
    }

    /// Lets the spot market take instances back, for the running time that has passed.
    pub(super) async fn reclaim(&self, passed_ms: u64) {
        let rate = self.config.spot.reclaims_per_hour;
        if rate <= 0.0 {
            return;
        }
        // The chance of an event of a Poisson process within the span.
        let chance = 1.0 - (-rate * passed_ms as f64 / 3_600_000.0).exp();
        let mut state = self.state.lock().await;
        let grace_ms = u64::from(self.config.spot.notice_seconds) * 1_000;
        let spot = state.pools.values().filter(|pool| pool.value.market == domain::Market::Spot);
        for Versioned { value: mut pool, version } in spot.cloned().collect::<Vec<_>>() {
            let mut taken = false;
            for slot in pool.slots.iter_mut().filter(|slot| slot.leaving.is_none()) {
                if self.world.view(&slot.instance).is_some_and(|view| !view.ended)
                    && self.chance.lock().random_bool(chance)
                {
                    tracing::warn!(instance = %slot.instance, "spot instance taken back");
                    let reason = "the spot market took it back".to_owned();
                    slot.leaving = Some(Leaving { reason, grace_ms, replace: true });
                    taken = true;
                }
            }
            if taken && let Err(error) = self.save(&mut state, pool, Expect::Version(version)).await {
                tracing::error!(cause = %error, "pool not saved");
            }
        }
    }
}

fn last_line(log: &Path) -> Option<String> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = std::fs::File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES))).ok()?;
    let mut tail = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut tail).ok()?;
    let text = String::from_utf8_lossy(&tail);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(domain::text::printable(line, LOG_LINE_CHARS).into_owned())
}

fn remove_old_folders(instances: &Path, wanted: &HashSet<&str>) -> std::io::Result<()> {
    let mut old = Vec::new();
    for entry in std::fs::read_dir(instances)? {
        let entry = entry?;
        let is_wanted = entry.file_name().to_str().is_some_and(|name| wanted.contains(name));
        // What lives is not forgotten: its folder proves whose it is.
        if !is_wanted && !owner::is_held(&entry.path()) {
            old.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    old.sort();
    let surplus = old.len().saturating_sub(OLD_FOLDERS_MAX);
    old.into_iter().take(surplus).try_for_each(|(_, path)| std::fs::remove_dir_all(path))
}
