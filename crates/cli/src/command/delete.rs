//! `mcp delete --deployment NAME`: its replicas drain, then it goes.

use control::api::types::DeploymentView;
use domain::Problem;
use serde_json::json;

use super::Context;
use crate::output;
use crate::rest::segment;

const EXAMPLES: &str = "\
Examples:
  mcp delete --deployment demo-production
  mcp delete --deployment demo-production --yes";

/// `mcp delete --deployment demo-production --yes`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The deployment.
    #[arg(long, short)]
    pub deployment: String,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<(), Problem> {
    let rest = context.rest()?;
    let path = format!("/v1/deployments/{}", segment(&args.deployment));
    let view: DeploymentView = rest.get(&path).await?;
    let replicas: usize = view.sites.iter().map(|site| site.replicas.len()).sum();
    if !output::confirm(&format!("Remove {} and its {replicas} replicas?", view.name), args.yes)? {
        context.output.say("Nothing was changed.");
        return Ok(());
    }
    rest.delete(&path).await?;
    let done = json!({ "deployment": view.name, "deleting": true });
    context.output.show(&done, |_| format!("{}: {replicas} replicas drain and go", view.name))
}
