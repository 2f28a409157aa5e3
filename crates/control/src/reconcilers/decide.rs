//! The next steps of one deployment, as a pure function of what is wanted, found and remembered.
//!
//! Nothing here touches the world: the caller writes down the new progress first, and then carries out the actions.

mod removal;

use std::collections::{BTreeMap, BTreeSet};

use cloud::contract::tools::{Instance, InstanceStatus, Nodepool};
use domain::{Deployment, Name, SiteRef, Timestamp};

use self::removal::Step;
use super::progress::{Intent, PoolProgress, Progress, Removal};
use super::routing::Routing;
use crate::events::Event;

/// All that the decision hangs on.
pub struct Situation<'a> {
    /// What is wanted.
    pub deployment: &'a Deployment,
    /// Replicas that each site is to carry; a site that is not listed carries none.
    pub goals: &'a BTreeMap<SiteRef, u32>,
    /// Why, by site.
    pub reasons: &'a BTreeMap<SiteRef, String>,
    /// The deployment's pools as last seen.
    pub pools: &'a BTreeMap<SiteRef, Nodepool>,
    /// Clouds that answered just now. Nothing is decided about the others.
    pub answering: &'a BTreeSet<Name>,
    /// Sites that refused a moment ago and are left alone for now.
    pub resting: &'a BTreeSet<SiteRef>,
    /// What the gateways know.
    pub routing: &'a Routing,
    /// The time, which events and intents are named with.
    pub now: Timestamp,
    /// How long each site's intent has stood, in milliseconds, as far as this process has seen it.
    pub intent_ages_ms: &'a BTreeMap<SiteRef, i64>,
    /// How long a removal waits for the gateways, in milliseconds.
    pub drain_ms: i64,
}

/// One call to a cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Where.
    pub site: SiteRef,
    /// Whether the pool has to be made.
    pub make: bool,
    /// The size that it is to have.
    pub size: u32,
    /// Instances to remove.
    pub remove: Vec<String>,
    /// The intent's number.
    pub counter: u64,
    /// Why.
    pub why: String,
}

/// What to write down, and then to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The progress as it is to be remembered before any action.
    pub progress: Progress,
    /// What was decided now, and why.
    pub events: Vec<Event>,
    /// Calls to make, each safe to repeat.
    pub actions: Vec<Action>,
}

/// Decides the next steps. In a world that is as wanted this changes nothing.
#[must_use]
pub fn decide(situation: &Situation<'_>, before: &Progress) -> Decision {
    let mut decision = Decision { progress: before.clone(), events: Vec::new(), actions: Vec::new() };
    let sites: BTreeSet<SiteRef> =
        situation.goals.keys().chain(situation.pools.keys()).chain(before.pools.keys()).cloned().collect();
    // Growth first: what is removed waits until its replacement is ready, and the count of ready ones is shared.
    let mut shrinking = Vec::new();
    for site in sites {
        if !situation.answering.contains(&site.cloud) || situation.resting.contains(&site) {
            continue;
        }
        settle(situation, &site, &mut decision);
        if situation.size(&site) > situation.goal(&site) {
            shrinking.push(site)
        } else {
            grow(situation, &site, &mut decision)
        }
    }
    let mut spare = spare_ready(situation, &decision.progress);
    for site in shrinking {
        shrink(situation, &site, &mut decision, &mut spare);
    }
    decision.progress.pools.retain(|site, pool| {
        !situation.answering.contains(&site.cloud)
            || pool.wanted > 0
            || pool.intent.is_some()
            || situation.pools.contains_key(site)
    });
    decision
}

impl Situation<'_> {
    fn goal(&self, site: &SiteRef) -> u32 {
        self.goals.get(site).copied().unwrap_or(0)
    }

    fn intent_age_ms(&self, site: &SiteRef) -> i64 {
        self.intent_ages_ms.get(site).copied().unwrap_or(0)
    }

    fn size(&self, site: &SiteRef) -> u32 {
        self.pools.get(site).map_or(0, |pool| pool.size)
    }

    fn instances(&self, site: &SiteRef) -> &[Instance] {
        self.pools.get(site).map_or(&[], |pool| &pool.instances)
    }

    fn why(&self, site: &SiteRef) -> String {
        let unsaid =
            if self.deployment.deleting { "the deployment is being deleted" } else { "no longer wanted there" };
        self.reasons.get(site).cloned().unwrap_or_else(|| unsaid.to_owned())
    }
}

