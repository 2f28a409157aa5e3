//! When failures put a replica aside, and for how long: consecutive failures, then a time that doubles.
//!
//! Only faults count. A replica that says it is full (429, 503) is healthy and is never put aside for it.

/// When to put a replica aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EjectionPolicy {
    /// Failures in a row that put it aside.
    pub consecutive_failures: u32,
    /// For how long the first time.
    pub first_ms: u64,
    /// For how long at most.
    pub max_ms: u64,
}

impl Default for EjectionPolicy {
    fn default() -> Self {
        Self { consecutive_failures: 3, first_ms: 1_000, max_ms: 30_000 }
    }
}

/// One replica's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ejection {
    failures: u32,
    times: u32,
    until_ms: u64,
}

impl Ejection {
    /// A request failed at `now_ms`. True when that put the replica aside.
    pub fn failed(&mut self, policy: &EjectionPolicy, now_ms: u64) -> bool {
        self.failures = self.failures.saturating_add(1);
        // What was in flight when it was put aside may fail later, and says nothing new.
        if self.failures < policy.consecutive_failures || self.remaining_ms(now_ms).is_some() {
            return false;
        }
        let doublings = self.times.min(32);
        let time_ms = policy.first_ms.saturating_mul(1_u64 << doublings).min(policy.max_ms);
        self.until_ms = now_ms.saturating_add(time_ms);
        self.times = self.times.saturating_add(1);
        self.failures = 0;
        true
    }

    /// A request succeeded: it may take requests at once, and the next time aside is shorter.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.until_ms = 0;
        self.times = self.times.saturating_sub(1);
    }

    /// Milliseconds for which it is still put aside.
    #[must_use]
    pub fn remaining_ms(&self, now_ms: u64) -> Option<u64> {
        self.until_ms.checked_sub(now_ms).filter(|remaining| *remaining > 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_time_aside_is_twice_the_last_until_the_limit() {
        let policy = EjectionPolicy { consecutive_failures: 2, first_ms: 100, max_ms: 350 };
        let mut record = Ejection::default();
        let mut now_ms = 0;
        for expected_ms in [100, 200, 350, 350] {
            assert!(!record.failed(&policy, now_ms));
            assert!(record.failed(&policy, now_ms));
            assert_eq!(record.remaining_ms(now_ms), Some(expected_ms));
            now_ms += expected_ms;
            assert_eq!(record.remaining_ms(now_ms), None);
        }
    }

    proptest! {
        #[test]
        fn never_beyond_the_limit_and_a_success_ends_it(events in proptest::collection::vec((any::<bool>(), 0_u64..5_000), 0..80)) {
            let policy = EjectionPolicy::default();
            let (mut record, mut now_ms) = (Ejection::default(), 0);
            for (ok, step_ms) in events {
                now_ms += step_ms;
                if ok {
                    record.succeeded();
                    prop_assert_eq!(record.remaining_ms(now_ms), None);
                } else {
                    record.failed(&policy, now_ms);
                }
                prop_assert!(record.remaining_ms(now_ms).unwrap_or(0) <= policy.max_ms);
            }
        }
    }
}
