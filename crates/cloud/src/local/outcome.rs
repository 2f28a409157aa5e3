//! What becomes of a call after its answer: `deploy_model` and `scale_nodepool` are accepted, and end when the pool is as
//! they asked, or when its instances have failed at their start too often.

use domain::{Kind, Problem, Timestamp};
use serde::{Deserialize, Serialize};
use state::objects::{self, Stored};
use state::{Batch, Expect, Write};

use super::pool::{Pool, Slot};
use super::{LocalCloud, State};
use crate::contract::envelope::{Operation, OperationState};
use crate::server::Standing;

/// After so many failures in a row in one slot, the calls that wait for the pool have failed. It is still tried, twice in
/// a minute, so that a pool whose model file is put right heals.
pub(super) const TRIES_MAX: u32 = 5;
/// Most calls that wait for one pool.
const PENDING_MAX: usize = 64;
/// How long it is remembered how a call ended, in milliseconds: as long as the server remembers the call, 7 days.
const RETENTION_MS: i64 = 7 * 24 * 3_600_000;

/// A call that waits for a pool to become as it asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub operation: String,
    /// The size that it asked for.
    pub size: u32,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub operation: String,
    pub state: OperationState,
    pub problem: Option<Problem>,
    pub region: String,
    pub nodepool: String,
    pub at: Timestamp,
}

impl Stored for Ended {
    const KIND: &'static str = "local_operation";
    fn object_name(&self) -> String {
        self.operation.clone()
    }
}

impl Pool {
    /// Notes that a call waits for this pool. A call that is made again begins anew. Returns how those ended that find no
    /// place any more.
    pub fn note_pending(&mut self, operation: &str, now: Timestamp) -> Vec<Ended> {
        self.pending.retain(|pending| pending.operation != operation);
        self.pending.push(Pending { operation: operation.to_owned(), size: self.size });
        let surplus = self.pending.len().saturating_sub(PENDING_MAX);
        let dropped: Vec<Pending> = self.pending.drain(..surplus).collect();
        dropped.iter().map(|pending| self.overtaken(pending, now)).collect()
    }

    /// The calls that have ended, which then wait no longer. `serves` says whether an instance does.
    pub fn settle(&mut self, serves: &dyn Fn(&str) -> bool, now: Timestamp) -> Vec<Ended> {
        let failing = self.slots.iter().find(|slot| slot.stays() && slot.failures >= TRIES_MAX);
        let is_done = self.slots.len() == self.size as usize && self.slots.iter().all(|slot| serves(&slot.instance));
        let ended: Vec<Ended> = match failing {
            Some(slot) => {
                let problem = cannot_start(slot);
                let end = |pending| self.end(pending, OperationState::Failed, Some(problem.clone()), now);
                self.pending.iter().map(end).collect()
            }
            None if is_done => self.pending.iter().map(|pending| self.done(pending, now)).collect(),
            None => return Vec::new(),
        };
        self.pending.clear();
        ended
    }

    fn done(&self, pending: &Pending, now: Timestamp) -> Ended {
        if pending.size == self.size {
            return self.end(pending, OperationState::Succeeded, None, now);
        }
        self.overtaken(pending, now)
    }

    fn overtaken(&self, pending: &Pending, now: Timestamp) -> Ended {
        let cause = format!("another call set the size to {} before it was {}", self.size, pending.size);
        let problem = Problem::new(Kind::Conflict, cause).next("read the pool with get_health");
        self.end(pending, OperationState::Cancelled, Some(problem), now)
    }

    fn end(&self, pending: &Pending, state: OperationState, problem: Option<Problem>, at: Timestamp) -> Ended {
        let (region, nodepool) = (self.region.clone(), self.nodepool.clone());
        Ended { operation: pending.operation.clone(), state, problem, region, nodepool, at }
    }
}

fn cannot_start(slot: &Slot) -> Problem {
    let last = slot.last_end.as_deref().unwrap_or("it ended");
    let cause = format!("{} instances in a row ended at their start; the last one: {last}", slot.failures);
    Problem::new(Kind::Unsupported, cause)
        .next("put right what the cause names and repeat the call, or remove the pool with scale_nodepool and size 0")
}

/// What writes these ends down.
pub(super) fn writes(ended: &[Ended]) -> Result<Vec<Write>, state::StoreError> {
    ended.iter().map(|ended| objects::put(ended, Expect::Any)).collect()
}

