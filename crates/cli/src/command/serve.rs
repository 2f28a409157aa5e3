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
pub struct Args {
    /// Log to mcp.log in the data folder, which rotates; whatever else goes to standard error goes there too.
    #[arg(long)]
    pub log_to_file: bool,
}

pub async fn run(args: Args, context: Context) -> Result<(), Problem> {
    if args.log_to_file {
        serve::init_logs_to_file(&context, true)?
    } else {
        serve::init_logs(&context)?
    }
    serve::start(&context).await?.run_until_signalled().await
}
