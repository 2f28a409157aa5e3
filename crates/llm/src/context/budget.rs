//! How much work one request may cause here. Templates, vocabularies and the window all draw on it, so that a file or a
//! caller who chooses the size of the work does not choose its end.
//!
//! A unit is about a byte of text that is looked at once: some nanoseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Units between two looks at whether the work is still wanted: well under a millisecond.
const UNITS_BETWEEN_LOOKS: u64 = 1 << 16;

/// Why the work ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exhausted {
    /// It took more than was allowed.
    #[error("it takes more work than is allowed")]
    Spent,
    /// Nobody waits for it any more, or its time is up.
    #[error("nobody waits for it any more, or its time is up")]
    Stopped,
}

/// What may still be spent. Clones draw on the same purse.
#[derive(Clone)]
pub struct Budget(Arc<Purse>);

struct Purse {
    left: AtomicU64,
    until_look: AtomicU64,
    stopped: Box<dyn Fn() -> bool + Send + Sync>,
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Budget").field(&self.left()).finish()
    }
}

impl Budget {
    /// So many units, while `stopped` says no. It is asked often, and must be cheap.
    #[must_use]
    pub fn new(units: u64, stopped: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let until_look = AtomicU64::new(UNITS_BETWEEN_LOOKS);
        Self(Arc::new(Purse { left: AtomicU64::new(units), until_look, stopped: Box::new(stopped) }))
    }

    /// So many units, however long they take.
    #[must_use]
    pub fn of(units: u64) -> Self {
        Self::new(units, || false)
    }

    /// Units that are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.left.load(Ordering::Relaxed)
    }

    /// Spends. One thread spends at a time, so that the numbers need no more order than that.
    pub fn charge(&self, units: u64) -> Result<(), Exhausted> {
        let purse = &*self.0;
        let left = purse.left.load(Ordering::Relaxed);
        if left < units {
            purse.left.store(0, Ordering::Relaxed);
            return Err(Exhausted::Spent);
        }
        purse.left.store(left - units, Ordering::Relaxed);
        let until_look = purse.until_look.load(Ordering::Relaxed);
        if until_look > units {
            purse.until_look.store(until_look - units, Ordering::Relaxed);
            return Ok(());
        }
        purse.until_look.store(UNITS_BETWEEN_LOOKS, Ordering::Relaxed);
        self.look()
    }

    /// Looks whether the work is still wanted, without spending.
    pub fn look(&self) -> Result<(), Exhausted> {
        if (self.0.stopped)() { Err(Exhausted::Stopped) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn what_is_spent_is_gone_for_all_clones() {
        let budget = Budget::of(10);
        assert_eq!(budget.clone().charge(4), Ok(()));
        assert_eq!((budget.left(), budget.charge(7)), (6, Err(Exhausted::Spent)));
        assert_eq!(budget.charge(1), Err(Exhausted::Spent), "nothing goes on behind the end");
    }

    #[test]
    fn a_stop_is_seen_at_the_next_look() {
        let gone = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&gone);
        let budget = Budget::new(u64::MAX, move || seen.load(Ordering::Relaxed));
        assert_eq!(budget.charge(UNITS_BETWEEN_LOOKS), Ok(()));
        gone.store(true, Ordering::Relaxed);
        assert_eq!(budget.charge(1), Ok(()), "not every unit looks");
        assert_eq!(budget.charge(UNITS_BETWEEN_LOOKS), Err(Exhausted::Stopped));
    }
}