impl LocalCloud {
    /// Where a call stands that was accepted.
    pub(super) async fn standing(&self, operation: &Operation) -> Result<Standing, Problem> {
        let state = self.state.lock().await;
        if state.pools.values().any(|pool| pool.value.pending.iter().any(|one| one.operation == operation.id)) {
            return Ok(Standing::running());
        }
        let Some(ended) = objects::get::<Ended>(&*self.store, &operation.id).await? else {
            let problem = Problem::not_found("its node pool is gone").next("read the pools with get_health");
            return Ok(Standing { state: OperationState::Cancelled, problem: Some(problem), resource: None });
        };
        let Ended { state: ended_as, problem, region, nodepool, .. } = ended.value;
        let resource = self.resource(&state, &Pool::key(&region, &nodepool))?;
        Ok(Standing { state: ended_as, problem, resource })
    }

    fn resource(&self, state: &State, key: &str) -> Result<Option<serde_json::Value>, Problem> {
        let described = state.pools.get(key).map(|pool| serde_json::to_value(self.describe(state, &pool.value)));
        described.transpose().map_err(|e| Problem::internal(format!("the pool cannot be written: {e}")))
    }

    /// Forgets how calls ended that the server has forgotten, too.
    pub(super) async fn prune_ended(&self) {
        let oldest = self.clock.now().plus_millis(-RETENTION_MS);
        let pruned = async {
            for ended in objects::list::<Ended>(&*self.store).await? {
                if ended.value.at < oldest {
                    let write = objects::delete::<Ended>(&ended.value.operation, Expect::Version(ended.version));
                    self.store.commit(Batch::new().with(write)).await?;
                }
            }
            Ok::<(), state::StoreError>(())
        };
        if let Err(error) = pruned.await {
            tracing::warn!(cause = %error, "old operations not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::pool::tests::pool;

    const NOW: Timestamp = Timestamp(5);

    fn slot(instance: &str, failures: u32) -> Slot {
        let last_end = (failures > 0).then(|| "exit status: 3; its log ends: no such model".to_owned());
        Slot { failures, last_end, ..Slot::new(instance.to_owned(), Timestamp(0)) }
    }

    fn waited_for(slots: Vec<Slot>, size: u32) -> Pool {
        let mut pool = pool(size, slots);
        assert_eq!(pool.note_pending("op-1", NOW), []);
        pool
    }

    #[test]
    fn a_call_ends_when_the_pool_is_as_it_asked_or_cannot_be() {
        for (failures, ready, wanted) in [
            ([0, 0], &["i-0"][..], None),
            ([0, 0], &["i-0", "i-1"], Some(OperationState::Succeeded)),
            ([0, TRIES_MAX - 1], &["i-0"], None),
            ([0, TRIES_MAX], &["i-0"], Some(OperationState::Failed)),
        ] {
            let slots = failures.iter().enumerate().map(|(index, failures)| slot(&format!("i-{index}"), *failures));
            let mut pool = waited_for(slots.collect(), 2);
            let ended = pool.settle(&|id| ready.contains(&id), NOW);
            assert_eq!(ended.first().map(|ended| ended.state), wanted, "{failures:?} {ready:?}");
            assert_eq!(pool.pending.is_empty(), wanted.is_some());
            if wanted == Some(OperationState::Failed) {
                let problem = ended[0].problem.clone().expect("a problem");
                assert!(problem.cause.contains("no such model") && !problem.kind.is_retryable(), "{problem:?}");
            }
        }
    }

    #[test]
    fn a_call_that_another_has_overtaken_is_cancelled() {
        let mut pool = waited_for(vec![slot("i-0", 0)], 2);
        pool.size = 1;
        pool.note_pending("op-2", NOW);
        let ended = pool.settle(&|_| true, NOW);
        let states: Vec<_> = ended.iter().map(|ended| (ended.operation.as_str(), ended.state)).collect();
        assert_eq!(states, [("op-1", OperationState::Cancelled), ("op-2", OperationState::Succeeded)]);
    }

    #[test]
    fn calls_that_wait_are_bounded_and_a_repeated_one_waits_once() {
        let mut pool = waited_for(Vec::new(), 1);
        pool.note_pending("op-1", NOW);
        assert_eq!(pool.pending.len(), 1);
        let dropped: Vec<Ended> =
            (0..PENDING_MAX).flat_map(|index| pool.note_pending(&format!("more-{index}"), NOW)).collect();
        assert_eq!(pool.pending.len(), PENDING_MAX);
        assert_eq!(dropped.iter().map(|ended| ended.operation.as_str()).collect::<Vec<_>>(), ["op-1"]);
    }
}
