//! How long something took: by the clock on the wall, and in processor time of the thread that did it.
//!
//! On a machine that does other work too, only the second says what the work itself costs.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// Started when made.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    wall: Instant,
    processor: Option<Duration>,
}

impl Stopwatch {
    /// Starts.
    #[must_use]
    pub fn start() -> Self {
        Self { wall: Instant::now(), processor: processor() }
    }

    /// Seconds since the start, never zero.
    #[must_use]
    pub fn wall_s(&self) -> f64 {
        self.wall.elapsed().as_secs_f64().max(1e-9)
    }

    /// Seconds of processor time that the calling thread has had since, never zero. Where the system does not tell,
    /// those on the wall. It must be asked in the thread that started it.
    #[must_use]
    pub fn processor_s(&self) -> f64 {
        let spent = processor().zip(self.processor).map(|(now, then)| now.saturating_sub(then).as_secs_f64());
        spent.map_or_else(|| self.wall_s(), |seconds| seconds.max(1e-9))
    }
}

fn processor() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}
