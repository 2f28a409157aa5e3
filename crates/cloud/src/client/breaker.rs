//! The circuit breaker (Nygard, "Release It!", 2007): who does not answer is left alone for a while, then asked once.

use std::time::Duration;

use tokio::time::Instant;

/// Counts failures in a row.
#[derive(Debug)]
pub(super) struct Breaker {
    failures_max: u32,
    pause: Duration,
    failures: u32,
    /// While set, nobody asks until then; who asks first afterwards moves it on, and is the only one.
    closed_until: Option<Instant>,
}

impl Breaker {
    pub const fn new(failures_max: u32, pause: Duration) -> Self {
        Self { failures_max, pause, failures: 0, closed_until: None }
    }

    /// Whether a request may go out now; otherwise, how long to wait.
    pub fn ask(&mut self, now: Instant) -> Result<(), Duration> {
        match self.closed_until {
            Some(until) if now < until => Err(until - now),
            Some(_) => {
                self.closed_until = Some(now + self.pause);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Notes whether a request was answered.
    pub fn note(&mut self, answered: bool, now: Instant) {
        if answered {
            self.failures = 0;
            self.closed_until = None;
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.failures_max {
            self.closed_until = Some(now + self.pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_lets_one_try_and_closes() {
        let mut breaker = Breaker::new(2, Duration::from_secs(5));
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        breaker.note(false, start);
        assert_eq!(breaker.ask(start), Ok(()));
        breaker.note(false, start);
        assert_eq!(breaker.ask(after(1)), Err(Duration::from_secs(4)));
        assert_eq!(breaker.ask(after(5)), Ok(()), "one may try");
        assert!(breaker.ask(after(6)).is_err(), "and only one");
        breaker.note(false, after(6));
        assert!(breaker.ask(after(10)).is_err());
        assert_eq!(breaker.ask(after(11)), Ok(()));
        breaker.note(true, after(11));
        assert_eq!(breaker.ask(after(11)), Ok(()));
        breaker.note(false, after(12));
        assert_eq!(breaker.ask(after(12)), Ok(()), "the count begins anew");
    }
}
