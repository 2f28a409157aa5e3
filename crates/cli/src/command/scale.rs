//! `mcp scale --deployment NAME --replicas N`, or how the replicas are to follow the load.

use control::api::types::{DeploymentView, ScaleDeployment};
use domain::Problem;

use super::{Context, autoscaling};
use crate::rest::segment;
use crate::tree;

const EXAMPLES: &str = "\
Examples:
  mcp scale --deployment demo-production --replicas 5
  mcp scale --deployment demo-production --autoscale 1..8 --requests-per-second-per-replica 2";

/// `mcp scale --deployment demo-production --replicas 5`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The deployment.
    #[arg(long, short)]
    pub deployment: String,
    /// How many replicas it is to have; they no longer follow the load.
    #[arg(long, short, allow_negative_numbers = true, required_unless_present = "autoscale")]
    pub replicas: Option<i64>,
    #[command(flatten)]
    pub autoscaling: autoscaling::Args,
}

pub async fn run(args: Args, context: &Context) -> Result<(), Problem> {
    let path = format!("/v1/deployments/{}", segment(&args.deployment));
    let request = ScaleDeployment { replicas: args.replicas, autoscaling: args.autoscaling.request()? };
    let view: DeploymentView = context.rest()?.patch(&path, &request).await?;
    context.output.show(&view, |view| tree::render(std::slice::from_ref(view)))?;
    context.output.say(&format!("Follow it with 'mcp status --deployment {} --watch'.", args.deployment));
    Ok(())
}
