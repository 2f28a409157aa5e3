//! `mcp model register|list|show|pull|delete`: the registry.

use std::path::PathBuf;
use std::time::Duration;

use control::api::types::RegisterModel;
use domain::text::{LABEL_MAX_CHARS, printable};
use domain::{Digest, Model, ModelRef, Problem};
use serde_json::json;

use super::Context;
use crate::output;
use crate::pull::{Pull, Pulled, Source};
use crate::rest::segment;

const EXAMPLES: &str = "\
Examples:
  mcp model register --name llama --path ./llama.gguf --version 1.0
  mcp model pull hf://owner/repo/file.gguf --name llama --version 1.0
  mcp model show demo:1.0";

/// Look after models.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// Register a GGUF file under a name and a version.
    Register(Register),
    /// List registered models.
    List,
    /// Show one.
    Show(Referenced),
    /// Fetch a model file from a path, an https URL or hf://owner/repo/file.gguf.
    Pull(PullArgs),
    /// Remove one that no deployment uses. Its file stays.
    Delete(Referenced),
}

/// `mcp model register --name demo --path ./demo.gguf --version 1.0`
#[derive(Debug, clap::Args)]
#[command(disable_version_flag = true)]
pub struct Register {
    /// The model's name.
    #[arg(long)]
    pub name: String,
    /// The GGUF file.
    #[arg(long)]
    pub path: PathBuf,
    /// The version.
    #[arg(long)]
    pub version: String,
    /// A label; repeat for more.
    #[arg(long = "tag")]
    pub tags: Vec<String>,
    /// Something to remember about it, as key=value; repeat for more.
    #[arg(long = "metadata", value_name = "KEY=VALUE")]
    pub metadata: Vec<String>,
}

/// A model by name and version.
#[derive(Debug, clap::Args)]
pub struct Referenced {
    /// Name and version, such as demo:1.0.
    pub model: String,
}

/// `mcp model pull hf://owner/repo/file.gguf --name llama --version 1.0`
#[derive(Debug, clap::Args)]
#[command(disable_version_flag = true)]
pub struct PullArgs {
    /// A path, an https URL, or hf://owner/repo/file.gguf.
    pub source: String,
    /// The SHA-256 digest that the file must have.
    #[arg(long, value_name = "DIGEST")]
    pub sha256: Option<String>,
    /// Register it under this name as well.
    #[arg(long, requires = "version")]
    pub name: Option<String>,
    /// The version to register it under.
    #[arg(long, requires = "name")]
    pub version: Option<String>,
}

pub async fn run(command: Command, context: &Context) -> Result<(), Problem> {
    match command {
        Command::Register(register) => {
            let metadata = register.metadata.iter().map(|text| pair(text)).collect::<Result<_, _>>()?;
            let request = RegisterModel {
                name: register.name,
                version: register.version,
                path: absolute(&register.path)?,
                digest: None,
                metadata,
                tags: register.tags,
            };
            let model: Model = context.rest()?.post_slowly("/v1/models", &request).await?;
            context.output.show(&model, |model| format!("model {} registered\n{}", model.reference, details(model)))
        }
        Command::List => {
            let models: Vec<Model> = context.rest()?.list("/v1/models").await?;
            context.output.show(&models, |models| {
                output::table(["MODEL", "ARCHITECTURE", "SIZE", "CONTEXT", "DIGEST"], models.iter().map(row))
            })
        }
        Command::Show(named) => {
            let model: Model = context.rest()?.get(&path(&named.model)).await?;
            context.output.show(&model, details)
        }
        Command::Pull(args) => pull(args, context).await,
        Command::Delete(named) => {
            context.rest()?.delete(&path(&named.model)).await?;
            context
                .output
                .show(&json!({ "deleted": named.model }), |_| format!("model {} removed; its file stays", named.model))
        }
    }
}

async fn pull(args: PullArgs, context: &Context) -> Result<(), Problem> {
    let source = Source::parse(&args.source, &context.config.pull.hub_url)?;
    let expected: Option<Digest> = args.sha256.as_deref().map(str::parse).transpose()?;
    if let (Some(name), Some(version)) = (&args.name, &args.version) {
        // What will be refused is refused before gigabytes were fetched.
        format!("{name}:{version}").parse::<ModelRef>()?;
        context.rest()?;
    }
    let folder = context.data_dir.models();
    let idle_timeout = Duration::from_secs(context.config.pull.idle_timeout_seconds);
    let pulled = Pull { source: &source, folder: &folder, expected: expected.as_ref(), idle_timeout }.run().await?;
    let (Some(name), Some(version)) = (args.name, args.version) else {
        return context.output.show(&pulled, describe);
    };
    let request = RegisterModel {
        name,
        version,
        path: pulled.path.clone(),
        digest: Some(pulled.digest.to_string()),
        metadata: [("source".to_owned(), without_query(&args.source))].into(),
        tags: Vec::new(),
    };
    context.output.say(&describe(&pulled));
    let model: Model = context.rest()?.post_slowly("/v1/models", &request).await?;
    context.output.show(&model, |model| format!("model {} registered\n{}", model.reference, details(model)))
}

/// The query of a URL can hold a token, and what is remembered of a model is shown to everybody.
fn without_query(source: &str) -> String {
    match source.split_once('?') {
        Some((address, _)) if source.contains("://") => address.to_owned(),
        _ => source.to_owned(),
    }
}

fn describe(pulled: &Pulled) -> String {
    let checked = if pulled.verified { "verified" } else { "computed here; nothing to compare it with" };
    format!("{}\n{} ({checked}), {}", pulled.path.display(), pulled.digest, indicatif::HumanBytes(pulled.size_bytes))
}

fn pair(text: &str) -> Result<(String, String), Problem> {
    let (key, value) = text.split_once('=').ok_or_else(|| {
        Problem::invalid(format!("{text:?} is not key=value"))
            .next("write it like --metadata team=search")
            .at("metadata")
    })?;
    Ok((key.to_owned(), value.to_owned()))
}

/// The control plane may run in another folder.
fn absolute(path: &std::path::Path) -> Result<PathBuf, Problem> {
    std::path::absolute(path).map_err(|e| Problem::invalid(format!("{}: {e}", path.display())).at("path"))
}

fn path(reference: &str) -> String {
    format!("/v1/models/{}", segment(reference))
}

fn row(model: &Model) -> [String; 5] {
    let size = indicatif::HumanBytes(model.size_bytes).to_string();
    let digest = model.digest.hex().chars().take(12).collect();
    [model.reference.to_string(), model.architecture.clone(), size, model.context_tokens.to_string(), digest]
}

fn details(model: &Model) -> String {
    let mut rows = vec![
        ["model".to_owned(), model.reference.to_string()],
        ["path".to_owned(), model.path.display().to_string()],
        ["digest".to_owned(), model.digest.to_string()],
        ["size".to_owned(), indicatif::HumanBytes(model.size_bytes).to_string()],
        ["architecture".to_owned(), model.architecture.clone()],
        ["context".to_owned(), format!("{} tokens", model.context_tokens)],
    ];
    rows.extend(model.parameters.map(|count| ["parameters".to_owned(), count.to_string()]));
    rows.push(["tags".to_owned(), model.tags.join(", ")]);
    rows.extend(model.metadata.iter().map(|(key, value)| [key.clone(), value.clone()]));
    let shown = |text: &str| printable(text, LABEL_MAX_CHARS).into_owned();
    let rows = rows.into_iter().map(|[key, value]| format!("{:<14} {}", shown(&key), printable(&value, 2_000)));
    rows.collect::<Vec<_>>().join("\n")
}
