//! Time as an argument: production passes [`SystemClock`], tests pass [`ManualClock`].
//!
//! There are two kinds of time. A [`Timestamp`] names a moment for people, files and other processes; the wall clock
//! that gives it may be set back or forward at any time. A [`Monotonic`] measures: ages, pauses and deadlines within one
//! process are differences of these, and never of timestamps.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An instant, in microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This instant moved by `micros` (negative: earlier), held at the ends of the range.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// This instant moved by `millis`, held at the ends of the range.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        self.plus_micros(millis.saturating_mul(1_000))
    }

    /// Microseconds from `earlier` to this instant; zero when `earlier` is later.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> i64 {
        let elapsed = self.0.saturating_sub(earlier.0);
        if elapsed > 0 { elapsed } else { 0 }
    }

    /// Whole seconds since the Unix epoch, as the OpenAI API's `created` wants them.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => write!(f, "{instant}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// A moment of this process, in microseconds on a clock that only goes forward. It means nothing to another process or
/// after a restart, so it is never written anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(pub i64);

impl Monotonic {
    /// This moment moved by `millis` (negative: earlier), held at the ends of the range.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(1_000)))
    }

    /// Microseconds from `earlier` to this moment; zero when `earlier` is later.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> i64 {
        let elapsed = self.0.saturating_sub(earlier.0);
        if elapsed > 0 { elapsed } else { 0 }
    }

    /// Whole milliseconds from `earlier` to this moment; zero when `earlier` is later.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.micros_since(earlier) / 1_000
    }

    /// Seconds from `earlier` to this moment; zero when `earlier` is later.
    #[must_use]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        // Microseconds of a process's life stay far below 2⁵³, up to which a float is exact.
        self.micros_since(earlier) as f64 / 1e6
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The time now, as the wall clock has it: it names a moment, and may step.
    fn now(&self) -> Timestamp;

    /// The time now on a clock that never steps: for ages, pauses and deadlines.
    fn monotonic(&self) -> Monotonic;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // The one place in the product that reads the wall clock.
        #[allow(clippy::disallowed_methods)]
        let now = std::time::SystemTime::now();
        let since_epoch = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Monotonic {
        static START: OnceLock<Instant> = OnceLock::new();
        let elapsed = START.get_or_init(Instant::now).elapsed();
        Monotonic(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A clock that moves only when told to, for tests and replay.
#[derive(Debug, Default)]
pub struct ManualClock {
    wall: AtomicI64,
    monotonic: AtomicI64,
}

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub const fn starting_at(start: Timestamp) -> Self {
        Self { wall: AtomicI64::new(start.0), monotonic: AtomicI64::new(0) }
    }

    /// Time passes.
    pub fn advance_micros(&self, micros: i64) {
        self.wall.fetch_add(micros, Ordering::SeqCst);
        self.monotonic.fetch_add(micros.max(0), Ordering::SeqCst);
    }

    /// Somebody sets the wall clock, back (negative) or forward; no time passes.
    pub fn step_wall_micros(&self, micros: i64) {
        self.wall.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.monotonic.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_wall_clock_is_no_time_that_passes() {
        let clock = ManualClock::starting_at(Timestamp(5_000_000_000));
        let (wall, began) = (clock.now(), clock.monotonic());
        clock.advance_micros(2_000_000);
        clock.step_wall_micros(-3_600_000_000);
        assert_eq!(clock.monotonic().millis_since(began), 2_000);
        assert_eq!(clock.now().micros_since(wall), 0);
        assert!(SystemClock.monotonic() <= SystemClock.monotonic());
    }
}
