//! Which instances go, and when their cloud may be told so.

use cloud::contract::tools::{Instance, InstanceStatus};
use domain::SiteRef;

use super::{Action, PoolProgress, Removal, Situation};

/// What to do about a removal now.
pub(super) enum Step {
    /// Gateways may still send to a victim, or have something in flight there.
    Wait,
    /// Tell the cloud.
    Remove(Action),
}

/// Carries a removal one step further, keeping its victims true to what is there.
pub(super) fn step(situation: &Situation<'_>, site: &SiteRef, entry: &mut PoolProgress) -> Step {
    let Some(intent) = &mut entry.intent else { return Step::Wait };
    let Some(removal) = &mut intent.removal else { return Step::Wait };
    refill(situation, site, removal);
    if removal.drained_in_snapshot.is_none() {
        removal.drained_in_snapshot = situation.routing.version_without(&removal.victims);
    }
    let age_ms = situation.intent_age_ms(site);
    let overdue = age_ms >= situation.drain_ms;
    let drained = removal
        .drained_in_snapshot
        .is_some_and(|version| situation.routing.all_acknowledged(version, &removal.victims, age_ms));
    if !drained && !overdue && count_ready(situation, site, &removal.victims) > 0 {
        return Step::Wait;
    }
    Step::Remove(Action {
        site: site.clone(),
        make: false,
        size: intent.size,
        remove: removal.victims.clone(),
        counter: intent.counter,
        why: intent.why.clone(),
    })
}

/// Forgets victims that died meanwhile, and chooses others if their pool replaced them.
fn refill(situation: &Situation<'_>, site: &SiteRef, removal: &mut Removal) {
    let instances = situation.instances(site);
    let all_there = removal.victims.iter().all(|id| instances.iter().any(|instance| instance.id == *id));
    if all_there && !removal.victims.is_empty() {
        return;
    }
    let mut victims = removal.victims.clone();
    victims.retain(|id| instances.iter().any(|instance| instance.id == *id));
    let needed = count(situation, site);
    for id in ranked(situation, site) {
        if victims.len() < needed && !victims.contains(&id) {
            victims.push(id);
        }
    }
    if victims != removal.victims {
        *removal = Removal { victims, drained_in_snapshot: None };
    }
}

/// The instances to remove from the site, least missed first.
pub(super) fn choose_victims(situation: &Situation<'_>, site: &SiteRef) -> Vec<String> {
    let mut ranked = ranked(situation, site);
    ranked.truncate(count(situation, site));
    ranked
}

fn count(situation: &Situation<'_>, site: &SiteRef) -> usize {
    // What drains already goes first of itself: it is either beyond the size, or about to be replaced.
    let stay = |instance: &&Instance| instance.status != InstanceStatus::Draining;
    let staying = situation.instances(site).iter().filter(stay).count();
    staying.saturating_sub(usize::try_from(situation.goal(site)).unwrap_or(usize::MAX))
}

/// Instances in the order in which they are missed least: those that do not serve, then the youngest. Those that drain
/// already are on their way out of an earlier size, and count no more.
fn ranked(situation: &Situation<'_>, site: &SiteRef) -> Vec<String> {
    let mut instances: Vec<_> =
        situation.instances(site).iter().filter(|instance| instance.status != InstanceStatus::Draining).collect();
    instances.sort_by_key(|instance| {
        let serves = instance.status == InstanceStatus::Ready;
        (serves, std::cmp::Reverse(instance.started_at), instance.id.clone())
    });
    instances.into_iter().map(|instance| instance.id.clone()).collect()
}

/// How many of `ids` serve.
pub(super) fn count_ready(situation: &Situation<'_>, site: &SiteRef, ids: &[String]) -> usize {
    let ready = |id: &&String| {
        let found = situation.instances(site).iter().find(|instance| instance.id == **id);
        found.is_some_and(|instance| instance.status == InstanceStatus::Ready)
    };
    ids.iter().filter(ready).count()
}

/// Victims that their cloud does not yet show as leaving.
pub(super) fn victims_left<'a>(situation: &Situation<'_>, site: &SiteRef, removal: &'a Removal) -> Vec<&'a String> {
    let stays = |id: &&String| {
        let found = situation.instances(site).iter().find(|instance| instance.id == **id);
        found.is_some_and(|i| matches!(i.status, InstanceStatus::Ready | InstanceStatus::Starting))
    };
    removal.victims.iter().filter(stays).collect()
}

/// Whether a pool that is to go is past needing to be told.
pub(super) fn nothing_left(situation: &Situation<'_>, site: &SiteRef) -> bool {
    situation.instances(site).iter().all(|instance| instance.status != InstanceStatus::Ready)
}
