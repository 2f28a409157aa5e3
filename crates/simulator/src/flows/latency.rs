//! A histogram of seconds, weighed by how many requests took them: its quantiles are good to about one per cent.

/// Bins for each power of ten.
const PER_DECADE: f64 = 200.0;
/// The first bin's lower end: a tenth of a millisecond.
const LEAST_SECONDS: f64 = 1e-4;
/// Bins up to ten thousand seconds.
const BINS: usize = 1_600;

/// How long requests took.
#[derive(Debug, Clone)]
pub struct Latencies {
    bins: Vec<f64>,
    requests: f64,
    seconds: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { bins: vec![0.0; BINS], requests: 0.0, seconds: 0.0 }
    }
}

impl Latencies {
    /// So many requests took so long.
    pub fn add(&mut self, seconds: f64, requests: f64) {
        let bin = ((seconds / LEAST_SECONDS).max(1.0).log10() * PER_DECADE) as usize;
        self.bins[bin.min(BINS - 1)] += requests;
        self.requests += requests;
        self.seconds += seconds * requests;
    }

    /// Counts those of another stretch of time too.
    pub fn join(&mut self, other: &Self) {
        self.bins.iter_mut().zip(&other.bins).for_each(|(bin, more)| *bin += more);
        self.requests += other.requests;
        self.seconds += other.seconds;
    }

    /// Requests counted.
    #[must_use]
    pub const fn requests(&self) -> f64 {
        self.requests
    }

    /// Mean seconds; zero of nothing.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.requests > 0.0 { self.seconds / self.requests } else { 0.0 }
    }

    /// The seconds that `share` of all requests did not exceed: the middle of its bin; zero of nothing.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        if self.requests <= 0.0 {
            return 0.0;
        }
        let (mut left, mut last) = (share * self.requests, 0);
        for (bin, requests) in self.bins.iter().enumerate().filter(|(_, requests)| **requests > 0.0) {
            last = bin;
            left -= requests;
            if left <= 0.0 {
                break;
            }
        }
        LEAST_SECONDS * 10_f64.powf((last as f64 + 0.5) / PER_DECADE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near_and_the_mean_is_exact() {
        let mut latencies = Latencies::default();
        (1..=1_000).for_each(|at| latencies.add(f64::from(at) / 100.0, 3.0));
        assert!((latencies.mean() - 5.005).abs() < 1e-9);
        for (share, seconds) in [(0.5, 5.0), (0.99, 9.9)] {
            assert!((latencies.quantile(share) / seconds - 1.0).abs() < 0.02);
        }
        assert_eq!(Latencies::default().quantile(0.99), 0.0);
    }
}
