//! When a site counts as out: not at the first bad answer, and not as back at the first good one.

use domain::Monotonic;

/// How long a site must be out before replicas leave it, and back before they return.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Milliseconds out before replicas are placed elsewhere.
    pub out_ms: i64,
    /// Milliseconds back, after such an outage, before it is used again.
    pub back_ms: i64,
}

/// Whether one site is in service, with hysteresis, so that a flapping site does not make replicas wander.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Service {
    /// It works.
    #[default]
    Up,
    /// It has not worked since then, for a short time: replicas stay.
    Failing(Monotonic),
    /// It is out: replicas leave.
    Out,
    /// It works again since then, after an outage.
    Returning(Monotonic),
}

impl Service {
    /// The state after an observation at `now`.
    #[must_use]
    pub fn observe(self, available: bool, now: Monotonic, patience: Patience) -> Self {
        let elapsed = |since: Monotonic, millis: i64| now.millis_since(since) >= millis;
        match (self, available) {
            (Self::Up | Self::Failing(_), true) => Self::Up,
            (Self::Up, false) => Self::Failing(now),
            (Self::Failing(since), false) if elapsed(since, patience.out_ms) => Self::Out,
            (Self::Failing(since), false) => Self::Failing(since),
            (Self::Out | Self::Returning(_), false) => Self::Out,
            (Self::Out, true) => Self::Returning(now),
            (Self::Returning(since), true) if elapsed(since, patience.back_ms) => Self::Up,
            (Self::Returning(since), true) => Self::Returning(since),
        }
    }

    /// Whether replicas that are there may stay.
    #[must_use]
    pub const fn holds(self) -> bool {
        matches!(self, Self::Up | Self::Failing(_))
    }

    /// Whether replicas may be added.
    #[must_use]
    pub const fn takes(self) -> bool {
        matches!(self, Self::Up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { out_ms: 2_000, back_ms: 3_000 };

    fn after(observations: &[(i64, bool)]) -> Service {
        observations.iter().fold(Service::Up, |service, (second, available)| {
            service.observe(*available, Monotonic(second * 1_000_000), PATIENCE)
        })
    }

    #[test]
    fn a_short_failure_moves_nothing() {
        assert!(after(&[(0, false), (1, false)]).holds());
        assert!(!after(&[(0, false), (1, false)]).takes());
        assert_eq!(after(&[(0, false), (1, true), (2, false), (3, false)]), Service::Failing(Monotonic(2_000_000)));
    }

    #[test]
    fn an_outage_ends_only_after_a_while_of_service() {
        let out = [(0, false), (2, false)];
        assert_eq!(after(&out), Service::Out);
        let flapping = [(0, false), (2, false), (3, true), (4, false), (5, true), (7, true)];
        assert!(!after(&flapping).holds());
        assert_eq!(after(&[(0, false), (2, false), (3, true), (6, true)]), Service::Up);
    }
}
