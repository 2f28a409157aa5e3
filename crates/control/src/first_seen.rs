//! When something was first seen as it is: the age of what another process wrote, by our own monotonic clock.
//!
//! Times that another process wrote are its wall clock's, and may be hours off or step at any time. What is known for sure
//! is when it was seen here to have changed. Nothing is kept: a process that starts sees everything for the first time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::Monotonic;

/// What nobody has asked about for so long is forgotten, in milliseconds.
const FORGET_MS: i64 = 600_000;
/// Entries beyond which the forgettable ones are looked for.
const ENTRIES_MANY: usize = 4_096;

/// What was seen of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Milliseconds since it was first seen as it is.
    pub age_ms: i64,
    /// Whether it was seen to change; otherwise it may have been as it is for long.
    pub changed: bool,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct FirstSeen {
    entries: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    value: u64,
    since: Monotonic,
    asked: Monotonic,
    changed: bool,
}

impl FirstSeen {
    /// Looks at `name`, which has this `value` now: a version or a number that changes with it.
    pub(crate) fn look(&self, name: String, value: u64, now: Monotonic) -> Sight {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES_MANY {
            entries.retain(|_, entry| now.millis_since(entry.asked) < FORGET_MS);
        }
        let entry = entries.entry(name).or_insert(Entry { value, since: now, asked: now, changed: false });
        if entry.value != value {
            *entry = Entry { value, since: now, asked: now, changed: true };
        }
        entry.asked = now;
        Sight { age_ms: now.millis_since(entry.since), changed: entry.changed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_count_from_the_change_that_was_seen() {
        let seen = FirstSeen::default();
        let at = |millis: i64| Monotonic(0).plus_millis(millis);
        let look = |value: u64, millis: i64| seen.look("gateway/a".to_owned(), value, at(millis));
        assert_eq!(look(7, 1_000), Sight { age_ms: 0, changed: false });
        assert_eq!(look(7, 4_000), Sight { age_ms: 3_000, changed: false });
        assert_eq!(look(9, 5_000), Sight { age_ms: 0, changed: true });
        assert_eq!(look(9, 5_500), Sight { age_ms: 500, changed: true });
    }
}
