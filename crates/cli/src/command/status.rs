//! `mcp status`: deployments, their sites and replicas, with health, tokens per second and price.

use std::time::Duration;

use control::api::types::DeploymentView;
use domain::Problem;

use super::Context;
use crate::rest::{Rest, segment};
use crate::tree;

const EXAMPLES: &str = "\
Examples:
  mcp status
  mcp status --deployment demo-production --watch
  mcp status --output json";

/// `mcp status --deployment demo-production --watch`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only this deployment.
    #[arg(long, short)]
    pub deployment: Option<String>,
    /// Keep showing it until Ctrl-C.
    #[arg(long, short)]
    pub watch: bool,
}

/// How often a watched tree is drawn anew.
pub const WATCH_INTERVAL: Duration = Duration::from_secs(1);

pub async fn run(args: Args, context: &Context) -> Result<(), Problem> {
    let rest = context.rest()?;
    let deployment = args.deployment.as_deref();
    if !args.watch {
        let views = fetch(&rest, deployment).await?;
        return context.output.show(&views, |views| tree::render(views));
    }
    let mut screen = tree::Screen::default();
    loop {
        let views = fetch(&rest, deployment).await?;
        match context.output.format {
            crate::output::Format::Table => screen.draw(&tree::render(&views))?,
            crate::output::Format::Json => context.output.show(&views, |_| String::new())?,
        }
        tokio::select! {
            () = tokio::time::sleep(WATCH_INTERVAL) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

/// One deployment, or all.
pub async fn fetch(rest: &Rest, deployment: Option<&str>) -> Result<Vec<DeploymentView>, Problem> {
    match deployment {
        Some(name) => Ok(vec![rest.get(&format!("/v1/deployments/{}", segment(name))).await?]),
        None => rest.list("/v1/deployments").await,
    }
}
