//! A bound on messages that repeat: so many a window from one place in the code, and how many were left out.
//!
//! Whoever can make the program log the same message again and again, with or without a key, can neither fill a disk
//! with it nor bury what others say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{Clock as _, Monotonic, SystemClock};
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

use super::Format;
use super::queue::{Lines, drop_line};

/// How long a window is, in milliseconds.
const WINDOW_MS: i64 = 10_000;
/// Events of one place that are written in a window.
const WINDOW_EVENTS: u32 = 50;

/// Leaves out what repeats too often. Debug and trace messages are for whoever asked for them, and pass.
pub(super) struct RateLimit {
    format: Format,
    lines: Arc<Lines>,
    /// One entry a place in the code that logs.
    windows: Mutex<HashMap<Identifier, Window>>,
}

impl RateLimit {
    pub(super) fn new(format: Format, lines: Arc<Lines>) -> Self {
        Self { format, lines, windows: Mutex::default() }
    }

    /// Says how many were left out, straight into the queue: an event would come back here.
    fn tell(&self, of: &Metadata<'_>, count: u64) {
        let (at, target, line) = (SystemClock.now(), of.target(), of.line().unwrap_or(0));
        let text = match self.format {
            Format::Text => {
                format!("{at}  WARN telemetry::log: repeated messages left out of={target} line={line} count={count}\n")
            }
            Format::Json => format!(
                "{{\"timestamp\":\"{at}\",\"level\":\"WARN\",\"fields\":{{\"message\":\"repeated messages left out\",\
                 \"of\":\"{target}\",\"line\":{line},\"count\":{count}}},\"target\":\"telemetry::log\"}}\n"
            ),
        };
        self.lines.push(text.into_bytes());
    }
}

impl<S: Subscriber> Filter<S> for RateLimit {
    fn enabled(&self, _metadata: &Metadata<'_>, _context: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _context: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return true;
        }
        let verdict = {
            let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
            windows.entry(metadata.callsite()).or_default().take(SystemClock.monotonic())
        };
        match verdict {
            Verdict::Write { left_out } => {
                if left_out > 0 {
                    self.tell(metadata, left_out);
                }
                true
            }
            Verdict::LeaveOut => {
                drop_line("repeated");
                false
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Write it, after so many that were left out before.
    Write {
        left_out: u64,
    },
    LeaveOut,
}

/// What one place said in the window.
#[derive(Debug, Default)]
struct Window {
    began: Monotonic,
    written: u32,
    left_out: u64,
}

impl Window {
    fn take(&mut self, now: Monotonic) -> Verdict {
        if now.millis_since(self.began) >= WINDOW_MS {
            let left_out = std::mem::take(&mut self.left_out);
            *self = Self { began: now, written: 1, left_out: 0 };
            return Verdict::Write { left_out };
        }
        if self.written >= WINDOW_EVENTS {
            self.left_out += 1;
            return Verdict::LeaveOut;
        }
        self.written += 1;
        Verdict::Write { left_out: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_left_out_and_counted() {
        let mut window = Window::default();
        let began = Monotonic(0);
        let verdicts: Vec<Verdict> = (0..1_000).map(|_| window.take(began)).collect();
        let written = verdicts.iter().filter(|verdict| **verdict == Verdict::Write { left_out: 0 }).count();
        assert_eq!(written, WINDOW_EVENTS as usize);
        assert_eq!(window.take(began.plus_millis(WINDOW_MS)), Verdict::Write { left_out: 1_000 - written as u64 });
        assert_eq!(window.take(began.plus_millis(WINDOW_MS)), Verdict::Write { left_out: 0 });
    }
}
