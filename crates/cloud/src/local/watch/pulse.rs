//! Running time: a clock that stands still while this process does.
//!
//! A process that was stopped, or whose machine was paused, must not take its own absence for the silence of its
//! instances. Every age by which an instance is judged is therefore measured on this clock, which a task advances with
//! every beat. A beat that comes late adds no more than one that is on time, so that a starved process judges slowly, and
//! a paused one not at all. It is no clock for people: moments that are shown are wall time, and decide nothing.

use std::time::Duration;

use domain::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How often the clock is advanced.
pub(in super::super) const BEAT_EVERY: Duration = Duration::from_millis(50);
/// A beat that comes no later than this counts in full.
const LATE: Duration = Duration::from_millis(250);
/// After a gap like this, or a step of the wall clock, nothing that was seen before counts.
const PAUSE: Duration = Duration::from_secs(2);

/// A point on the clock of running time, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Running(pub u64);

impl Running {
    /// Milliseconds of running time since `earlier`.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The clock.
pub(in super::super) struct Pulse {
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    beat: Option<(Instant, Timestamp)>,
    running: Duration,
}

impl Pulse {
    pub const fn new() -> Self {
        Self { state: Mutex::new(State { beat: None, running: Duration::ZERO }) }
    }

    /// Now.
    pub fn now(&self) -> Running {
        Running(u64::try_from(self.state.lock().running.as_millis()).unwrap_or(u64::MAX))
    }

    /// Advances the clock. Returns how long this process was absent, or how far the wall clock was stepped, when that was
    /// long enough to start all judgement afresh.
    pub fn beat(&self, now: Instant, wall: Timestamp) -> Option<Duration> {
        let mut state = self.state.lock();
        let (added, jump) = state.beat.map_or((Duration::ZERO, None), |last| advance(last, (now, wall)));
        state.running += added;
        state.beat = Some((now, wall));
        jump
    }
}

/// What a beat adds to the running time, and the jump that it shows, if any.
fn advance((last, last_wall): (Instant, Timestamp), (now, wall): (Instant, Timestamp)) -> (Duration, Option<Duration>) {
    let gap = now.saturating_duration_since(last);
    let walked = i128::from(wall.0) - i128::from(last_wall.0);
    let gap_micros = i128::try_from(gap.as_micros()).unwrap_or(i128::MAX);
    let step = Duration::from_micros(u64::try_from((walked - gap_micros).unsigned_abs()).unwrap_or(u64::MAX));
    let added = if gap <= LATE { gap } else { BEAT_EVERY };
    let jump = gap.max(step);
    (added, (jump >= PAUSE).then_some(jump))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn absence_and_steps_of_the_wall_clock_are_no_running_time() {
        let start = Instant::now();
        let wall = Timestamp(1_000_000_000_000);
        let after = |ms: u64, wall_ms: i64| (start + Duration::from_millis(ms), wall.plus_millis(wall_ms));
        for (ms, wall_ms, added_ms, jump_ms) in [
            (50, 50, 50, None),
            (250, 250, 250, None),
            // Late, as on a busy machine: judged more slowly, and no jump.
            (1_000, 1_000, 50, None),
            // Stopped for 40 s.
            (40_000, 40_000, 50, Some(40_000)),
            // The machine was paused, and its monotonic clock with it.
            (50, 3_600_050, 50, Some(3_600_000)),
            // The wall clock was set back.
            (50, -3_599_950, 50, Some(3_600_000)),
        ] {
            let (added, jump) = advance((start, wall), after(ms, wall_ms));
            let wanted = (Duration::from_millis(added_ms), jump_ms.map(Duration::from_millis));
            assert_eq!((added, jump), wanted, "{ms} {wall_ms}");
        }
    }

    #[tokio::test]
    async fn the_clock_only_moves_with_its_beats() {
        let (pulse, start) = (Pulse::new(), Instant::now());
        for beat in 0..=10 {
            assert_eq!(pulse.beat(start + BEAT_EVERY * beat, Timestamp(i64::from(beat) * 50_000)), None);
        }
        assert_eq!(pulse.now(), Running(500));
        assert_eq!(pulse.now().since(Running(100)), 400);
        assert_eq!(Running(100).since(pulse.now()), 0);
    }
}
