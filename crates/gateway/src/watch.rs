//! The suspects of one gateway, shared by all its requests: a lock, a clock that never steps, and what is told of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::{DeadlyRequest, Timestamp};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::case::deadly_request;
use crate::suspects::{Death, Fingerprint, Standing, Suspects, Verdict};
use crate::table::Model;

/// Most requests that are told of.
const TOLD_MAX: usize = 16;

/// Who is watched.
#[derive(Debug)]
pub(crate) struct Watch {
    made: Instant,
    suspects: Mutex<Suspects>,
    /// Nothing is suspected: what most requests find, without a lock.
    is_quiet: AtomicBool,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    latest: VecDeque<DeadlyRequest>,
    count: u64,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            made: Instant::now(),
            suspects: Mutex::default(),
            is_quiet: AtomicBool::new(true),
            told: Mutex::default(),
        }
    }
}

impl Watch {
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet.load(Ordering::Acquire)
    }

    pub(crate) fn standing(&self, request: &Fingerprint) -> Standing {
        self.suspects.lock().standing(request, self.now_ms())
    }

    pub(crate) fn answered(&self, request: &Fingerprint) {
        self.suspects.lock().answered(request, self.now_ms());
    }

    /// Notes that a replica that answered probes answers no more.
    pub(crate) fn replica_lost(&self, replica: &str) {
        self.suspects.lock().lost(replica, self.now_ms());
    }

    pub(crate) fn died(&self, death: &Death<'_>) -> Verdict {
        let verdict = self.suspects.lock().died(death, self.now_ms());
        self.is_quiet.store(false, Ordering::Release);
        verdict
    }

    /// A request was found to be to blame: it is told of.
    pub(crate) fn blamed(&self, model: &Model, request: &Fingerprint, at: Timestamp) {
        let replicas = self.suspects.lock().replicas(request);
        let mut told = self.told.lock();
        told.count += 1;
        let number = told.count;
        if told.latest.len() >= TOLD_MAX {
            told.latest.pop_front();
        }
        told.latest.push_back(deadly_request(model, request, replicas, at, number));
    }

    /// The latest requests that were to blame.
    pub(crate) fn told(&self) -> Vec<DeadlyRequest> {
        self.told.lock().latest.iter().cloned().collect()
    }

    /// Forgets what is over. Called now and then.
    pub(crate) fn forget_old(&self) {
        let mut suspects = self.suspects.lock();
        suspects.forget_old(self.now_ms());
        self.is_quiet.store(suspects.is_empty(), Ordering::Release);
    }

    /// A moment as the suspects count it.
    pub(crate) fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.made).as_millis()).unwrap_or(u64::MAX)
    }

    fn now_ms(&self) -> u64 {
        self.millis(Instant::now())
    }
}
