//! `mcp up`: everything on this machine, with a model that answers.
//!
//! In the foreground it serves until Ctrl-C and shows the live tree; with `--detach` it leaves a server behind and returns
//! when that serves. Run again, it finds its state again.

use std::time::Duration;

use domain::{Kind, Problem};

use super::Context;
use super::status::{WATCH_INTERVAL, fetch};
use crate::demo::{self, Ready};
use crate::output::{self, Format};
use crate::rest::Rest;
use crate::{detach, running, serve, tree};

const EXAMPLES: &str = "\
Examples:
  mcp up                  serve until Ctrl-C, with the live tree
  mcp up --detach         return when it serves; stop it with mcp down
  mcp up --no-demo        start what was deployed before, without the demo model";

/// `mcp up --detach`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Leave it running in the background and return when it serves.
    #[arg(long, short)]
    pub detach: bool,
    /// Start what was deployed before, and do not set up the demo model.
    #[arg(long)]
    pub no_demo: bool,
    /// Seconds to wait until it serves.
    #[arg(long, default_value_t = 120)]
    pub timeout: u64,
}

pub async fn run(args: Args, context: Context) -> Result<(), Problem> {
    let wait = Duration::from_secs(args.timeout);
    if running::find(&context.data_dir)?.is_some() {
        context.output.say("mcp runs already over this data folder.");
        let ready = demo::bring_up(&context, !args.no_demo, wait).await?;
        return report(&context, &ready).await;
    }
    if args.detach {
        detach::spawn(&context, wait).await?;
        let ready = demo::bring_up(&context, !args.no_demo, wait).await?;
        return report(&context, &ready).await;
    }
    in_the_foreground(&args, &context, wait).await
}

async fn in_the_foreground(args: &Args, context: &Context, wait: Duration) -> Result<(), Problem> {
    if shows_tree(context) {
        serve::init_logs_to_file(context, false)?
    } else {
        serve::init_logs(context)?
    }
    let servers = serve::start(context).await?;
    let watch = async {
        let ready = demo::bring_up(context, !args.no_demo, wait).await?;
        match report(context, &ready).await {
            // A deployment that does not come up must not end those that answer; the tree shows which it is.
            Err(problem) if problem.kind == Kind::Timeout => output::fail(context.output.format, &problem),
            other => other?,
        }
        follow(context).await
    };
    tokio::select! {
        result = watch => {
            servers.stop().await?;
            result
        }
        result = serve::signalled() => {
            result?;
            context.output.say("\nDraining: requests finish, then everything stops.");
            servers.stop().await
        }
    }
}

/// What a person or a script needs next.
async fn report(context: &Context, ready: &Ready) -> Result<(), Problem> {
    tell(context, ready).await?;
    // The key is told first: what is ready can be used meanwhile.
    if ready.complete { Ok(()) } else { Err(demo::not_in_time()) }
}

async fn tell(context: &Context, ready: &Ready) -> Result<(), Problem> {
    let views = fetch(&context.rest()?, None).await?;
    if context.output.format == Format::Json {
        return context.output.show(&serde_json::json!({ "ready": ready, "deployments": views }), |_| String::new());
    }
    output::line(&tree::render(&views))?;
    output::line("")?;
    output::line(&format!("gateway: {}", ready.gateway))?;
    output::line(&format!("control: {}", ready.control))?;
    output::line(&match &ready.key {
        Some(key) => format!("key: {key}"),
        None => format!(
            "key: shown when it was made, and kept in {}; 'mcp key create' makes another one",
            context.data_dir.user_key().display()
        ),
    })?;
    if let Some(model) = &ready.model {
        output::line("")?;
        output::line(&format!(
            "try:\n  curl {}/v1/chat/completions -H \"Authorization: Bearer {}\" \\\n    -H 'Content-Type: application/json' \\\n    \
             -d '{{\"model\": \"{model}\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello! Who are you?\"}}]}}'",
            ready.gateway,
            ready.key.as_deref().unwrap_or("$MCP_API_KEY"),
        ))?;
    }
    Ok(())
}

/// The screen belongs to the tree when a person watches it.
fn shows_tree(context: &Context) -> bool {
    output::is_watched() && context.output.format == Format::Table
}

/// Draws the tree until something ends it; without a terminal, only waits.
async fn follow(context: &Context) -> Result<(), Problem> {
    if !shows_tree(context) {
        return std::future::pending().await;
    }
    context.output.say("\nCtrl-C drains and stops everything.");
    let rest: Rest = context.rest()?;
    let mut screen = tree::Screen::default();
    let mut tick = tokio::time::interval(WATCH_INTERVAL);
    loop {
        tick.tick().await;
        // A control plane that is busy for a moment must not end what it runs.
        if let Ok(views) = fetch(&rest, None).await {
            screen.draw(&tree::render(&views))?;
        }
    }
}
