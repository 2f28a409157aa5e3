//! The command line as typed. What it means is decided by the command it names.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::command::{
    chat, completions, config, delete, deploy, down, environment, explain, key, logs, model, scale, serve, status,
    token, tool, up,
};
use crate::output::Format;

/// The Master Control Program: one control plane for AI on many clouds.
#[derive(Debug, Parser)]
#[command(name = "mcp", version, propagate_version = true, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Args {
    /// The data folder.
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How results are written.
    #[arg(long, short, global = true, value_enum, env = "MCP_OUTPUT", default_value = "table", hide_env = true)]
    pub output: Format,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  mcp up                                          start everything and serve the demo model
  mcp model register --name llama --path ./llama.gguf --version 1.0
  mcp environment create --name production --type cpu --resources cpu=1,memory=1Gi
  mcp deploy --model llama:1.0 --environment production --replicas 3
  mcp status --watch
  mcp chat demo 'Tell me a story.'";

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the control plane, the gateway and the local cloud, and serve the demo model.
    Up(up::Args),
    /// Stop all of it.
    Down(down::Args),
    /// Look after models.
    #[command(subcommand)]
    Model(model::Command),
    /// Look after environments.
    #[command(subcommand)]
    Environment(environment::Command),
    /// Deploy a model: shows where, why and at what price, then does it.
    Deploy(deploy::Args),
    /// Show deployments, their sites and replicas.
    Status(status::Args),
    /// Change how many replicas a deployment has.
    Scale(scale::Args),
    /// Show what the replicas of a deployment log.
    Logs(logs::Args),
    /// Remove a deployment after its replicas have drained.
    Delete(delete::Args),
    /// Talk to a model.
    Chat(chat::Args),
    /// Call the tools of a cloud.
    #[command(subcommand)]
    Tool(tool::Command),
    /// Look after the keys that the gateway accepts.
    #[command(subcommand)]
    Key(key::Command),
    /// Look after the tokens of this installation.
    #[command(subcommand)]
    Token(token::Command),
    /// Show or check the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Find out what is wrong with this machine or this installation.
    Doctor,
    /// Explain an error code.
    Explain(explain::Args),
    /// Print a completion script for a shell.
    #[command(visible_alias = "completion")]
    Completions(completions::Args),
    /// Replay decisions on traces, beside published policies.
    #[command(subcommand)]
    Simulate(simulator::Command),
    /// Run the servers alone, in the foreground, as a service manager wants it.
    Serve(serve::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Args::command().debug_assert();
    }

    /// The forms that the documentation promises.
    #[test]
    fn promised_forms_parse() {
        use clap::Parser as _;
        for form in [
            "mcp model register --name demo --path ./demo.gguf --version 1.0",
            "mcp model list",
            "mcp model show demo:1.0",
            "mcp model pull hf://owner/repo/file.gguf",
            "mcp environment create --name production --type cpu --resources cpu=1,memory=1Gi",
            "mcp deploy --model demo:1.0 --environment production --replicas 3 --dry-run --yes",
            "mcp deploy --model demo:1.0 --environment production --autoscale 0..5 --requests-per-second-per-replica 2",
            "mcp scale --deployment demo-production --autoscale 1..8 --generated-tokens-per-second-per-replica 200",
            "mcp status --deployment demo-production --watch",
            "mcp scale --deployment demo-production --replicas 5",
            "mcp logs --deployment demo-production",
            "mcp delete --deployment demo-production",
            "mcp chat demo",
            "mcp tool call local get_quotas --output json",
            "mcp up --detach",
            "mcp down",
            "mcp doctor",
            "mcp key create",
            "mcp key create --name app --expires 30d",
            "mcp key list",
            "mcp key expire key-0123456789ab --in 12h",
            "mcp key rotate key-0123456789ab --grace 1h",
            "mcp key revoke key-0123456789ab",
            "mcp key delete key-0123456789ab",
            "mcp token rotate",
            "mcp tool list",
            "mcp config show",
            "mcp config check",
            "mcp completion bash",
            "mcp simulate egress --from aws:us-east-1 --to gcp:us-central1 --gb 10240 --month-to-date-gb 0 --output json",
            "mcp simulate scenario FILE.txt",
            "mcp tool token local --role viewer",
        ] {
            super::Args::try_parse_from(form.split(' ')).unwrap_or_else(|e| panic!("{form}: {e}"));
        }
    }
}
