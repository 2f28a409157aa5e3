//! `mcp key create|list|expire|rotate|revoke`: keys that the gateway accepts.

use control::api::types::{ChangeKey, Confirmation, CreateKey, KeyChanged, KeyCreated, KeyView, RotateKey};
use domain::{Clock as _, Kind, Problem, SystemClock};

use super::Context;
use crate::lifetime;
use crate::output;
use crate::rest::segment;

const EXAMPLES: &str = "\
Examples:
  mcp key create --name app --model demo --expires 30d
  mcp key create --name app-two --project app
  mcp key list
  mcp key rotate key-0123456789ab --grace 1h    a new key; the old one works for another hour
  mcp key revoke key-0123456789ab";

/// Look after the keys that the gateway accepts.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// Make a key. It is shown once, and only its hash is kept.
    Create(Create),
    /// List the keys.
    List,
    /// Give a key another end.
    Expire(Expire),
    /// Replace a key by a new one that may do the same.
    Rotate(Rotate),
    /// Revoke a key.
    #[command(alias = "delete")]
    Revoke(Revoke),
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
    /// The project that it belongs to: keys of one project share prompt prefixes that replicas have computed. Without
    /// it the key shares with no other.
    #[arg(long)]
    pub project: Option<String>,
    /// After how long it no longer works, such as 90m, 12h or 30d; never when left out.
    #[arg(long, value_name = "TIME", value_parser = lifetime::parse)]
    pub expires: Option<u64>,
    /// The same in days.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3650), conflicts_with = "expires")]
    pub expires_in_days: Option<u64>,
}

/// `mcp key expire KEY_ID --in 12h`
#[derive(Debug, clap::Args)]
pub struct Expire {
    /// The key's id, from `mcp key list`.
    pub id: String,
    /// After how long it no longer works, such as 90m, 12h or 30d.
    #[arg(long = "in", value_name = "TIME", value_parser = lifetime::parse)]
    pub within: u64,
}

/// `mcp key rotate KEY_ID --grace 1h`
#[derive(Debug, clap::Args)]
pub struct Rotate {
    /// The key's id, from `mcp key list`.
    pub id: String,
    /// For how long the old key goes on working, such as 90m or 12h; not at all when left out.
    #[arg(long, value_name = "TIME", value_parser = lifetime::parse)]
    pub grace: Option<u64>,
}

/// `mcp key revoke KEY_ID`
#[derive(Debug, clap::Args)]
pub struct Revoke {
    /// The key's id, from `mcp key list`.
    pub id: String,
}

pub async fn run(command: Command, context: &Context) -> Result<(), Problem> {
    match command {
        Command::Create(create) => make(create, context).await,
        Command::List => list(context).await,
        Command::Expire(expire) => {
            let request = ChangeKey { expires_in_seconds: expire.within };
            let changed: KeyChanged = context.rest()?.patch(&path(&expire.id), &request).await?;
            let end = changed.key.expires_at.map_or_else(String::new, |at| at.to_string());
            context.output.show(&changed, |changed| format!("key {} ends at {end}", changed.key.id))?;
            confirmed(&changed.confirmation, "the key has another end")
        }
        Command::Rotate(rotate) => {
            let request = RotateKey { grace_seconds: rotate.grace.unwrap_or(0) };
            let created: KeyCreated = context.rest()?.post(&format!("{}/rotate", path(&rotate.id)), &request).await?;
            tell(&created, context)
        }
        Command::Revoke(revoke) => {
            let revoked: KeyChanged = context.rest()?.delete_for(&path(&revoke.id)).await?;
            context.output.show(&revoked, |revoked| match revoked.confirmation.confirmed {
                true => format!("key {} no longer works", revoked.key.id),
                false => format!("key {} is revoked", revoked.key.id),
            })?;
            confirmed(&revoked.confirmation, "the key is revoked")
        }
    }
}

async fn make(create: Create, context: &Context) -> Result<(), Problem> {
    let expires_in_seconds = create.expires.or(create.expires_in_days.map(|days| days * 86_400));
    let request = CreateKey { name: create.name, models: create.models, project: create.project, expires_in_seconds };
    tell(&context.rest()?.post("/v1/keys", &request).await?, context)
}

/// The secret is told whatever the gateways say: it is shown this once.
fn tell(created: &KeyCreated, context: &Context) -> Result<(), Problem> {
    context.output.show(created, |created| format!("key: {}", created.secret))?;
    context.output.say(&format!("Keep it: it is not shown again. Its id is {}.", created.key.id));
    confirmed(&created.confirmation, "the key is made")
}

/// Done at every gateway, or a problem that says at which ones not.
fn confirmed(confirmation: &Confirmation, done: &str) -> Result<(), Problem> {
    if confirmation.confirmed {
        return Ok(());
    }
    let who = match confirmation.pending_gateways.as_slice() {
        [] => "the routing snapshot does not show it yet".to_owned(),
        pending => format!("not confirmed by gateway {}", pending.join(", ")),
    };
    Err(Problem::new(Kind::Timeout, format!("{done}, but {who}: what was before may go on there"))
        .next("see 'mcp doctor'; stop a gateway that must not go by what was before"))
}

async fn list(context: &Context) -> Result<(), Problem> {
    let keys: Vec<KeyView> = context.rest()?.list("/v1/keys").await?;
    let now = SystemClock.now();
    context.output.show(&keys, |keys| {
        let models = |key: &KeyView| if key.models.is_empty() { "all".to_owned() } else { key.models.join(", ") };
        let end = |key: &KeyView| match key.expires_at {
            None => "never".to_owned(),
            Some(at) if at <= now => format!("{at} (expired)"),
            Some(at) => at.to_string(),
        };
        let project = |key: &KeyView| key.project.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let row = |key: &KeyView| {
            let (id, name, created) = (key.id.clone(), key.name.clone(), key.created_at.to_string());
            [id, name, project(key), models(key), created, end(key)]
        };
        output::table(["ID", "NAME", "PROJECT", "MODELS", "CREATED", "EXPIRES"], keys.iter().map(row))
    })
}

fn path(id: &str) -> String {
    format!("/v1/keys/{}", segment(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_confirmed_is_a_problem_that_names_the_gateways() {
        let all = Confirmation { confirmed: true, pending_gateways: Vec::new() };
        assert_eq!(confirmed(&all, "done"), Ok(()));
        let some = Confirmation { confirmed: false, pending_gateways: vec!["gateway-1".to_owned()] };
        let problem = confirmed(&some, "the key is revoked").expect_err("not confirmed");
        assert_eq!(problem.kind, Kind::Timeout);
        assert!(problem.cause.contains("gateway-1"), "{}", problem.cause);
    }
}
