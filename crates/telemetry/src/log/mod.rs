//! Logs: lower-case constant messages with fields, to standard error or to a file.
//!
//! Logging never stops or ends the program: a line that cannot be written is dropped and counted, a writer that blocks
//! holds nobody up, a message that repeats too often is left out for a while, and a line shows what came from outside
//! without control characters.

mod limit;
mod queue;
mod rotate;

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use self::limit::RateLimit;
pub use self::queue::dropped;
use self::queue::{LineWriter, Lines};
pub use self::rotate::RotatingFile;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Longest wait for the lines that are still to be written when the program ends.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// The queue of the logger that is in force.
static LINES: OnceLock<Arc<Lines>> = OnceLock::new();

/// Starts logging to standard error. `filter` has the form of `tracing-subscriber`'s `EnvFilter`: `info,gateway=debug`.
/// Fails when the filter does not parse; does nothing when logging has started already.
pub fn init(filter: &str, format: Format, ansi: bool) -> Result<(), String> {
    init_to(filter, format, ansi, io::stderr)
}

/// The same, to the writers that `writer` makes, one an event, on a thread of their own.
pub fn init_to<W, F>(filter: &str, format: Format, ansi: bool, writer: F) -> Result<(), String>
where
    W: io::Write + 'static,
    F: Fn() -> W + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).map_err(|e| format!("log filter {filter:?}: {e}"))?;
    let lines = Arc::new(Lines::start(writer).map_err(|e| format!("the thread for logs does not start: {e}"))?);
    let limit = RateLimit::new(format, Arc::clone(&lines));
    let to = LineWriter::new(format, ansi, Arc::clone(&lines));
    // Without its own complaints: they go to standard error by a macro that panics when that is closed.
    let layer = fmt::layer().with_writer(move || to.clone()).with_ansi(ansi).log_internal_errors(false);
    let layer = match format {
        Format::Text => layer.boxed(),
        Format::Json => layer.json().boxed(),
    };
    // A second start fails, and the first one stays in force, which is what tests want.
    if tracing_subscriber::registry().with(filter).with(layer.with_filter(limit)).try_init().is_ok() {
        let _ = LINES.set(lines);
        log_panics();
    }
    Ok(())
}

/// Waits a moment until what was logged is written: before the program ends.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush(FLUSH_WITHIN);
    }
}

/// Panics become log lines: the standard hook writes to standard error, which may be closed or grow without bound.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        let cause = panic.payload_as_str().unwrap_or("not told");
        let cause = domain::text::printable(cause, domain::text::PROBLEM_MAX_CHARS);
        tracing::error!(thread = thread.name().unwrap_or("unnamed"), %place, %cause, "panicked");
    }));
}
