//! From what is asked for to load in replicas.

/// What arrives, per second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Demand {
    /// Requests.
    pub requests_per_second: f64,
    /// Prompt tokens to be read.
    pub prompt_tokens_per_second: f64,
    /// Tokens to be generated.
    pub generation_tokens_per_second: f64,
}

/// What one replica can do of each kind alone; infinite where it is no limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplicaCapacity {
    /// Requests per second.
    pub requests_per_second: f64,
    /// Prompt tokens per second.
    pub prompt_tokens_per_second: f64,
    /// Generated tokens per second.
    pub generation_tokens_per_second: f64,
}

impl Demand {
    /// Replicas kept exactly busy. Prompt and generation share one accelerator, so their shares of time add up; the
    /// number of requests is a limit of its own.
    #[must_use]
    pub fn load(&self, replica: &ReplicaCapacity) -> f64 {
        let part = |asked: f64, can: f64| if can > 0.0 { (asked / can).max(0.0) } else { 0.0 };
        let tokens = part(self.prompt_tokens_per_second, replica.prompt_tokens_per_second)
            + part(self.generation_tokens_per_second, replica.generation_tokens_per_second);
        tokens.max(part(self.requests_per_second, replica.requests_per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_prompts_need_replicas_that_counting_requests_would_miss() {
        let replica = ReplicaCapacity {
            requests_per_second: 10.0,
            prompt_tokens_per_second: 8_000.0,
            generation_tokens_per_second: 1_000.0,
        };
        let short =
            Demand { requests_per_second: 5.0, prompt_tokens_per_second: 500.0, generation_tokens_per_second: 100.0 };
        let long = Demand { prompt_tokens_per_second: 16_000.0, generation_tokens_per_second: 500.0, ..short };
        assert!((short.load(&replica) - 0.5).abs() < 1e-12);
        assert!((long.load(&replica) - 2.5).abs() < 1e-12);
    }
}
