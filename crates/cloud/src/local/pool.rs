//! Node pools as they are remembered: what is wanted, and which instance stands in which slot.
//!
//! A pool is one object with its slots, so that every change of it is one commit. An instance id is written here before
//! its process is started, and is started at most once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::{Digest, Market, ModelRef, Money, Resources, Timestamp};
use serde::{Deserialize, Serialize};
use state::objects::Stored;

use super::outcome::Pending;

/// A node pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Pool {
    pub region: String,
    pub nodepool: String,
    pub model: ModelRef,
    pub artifact: PathBuf,
    pub digest: Digest,
    /// Digests of what its instances are shown by those whom they serve.
    #[serde(default)]
    pub caller_digests: Vec<Digest>,
    pub resources: Resources,
    pub market: Market,
    pub price_per_hour: Money,
    pub labels: BTreeMap<String, String>,
    /// The size it is kept at.
    pub size: u32,
    /// The operation that made it.
    pub made_by: String,
    pub made_at: Timestamp,
    /// Calls that wait for it to become as they asked.
    #[serde(default)]
    pub pending: Vec<Pending>,
    /// Its instances, those that leave among them.
    pub slots: Vec<Slot>,
}

/// A place in a pool, and the instance in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slot {
    pub instance: String,
    pub since: Timestamp,
    /// How many instances stood here before.
    pub restarts: u32,
    /// How many of them failed in a row soon after their start.
    #[serde(default)]
    pub failures: u32,
    /// Why the one before ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_end: Option<String>,
    /// Set when the instance is to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Leaving>,
}

/// An instance that is to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leaving {
    pub reason: String,
    /// How long after it was asked to end it is killed, in milliseconds of running time. After a restart of the cloud it
    /// is asked again, and has all of it once more.
    #[serde(default = "grace_unless_said")]
    pub grace_ms: u64,
    /// Whether another one takes its place.
    pub replace: bool,
}

/// The grace of slots that were stored without one.
const fn grace_unless_said() -> u64 {
    35_000
}

impl Pool {
    /// The name of the object of a pool.
    pub fn key(region: &str, nodepool: &str) -> String {
        format!("{region}/{nodepool}")
    }

    /// Slots that are to stay.
    pub fn staying(&self) -> usize {
        self.slots.iter().filter(|slot| slot.stays()).count()
    }

    /// Adds empty slots until as many stay as are wanted.
    pub fn fill(&mut self, now: Timestamp, new_id: &mut dyn FnMut() -> String) {
        while self.staying() < self.size as usize {
            self.slots.push(Slot::new(new_id(), now));
        }
    }

    /// Marks slots to leave until as many stay as are wanted: those `named` first, then those that are not `ready`, then
    /// the newest.
    pub fn shrink(&mut self, named: &[String], ready: &dyn Fn(&str) -> bool, grace_ms: u64) {
        let surplus = self.staying().saturating_sub(self.size as usize);
        let mut order: Vec<usize> = (0..self.slots.len()).filter(|&index| self.slots[index].stays()).collect();
        order.sort_by_key(|&index| {
            let slot = &self.slots[index];
            (!named.contains(&slot.instance), ready(&slot.instance), std::cmp::Reverse((slot.since, index)))
        });
        for index in order.into_iter().take(surplus) {
            let reason = "the pool was made smaller".to_owned();
            self.slots[index].leaving = Some(Leaving { reason, grace_ms, replace: false });
        }
    }
}

impl Slot {
    /// A slot with an instance that is yet to be started.
    pub fn new(instance: String, now: Timestamp) -> Self {
        Self { instance, since: now, restarts: 0, failures: 0, last_end: None, leaving: None }
    }

    /// Whether this slot counts towards the pool's size.
    pub fn stays(&self) -> bool {
        self.leaving.as_ref().is_none_or(|leaving| leaving.replace)
    }
}

impl Stored for Pool {
    const KIND: &'static str = "local_pool";
    fn object_name(&self) -> String {
        Self::key(&self.region, &self.nodepool)
    }
}

/// A site that was put out of order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outage {
    pub region: String,
    pub since: Timestamp,
    pub by: String,
}

impl Stored for Outage {
    const KIND: &'static str = "local_outage";
    fn object_name(&self) -> String {
        self.region.clone()
    }
}

/// A bucket, which is a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredBucket {
    pub region: String,
    pub bucket: String,
    pub made_by: String,
}

impl Stored for StoredBucket {
    const KIND: &'static str = "local_bucket";
    fn object_name(&self) -> String {
        format!("{}/{}", self.region, self.bucket)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub fn pool(size: u32, slots: Vec<Slot>) -> Pool {
        Pool {
            region: "us-east".to_owned(),
            nodepool: "p".to_owned(),
            model: "demo:1.0".parse().expect("a model"),
            artifact: PathBuf::new(),
            digest: "0".repeat(64).parse().expect("a digest"),
            caller_digests: Vec::new(),
            resources: Resources { cpu_milli: 1, memory_bytes: 1, gpu: 0 },
            market: Market::OnDemand,
            price_per_hour: Money::ZERO,
            labels: BTreeMap::new(),
            size,
            made_by: String::new(),
            made_at: Timestamp(0),
            pending: Vec::new(),
            slots,
        }
    }

    /// Slots of any kind: some leave, some of those to be replaced.
    fn slots() -> impl Strategy<Value = Vec<Slot>> {
        proptest::collection::vec((any::<Option<bool>>(), 0_i64..5), 0..12).prop_map(|kinds| {
            let slot = |(index, (leaving, since)): (usize, (Option<bool>, i64))| Slot {
                leaving: leaving.map(|replace| Leaving { reason: String::new(), grace_ms: 9, replace }),
                ..Slot::new(format!("i-{index}"), Timestamp(since))
            };
            kinds.into_iter().enumerate().map(slot).collect()
        })
    }

    proptest! {
        #[test]
        fn a_pool_comes_to_its_size_and_takes_the_named_first(
            before in slots(), size in 0_u32..12, named in proptest::collection::vec(0_usize..12, 0..4), ready in 0_usize..12,
        ) {
            let named: Vec<String> = named.iter().map(|index| format!("i-{index}")).collect();
            let is_ready = |id: &str| id < format!("i-{ready}").as_str();
            let mut after = pool(size, before.clone());
            after.shrink(&named, &is_ready, 7);
            let mut made = 0;
            after.fill(Timestamp(8), &mut || { made += 1; format!("new-{made}") });
            prop_assert_eq!(after.staying(), size as usize);
            let stayed = before.iter().filter(|slot| slot.stays()).count();
            prop_assert_eq!(made, (size as usize).saturating_sub(stayed));
            // Who leaves is never asked to stay, and a stranger never leaves before one who was named.
            let left = |slot: &Slot| after.slots.iter().any(|now| now.instance == slot.instance && !now.stays());
            prop_assert!(before.iter().filter(|slot| !slot.stays()).all(left));
            let chosen: Vec<&Slot> = before.iter().filter(|slot| slot.stays() && left(slot)).collect();
            let spared: Vec<&Slot> = before.iter().filter(|slot| slot.stays() && !left(slot)).collect();
            for (gone, kept) in chosen.iter().flat_map(|gone| spared.iter().map(move |kept| (gone, kept))) {
                let rank = |slot: &Slot| (!named.contains(&slot.instance), is_ready(&slot.instance));
                prop_assert!(rank(gone) <= rank(kept), "{} left, and {} stayed", gone.instance, kept.instance);
            }
        }
    }
}
