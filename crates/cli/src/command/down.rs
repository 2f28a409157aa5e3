//! `mcp down`: everything drains and stops. What was deployed comes back with the next `mcp up`.

use std::time::Duration;

use domain::Problem;
use serde_json::json;

use super::Context;
use crate::running;
use crate::serve::local_cloud;

const EXAMPLES: &str = "\
Examples:
  mcp down
  mcp down --timeout 5    kill what has not finished after five seconds";

/// `mcp down`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Seconds to wait for requests to finish before everything is killed.
    #[arg(long, default_value_t = 60)]
    pub timeout: u64,
}

pub async fn run(args: Args, context: &Context) -> Result<(), Problem> {
    let stopped = running::stop(&context.data_dir, Duration::from_secs(args.timeout)).await?;
    // A program that was killed leaves its model services behind; they belong to this folder and end with it.
    let swept = local_cloud::sweep_model_services(context).await?;
    let done = json!({ "stopped": stopped, "model_services_ended": swept });
    context.output.show(&done, |_| match (stopped, swept) {
        (false, 0) => "nothing was running".to_owned(),
        (false, count) => format!("mcp was not running; {count} model services that it had left were ended"),
        (true, _) => "stopped".to_owned(),
    })
}