/// Takes note of what the site is to carry, and drops an intent that is done or that no longer leads there.
fn settle(situation: &Situation<'_>, site: &SiteRef, decision: &mut Decision) {
    let goal = situation.goal(site);
    let entry = decision.progress.pools.entry(site.clone()).or_default();
    entry.wanted = goal;
    if situation.size(site) == goal {
        entry.problem = None;
    }
    let Some(intent) = &entry.intent else { return };
    let reached = situation.size(site) == intent.size && (intent.size > 0 || removal::nothing_left(situation, site));
    let gone = intent.removal.as_ref().is_none_or(|removal| removal::victims_left(situation, site, removal).is_empty());
    let overdue = situation.intent_age_ms(site) > 2 * situation.drain_ms;
    if (reached && (gone || overdue)) || intent.size != goal {
        entry.intent = None;
    }
}

fn grow(situation: &Situation<'_>, site: &SiteRef, decision: &mut Decision) {
    let (size, goal) = (situation.size(site), situation.goal(site));
    let Progress { pools, counter, .. } = &mut decision.progress;
    let Some(entry) = pools.get_mut(site) else { return };
    if entry.intent.is_none() && size < goal {
        *counter += 1;
        let why = situation.why(site);
        let what = format!("growing {site} from {size} to {goal}");
        decision.events.push(Event { at: situation.now, what, why: why.clone() });
        entry.intent = Some(Intent { counter: *counter, size: goal, why, since: situation.now, removal: None });
    }
    if let Some(intent) = entry.intent.as_ref().filter(|_| size < goal) {
        decision.actions.push(Action {
            site: site.clone(),
            make: !situation.pools.contains_key(site),
            size: intent.size,
            remove: Vec::new(),
            counter: intent.counter,
            why: intent.why.clone(),
        });
    }
}

fn shrink(situation: &Situation<'_>, site: &SiteRef, decision: &mut Decision, spare: &mut usize) {
    let Progress { pools, counter, .. } = &mut decision.progress;
    let Some(entry) = pools.get_mut(site) else { return };
    if entry.intent.is_none() {
        let victims = removal::choose_victims(situation, site);
        let ready = removal::count_ready(situation, site, &victims);
        if ready > *spare && !situation.deployment.deleting {
            // Its replacement is not ready yet: look again when something has changed.
            return;
        }
        *spare = spare.saturating_sub(ready);
        *counter += 1;
        decision.events.push(begin_removal(situation, site, entry, victims, *counter));
        return;
    }
    match removal::step(situation, site, entry) {
        Step::Wait => {}
        Step::Remove(action) => decision.actions.push(action),
    }
}

fn begin_removal(
    situation: &Situation<'_>,
    site: &SiteRef,
    entry: &mut PoolProgress,
    victims: Vec<String>,
    counter: u64,
) -> Event {
    let (size, goal) = (situation.size(site), situation.goal(site));
    let why = situation.why(site);
    let removal = Some(Removal { victims, drained_in_snapshot: None });
    entry.intent = Some(Intent { counter, size: goal, why: why.clone(), since: situation.now, removal });
    Event { at: situation.now, what: format!("draining {} of {size} at {site}", size - goal), why }
}

/// Ready replicas beyond those that the goals ask for: so many may be removed without being missed.
fn spare_ready(situation: &Situation<'_>, progress: &Progress) -> usize {
    let leaving = progress.victims();
    let answering = situation.pools.iter().filter(|(site, _)| situation.answering.contains(&site.cloud));
    let ready = answering
        .flat_map(|(_, pool)| &pool.instances)
        .filter(|instance| instance.status == InstanceStatus::Ready && !leaving.contains(instance.id.as_str()))
        .count();
    let wanted: u64 = situation.goals.values().map(|goal| u64::from(*goal)).sum();
    ready.saturating_sub(usize::try_from(wanted).unwrap_or(usize::MAX))
}
