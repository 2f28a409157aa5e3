//! When each part of the control plane last did its work, by the monotonic clock, and which parts are late.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use domain::{Clock, Monotonic};
use state::{Account, Batch, Committed, Entry, Lease, Object, SharedStore, Store, StoreError};
use tokio::sync::watch;

/// A reconciler that has not come round for so long is late, in milliseconds: it waits for clouds a few seconds.
const PASS_LATE_MS: i64 = 30_000;
/// A store to which nothing was written for so long is late, in milliseconds: leases are renewed every few seconds.
const COMMIT_LATE_MS: i64 = 30_000;

/// What was last seen of everything.
#[derive(Debug)]
pub(crate) struct Vitals {
    began: Monotonic,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    committed: Option<Monotonic>,
    /// The latest commit that failed for the store's own fault, if none has succeeded since.
    commit_failure: Option<(Monotonic, String)>,
    passes: BTreeMap<&'static str, Pass>,
}

/// What one reconciler last did.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    /// The end of the last run without a problem; of the last look at the lease while another process leads.
    pub done: Option<Monotonic>,
    /// Whether this process leads it.
    pub leads: bool,
    /// Why the last run failed, if it did.
    pub problem: Option<String>,
}

/// A part that is late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Late {
    /// `state` or `reconciler NAME`.
    pub part: String,
    /// Milliseconds since it last did its work.
    pub age_ms: i64,
    /// Why, when it is known. May name things that only operators should know.
    pub cause: Option<String>,
}

impl Vitals {
    pub(crate) fn new(now: Monotonic) -> Self {
        Self { began: now, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the end of a run, or that another process leads.
    pub(crate) fn passed(&self, reconciler: &'static str, leads: bool, problem: Option<String>, now: Monotonic) {
        let mut inner = self.inner();
        let pass = inner.passes.entry(reconciler).or_insert(Pass { done: None, leads, problem: None });
        pass.leads = leads;
        if problem.is_none() {
            pass.done = Some(now);
        }
        pass.problem = problem;
    }

    fn committed(&self, outcome: &Result<Committed, StoreError>, now: Monotonic) {
        let mut inner = self.inner();
        match outcome {
            Err(error) if !error.is_refusal() => {
                let since = inner.commit_failure.as_ref().map_or(now, |(since, _)| *since);
                inner.commit_failure = Some((since, error.to_string()));
            }
            Ok(_) => (inner.committed, inner.commit_failure) = (Some(now), None),
            Err(_) => {}
        }
    }

    /// Milliseconds since the last commit, and why commits fail now if they do.
    pub(crate) fn commits(&self, now: Monotonic) -> (Option<i64>, Option<String>) {
        let inner = self.inner();
        let age = inner.committed.map(|at| now.millis_since(at));
        (age, inner.commit_failure.as_ref().map(|(_, cause)| cause.clone()))
    }

    /// The reconcilers, and milliseconds since each last came round.
    pub(crate) fn passes(&self, now: Monotonic) -> Vec<(&'static str, Option<i64>, Pass)> {
        let inner = self.inner();
        let age = |pass: &Pass| pass.done.map(|at| now.millis_since(at));
        inner.passes.iter().map(|(name, pass)| (*name, age(pass), pass.clone())).collect()
    }

    /// Every part that is late. A part that never did its work is late when it should have by now.
    pub(crate) fn late(&self, now: Monotonic) -> Vec<Late> {
        let inner = self.inner();
        let age_ms = |at: Option<Monotonic>| now.millis_since(at.unwrap_or(self.began));
        let mut late = Vec::new();
        // Nothing is written where no reconciler runs, and nothing is late then.
        let (age, failure) = (age_ms(inner.committed), inner.commit_failure.as_ref());
        if failure.is_some() || (!inner.passes.is_empty() && age > COMMIT_LATE_MS) {
            let age_ms = failure.map_or(age, |(since, _)| now.millis_since(*since));
            late.push(Late { part: "state".to_owned(), age_ms, cause: failure.map(|(_, cause)| cause.clone()) });
        }
        for (name, pass) in &inner.passes {
            let age_ms = age_ms(pass.done);
            if age_ms > PASS_LATE_MS {
                late.push(Late { part: format!("reconciler {name}"), age_ms, cause: pass.problem.clone() });
            }
        }
        late
    }
}

/// The store, and note of when it last took a commit.
pub(crate) struct CheckedStore {
    inner: SharedStore,
    clock: Arc<dyn Clock>,
    vitals: Arc<Vitals>,
}

impl CheckedStore {
    pub(crate) fn new(inner: SharedStore, clock: Arc<dyn Clock>, vitals: Arc<Vitals>) -> Self {
        Self { inner, clock, vitals }
    }
}

#[async_trait]
impl Store for CheckedStore {
    async fn get(&self, kind: &str, name: &str) -> Result<Option<Object>, StoreError> {
        self.inner.get(kind, name).await
    }

    async fn list(&self, kind: &str, after: Option<&str>, limit: usize) -> Result<Vec<Object>, StoreError> {
        self.inner.list(kind, after, limit).await
    }

    async fn read_journal(&self, journal: &str, offset: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.inner.read_journal(journal, offset, limit).await
    }

    async fn lease(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        self.inner.lease(name).await
    }

    async fn balance(&self, account: &Account) -> Result<i64, StoreError> {
        self.inner.balance(account).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        let outcome = self.inner.commit(batch).await;
        self.vitals.committed(&outcome, self.clock.monotonic());
        outcome
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.inner.watch()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Monotonic {
        Monotonic(0).plus_millis(millis)
    }

    #[test]
    fn what_does_not_come_round_is_late_and_says_since_when() {
        let vitals = Vitals::new(at(0));
        vitals.passed("replicas", true, None, at(1_000));
        vitals.committed(&Ok(Committed::default()), at(1_000));
        assert_eq!(vitals.late(at(20_000)), []);
        vitals.passed("replicas", true, Some("no cloud".to_owned()), at(30_000));
        let late = vitals.late(at(41_000));
        assert_eq!(
            late.iter().map(|late| (late.part.as_str(), late.age_ms)).collect::<Vec<_>>(),
            [("state", 40_000), ("reconciler replicas", 40_000)]
        );
        assert_eq!(late[1].cause.as_deref(), Some("no cloud"));
    }

    #[test]
    fn a_store_that_fails_is_late_at_once_and_no_more_when_it_works_again() {
        let vitals = Vitals::new(at(0));
        vitals.committed(&Err(StoreError::DiskFull), at(5_000));
        vitals.committed(&Err(StoreError::DiskFull), at(6_000));
        let late = vitals.late(at(8_000));
        assert_eq!((late[0].part.as_str(), late[0].age_ms), ("state", 3_000));
        assert_eq!(late[0].cause.as_deref(), Some("the disk is full"));
        let refused = Err(StoreError::AlreadyPosted("x".to_owned()));
        vitals.committed(&refused, at(8_000));
        assert_eq!(vitals.late(at(8_000)).len(), 1, "a refusal says nothing of the disk");
        vitals.committed(&Ok(Committed::default()), at(9_000));
        assert_eq!(vitals.late(at(9_000)), []);
    }
}
