//! `mcp deploy`: first where, why and what it costs an hour, and why other places lost; then the deed.

use control::api::types::{CreateDeployment, DeploymentView, Plan};
use domain::{Market, Problem};

use super::{Context, autoscaling};
use crate::{output, tree};

const EXAMPLES: &str = "\
Examples:
  mcp deploy --model demo:1.0 --environment production --replicas 3 --dry-run
  mcp deploy --model demo:1.0 --environment production --replicas 3 --yes
  mcp deploy --model demo:1.0 --environment production --name cheap --spot
  mcp deploy --model demo:1.0 --environment production --autoscale 0..5 --requests-per-second-per-replica 2";

/// `mcp deploy --model demo:1.0 --environment production --replicas 3 --dry-run`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Model and version, such as demo:1.0.
    #[arg(long, short)]
    pub model: String,
    /// The environment.
    #[arg(long, short)]
    pub environment: String,
    /// How many replicas; 1 unless given.
    #[arg(long, short, allow_negative_numbers = true)]
    pub replicas: Option<i64>,
    /// The deployment's name; MODEL-ENVIRONMENT unless given.
    #[arg(long)]
    pub name: Option<String>,
    /// Buy spot instances: cheaper, and they can be taken back.
    #[arg(long)]
    pub spot: bool,
    /// Show the plan and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub autoscaling: autoscaling::Args,
}

pub async fn run(args: Args, context: &Context) -> Result<(), Problem> {
    let rest = context.rest()?;
    let autoscaling = args.autoscaling.request()?;
    let request = CreateDeployment {
        name: args.name,
        model: args.model,
        environment: args.environment,
        replicas: if autoscaling.is_none() { Some(args.replicas.unwrap_or(1)) } else { args.replicas },
        autoscaling,
        market: if args.spot { Market::Spot } else { Market::OnDemand },
    };
    let plan: Plan = rest.post("/v1/plans", &request).await?;
    if args.dry_run {
        return context.output.show(&plan, tree::plan);
    }
    context.output.say(&tree::plan(&plan));
    if !output::confirm("Deploy this?", args.yes)? {
        context.output.say("Nothing was changed.");
        return Ok(());
    }
    let view: DeploymentView = rest.post("/v1/deployments", &request).await?;
    context.output.show(&view, |view| tree::render(std::slice::from_ref(view)))?;
    context.output.say(&format!("Follow it with 'mcp status --deployment {} --watch'.", view.name));
    Ok(())
}
