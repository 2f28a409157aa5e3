//! `mcp key create|list|delete`: keys that the gateway accepts.

use control::api::types::{CreateKey, KeyCreated, KeyView};
use domain::Problem;
use serde_json::json;

use super::Context;
use crate::output;
use crate::rest::segment;

const EXAMPLES: &str = "\
Examples:
  mcp key create --name app --model demo --expires-in-days 30
  mcp key list";

/// Look after the keys that the gateway accepts.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// Make a key. It is shown once, and only its hash is kept.
    Create(Create),
    /// List the keys.
    List,
    /// Revoke a key.
    Delete(Delete),
}

/// `mcp key create --name app --model demo`
#[derive(Debug, clap::Args)]
pub struct Create {
    /// What the key is for.
    #[arg(long, default_value = "default")]
    pub name: String,
    /// A model that it may call; repeat for more. Without it, all.
    #[arg(long = "model")]
    pub models: Vec<String>,
    /// Days after which it no longer works; for ever when left out.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3650))]
    pub expires_in_days: Option<u64>,
}

/// `mcp key delete KEY_ID`
#[derive(Debug, clap::Args)]
pub struct Delete {
    /// The key's id, from `mcp key list`.
    pub id: String,
}

pub async fn run(command: Command, context: &Context) -> Result<(), Problem> {
    let rest = context.rest()?;
    match command {
        Command::Create(create) => {
            let request = CreateKey {
                name: create.name,
                models: create.models,
                expires_in_seconds: create.expires_in_days.map(|days| days * 86_400),
            };
            let created: KeyCreated = rest.post("/v1/keys", &request).await?;
            context.output.show(&created, |created| format!("key: {}", created.secret))?;
            context.output.say("Keep it: it is not shown again.");
            Ok(())
        }
        Command::List => {
            let keys: Vec<KeyView> = rest.list("/v1/keys").await?;
            context.output.show(&keys, |keys| {
                let models =
                    |key: &KeyView| if key.models.is_empty() { "all".to_owned() } else { key.models.join(", ") };
                output::table(
                    ["ID", "NAME", "MODELS"],
                    keys.iter().map(|key| [key.id.clone(), key.name.clone(), models(key)]),
                )
            })
        }
        Command::Delete(delete) => {
            rest.delete(&format!("/v1/keys/{}", segment(&delete.id))).await?;
            context.output.show(&json!({ "deleted": delete.id }), |_| format!("key {} no longer works", delete.id))
        }
    }
}
