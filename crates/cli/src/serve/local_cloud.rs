//! The cloud on this machine: how it is opened, reached, and swept when its program was killed.

use std::path::PathBuf;
use std::sync::Arc;

use access::token::Signer;
use cloud::client::{ClientConfig, CloudClient, SignedTokens};
use cloud::local::LocalCloud;
use domain::{Clock, Kind, Problem, SystemClock};
use serde::Serialize;

use super::{STOP_WITHIN, open_store, signer};
use crate::command::Context;
use crate::config::ListenConfig;
use crate::paths::DataDir;
use crate::running::{self, RunLock};

/// Its name.
pub const LOCAL: &str = "local";
/// How long a token for a cloud lives.
const TOKEN_SECONDS: u32 = 600;

/// A token for an MCP client of the user's own.
#[derive(Debug, Serialize)]
pub struct IssuedToken {
    /// The endpoint that accepts it.
    pub url: String,
    /// The token: a secret.
    pub token: String,
}

/// Issues a token for a cloud's MCP server.
pub fn issue_token(context: &Context, cloud: &str, role: &str, ttl_seconds: u32) -> Result<IssuedToken, Problem> {
    let url = endpoint(context, cloud)?;
    let token = signer(&context.data_dir)?.issue("user", &url, &[role], ttl_seconds, SystemClock.now())?;
    Ok(IssuedToken { url, token })
}

/// A client of a cloud's MCP server, as an operator of this installation.
pub fn connect(context: &Context, cloud: &str) -> Result<CloudClient, Problem> {
    client(cloud, &endpoint(context, cloud)?, &signer(&context.data_dir)?, Arc::new(SystemClock))
}

/// Where the cloud's MCP server of the running program is.
fn endpoint(context: &Context, cloud: &str) -> Result<String, Problem> {
    if cloud != LOCAL {
        return Err(
            Problem::not_found(format!("there is no cloud {cloud:?}")).next("this installation has one cloud: local")
        );
    }
    let running = running::find(&context.data_dir)?.ok_or_else(|| {
        Problem::new(Kind::Unavailable, "no mcp runs over this data folder").next("start it with 'mcp up'")
    })?;
    Ok(url(running.listen))
}

/// Ends the model services that a killed program left behind. Gives their number.
pub async fn sweep_model_services(context: &Context) -> Result<usize, Problem> {
    if !database(&context.data_dir).exists() || running::find(&context.data_dir)?.is_some() {
        return Ok(0);
    }
    let _lock = RunLock::take_when_free(&context.data_dir).await?;
    let local = open(context, Arc::new(SystemClock)).await?;
    let stopped = local.stop_all(STOP_WITHIN).await;
    Ok(stopped.ended + stopped.killed)
}

/// The version that the model service tells of itself.
pub async fn model_service_version(context: &Context) -> Result<String, Problem> {
    let command = model_service_command(&context.config.local.command);
    let Some((program, arguments)) = command.split_first() else {
        return Err(Problem::invalid("no program serves models").at("local.command"));
    };
    let missing = |cause: String| {
        Problem::new(Kind::Unavailable, format!("{program}: {cause}"))
            .next("build it with 'make up', or set MCP_MODEL_SERVICE to its path")
    };
    let output = tokio::process::Command::new(program).args(arguments).arg("--version").output();
    let output = output.await.map_err(|e| missing(e.to_string()))?;
    if !output.status.success() {
        return Err(missing(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(format!("{} ({program})", String::from_utf8_lossy(&output.stdout).trim()))
}

fn database(data_dir: &DataDir) -> PathBuf {
    data_dir.local_cloud().join("cloud.db")
}

/// Opens the cloud on this machine.
pub async fn open(context: &Context, clock: Arc<dyn Clock>) -> Result<Arc<LocalCloud>, Problem> {
    let mut config = context.config.local.clone();
    if config.root.is_relative() {
        config.root = context.data_dir.root().join(config.root);
    }
    config.command = model_service_command(&config.command);
    let store = open_store(database(&context.data_dir)).await?;
    LocalCloud::open(config, store, clock).await
}

/// The model service lies beside this program, unless another one is named.
fn model_service_command(command: &[String]) -> Vec<String> {
    let mut command = command.to_vec();
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("model-service")));
    if let (Some(program), Some(beside)) = (command.first_mut().filter(|program| *program == "model-service"), beside)
        && beside.exists()
    {
        *program = beside.to_string_lossy().into_owned();
    }
    command
}

/// The endpoint of its MCP server, which is also the audience of tokens for it.
pub fn url(listen: ListenConfig) -> String {
    format!("http://{}/local/mcp", listen.local_cloud)
}

/// A client of an MCP server.
pub fn client(name: &str, url: &str, signer: &Arc<Signer>, clock: Arc<dyn Clock>) -> Result<CloudClient, Problem> {
    let tokens = Arc::new(SignedTokens::new(Arc::clone(signer), "control", &["operator"], TOKEN_SECONDS));
    CloudClient::new(name, url, tokens, clock, ClientConfig::default()).map_err(Problem::from)
}
