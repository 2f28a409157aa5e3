//! `mcp token rotate`: the token of the control plane's REST API, and the key that signs tokens for the clouds.

use control::api::types::AdminToken;
use domain::{Kind, Problem};
use serde_json::json;

use super::Context;
use crate::{running, serve};

const EXAMPLES: &str = "\
Examples:
  mcp token rotate                  a new admin token, in force at once
  mcp token rotate --signing-key    a new key for the clouds' tokens; every token issued before ends";

/// Look after the tokens of this installation.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// Replace the admin token by a new one. The one before no longer works.
    Rotate(Rotate),
}

/// `mcp token rotate`
#[derive(Debug, clap::Args)]
pub struct Rotate {
    /// Replace the key that signs tokens for the clouds instead. mcp must not run meanwhile.
    #[arg(long)]
    pub signing_key: bool,
}

pub async fn run(command: Command, context: &Context) -> Result<(), Problem> {
    let Command::Rotate(rotate) = command;
    if rotate.signing_key {
        return signing_key(context).await;
    }
    let file = context.data_dir.admin_token();
    if running::find(&context.data_dir)?.is_some() {
        // The running program writes the file and goes by the new one at once.
        let _: AdminToken = context.rest()?.post("/v1/admin-token/rotate", &json!({})).await?;
    } else {
        let _lock = running::RunLock::take_when_free(&context.data_dir).await?;
        serve::write_admin_token(&context.data_dir)?;
    }
    let done = json!({ "rotated": "admin token", "file": file });
    context.output.show(&done, |_| format!("the admin token is new; it is in {}", file.display()))
}

async fn signing_key(context: &Context) -> Result<(), Problem> {
    if running::find(&context.data_dir)?.is_some() {
        let cause = "the signing key is in use by the mcp that runs";
        return Err(Problem::new(Kind::Conflict, cause).next("stop it with 'mcp down', rotate, and start it again"));
    }
    let _lock = running::RunLock::take_when_free(&context.data_dir).await?;
    serve::write_signing_key(&context.data_dir)?;
    let file = context.data_dir.signing_key();
    let done = json!({ "rotated": "signing key", "file": file });
    context.output.show(&done, |_| "the signing key is new; tokens issued before no longer work".to_owned())
}
