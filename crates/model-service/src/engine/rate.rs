//! Tokens per second over the last ten seconds.

const WINDOW_SECONDS: u64 = 10;
const BUCKETS: usize = WINDOW_SECONDS as usize + 1;

/// A sliding count in buckets of one second. Times are milliseconds since any fixed instant.
#[derive(Debug, Default)]
pub struct Rate {
    /// The second that each bucket counts, and its count.
    buckets: [(u64, u64); BUCKETS],
}

impl Rate {
    /// Counts `amount` at `now_ms`.
    pub fn add(&mut self, now_ms: u64, amount: u64) {
        let second = now_ms / 1_000;
        let bucket = &mut self.buckets[usize::try_from(second).unwrap_or(0) % BUCKETS];
        if bucket.0 != second {
            *bucket = (second, 0);
        }
        bucket.1 += amount;
    }

    /// The mean per second over the window that ends at `now_ms`, or since zero when that is shorter.
    pub fn per_second(&self, now_ms: u64) -> f64 {
        let second = now_ms / 1_000;
        let first = second.saturating_sub(WINDOW_SECONDS - 1);
        let total: u64 = self.buckets.iter().filter(|(at, _)| (first..=second).contains(at)).map(|(_, n)| n).sum();
        let span_ms = (now_ms - first * 1_000).clamp(1_000, WINDOW_SECONDS * 1_000);
        total as f64 * 1_000.0 / span_ms as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_holds_and_dies_away() {
        let mut rate = Rate::default();
        for ms in (0..20_000).step_by(100) {
            rate.add(ms, 5);
        }
        let steady = rate.per_second(19_999);
        assert!((steady - 50.0).abs() < 0.1, "{steady}");
        assert!(rate.per_second(25_000) < 30.0);
        assert_eq!(rate.per_second(40_000), 0.0);
    }

    #[test]
    fn the_first_second_counts_whole() {
        let mut rate = Rate::default();
        rate.add(10, 7);
        assert_eq!(rate.per_second(20), 7.0);
    }
}
