//! Which of many like calls are written to the audit journal: reads and refused calls, of which anybody may make any number.
//! Pure: the time is an argument.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// One entry for each caller, tool and outcome in this time.
const EVERY: Duration = Duration::from_secs(600);
/// Most callers, tools and outcomes that are told apart.
const KEPT_MAX: usize = 4_096;

/// What calls have in common that are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Like {
    pub principal: String,
    pub tool: &'static str,
    pub refused: bool,
}

struct Since {
    written: Instant,
    others: u64,
}

/// Counts like calls.
#[derive(Default)]
pub(super) struct Sample(HashMap<Like, Since>);

impl Sample {
    /// Whether a call gets an entry: the first of its like does, and then one each [`EVERY`]. Gives how many came between
    /// that have none.
    pub fn admit(&mut self, like: Like, now: Instant) -> Option<u64> {
        if let Some(since) = self.0.get_mut(&like) {
            if now.saturating_duration_since(since.written) < EVERY {
                since.others = since.others.saturating_add(1);
                return None;
            }
            let others = since.others;
            *since = Since { written: now, others: 0 };
            return Some(others);
        }
        if self.0.len() >= KEPT_MAX {
            self.0.retain(|_, since| now.saturating_duration_since(since.written) < EVERY);
        }
        if self.0.len() >= KEPT_MAX {
            // That many callers at once: they share one count.
            let all = Like { principal: String::new(), tool: "", refused: like.refused };
            return if like == all || self.0.contains_key(&all) {
                self.0.get_mut(&all).and_then(|since| {
                    since.others = since.others.saturating_add(1);
                    (now.saturating_duration_since(since.written) >= EVERY)
                        .then(|| std::mem::replace(since, Since { written: now, others: 0 }).others)
                })
            } else {
                self.0.insert(all, Since { written: now, others: 0 });
                Some(0)
            };
        }
        self.0.insert(like, Since { written: now, others: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(principal: &str) -> Like {
        Like { principal: principal.to_owned(), tool: "get_health", refused: false }
    }

    #[test]
    fn the_first_is_written_and_the_rest_is_counted() {
        let (mut sample, start) = (Sample::default(), Instant::now());
        assert_eq!(sample.admit(like("a"), start), Some(0));
        for second in 1..=9 {
            assert_eq!(sample.admit(like("a"), start + Duration::from_secs(second)), None);
        }
        assert_eq!(sample.admit(like("b"), start), Some(0), "another caller has its own");
        assert_eq!(sample.admit(like("a"), start + EVERY), Some(9));
        assert_eq!(sample.admit(like("a"), start + EVERY), None);
    }

    #[test]
    fn many_callers_take_bounded_memory_and_entries() {
        let (mut sample, start) = (Sample::default(), Instant::now());
        let written = (0..3 * KEPT_MAX).filter(|n| sample.admit(like(&n.to_string()), start).is_some()).count();
        assert!(written <= KEPT_MAX + 1 && sample.0.len() <= KEPT_MAX + 2, "{written} {}", sample.0.len());
        assert_eq!(sample.admit(like("new"), start + EVERY), Some(0), "room is made when their time is over");
    }
}
