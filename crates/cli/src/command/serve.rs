//! `mcp serve`: the servers alone, in the foreground, until SIGTERM or Ctrl-C.

use domain::Problem;

use super::Context;
use crate::serve;

const EXAMPLES: &str = "\
Examples:
  mcp serve --data-dir /var/lib/mcp";

/// `mcp serve --data-dir /var/lib/mcp`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

pub async fn run(_args: Args, context: Context) -> Result<(), Problem> {
    serve::init_logs(&context)?;
    serve::start(&context).await?.run_until_signalled().await
}
