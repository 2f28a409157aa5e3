//! `mcp logs --deployment NAME`: what its replicas log.

use control::api::types::{ListOf, ReplicaLogs};
use domain::Problem;
use domain::text::printable;

use super::Context;
use crate::rest::segment;

const EXAMPLES: &str = "\
Examples:
  mcp logs --deployment demo-local --tail 50
  mcp logs --deployment demo-local --replica i-0123456789abcdef";

/// Longest line that is shown, in characters.
const LINE_MAX_CHARS: usize = 4_000;

/// `mcp logs --deployment demo-local --tail 50`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The deployment.
    #[arg(long, short)]
    pub deployment: String,
    /// Only this replica.
    #[arg(long)]
    pub replica: Option<String>,
    /// Lines of each replica.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub tail: u32,
}

pub async fn run(args: Args, context: &Context) -> Result<(), Problem> {
    let only = args.replica.map_or_else(String::new, |replica| format!("&replica={}", segment(&replica)));
    let path = format!("/v1/deployments/{}/logs?tail={}{only}", segment(&args.deployment), args.tail);
    let logs: ListOf<ReplicaLogs> = context.rest()?.get(&path).await?;
    context.output.show(&logs, |logs| logs.items.iter().map(block).collect::<Vec<_>>().join("\n"))
}

/// One replica's lines; one that does not answer must not hide the others.
fn block(log: &ReplicaLogs) -> String {
    let note = log.problem.iter().map(|problem| format!("{} | (no log: {})", log.replica, problem.cause));
    let lines = log.lines.iter().map(|line| format!("{} | {}", log.replica, printable(line, LINE_MAX_CHARS)));
    lines.chain(note).collect::<Vec<_>>().join("\n")
}
