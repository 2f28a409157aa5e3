//! Logs: lower-case constant messages with fields, to standard error.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

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

/// Starts logging to standard error. `filter` has the form of `tracing-subscriber`'s `EnvFilter`: `info,gateway=debug`.
/// Fails when the filter does not parse; does nothing when logging has started already.
pub fn init(filter: &str, format: Format, ansi: bool) -> Result<(), String> {
    init_to(filter, format, ansi, std::io::stderr)
}

/// The same, to the writers that `writer` makes, one an event.
pub fn init_to<W, F>(filter: &str, format: Format, ansi: bool, writer: F) -> Result<(), String>
where
    W: std::io::Write + 'static,
    F: Fn() -> W + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).map_err(|e| format!("log filter {filter:?}: {e}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(ansi);
    // A second start fails, and the first one stays in force, which is what tests want.
    let _ = match format {
        Format::Text => builder.try_init(),
        Format::Json => builder.json().try_init(),
    };
    Ok(())
}
