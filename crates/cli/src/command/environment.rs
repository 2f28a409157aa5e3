//! `mcp environment create|list|show|delete`: what replicas get, and where they may run.

use control::api::types::CreateEnvironment;
use domain::{ComputeType, Environment, Problem};
use serde_json::json;

use super::Context;
use crate::output;
use crate::rest::segment;

const EXAMPLES: &str = "\
Examples:
  mcp environment create --name production --type cpu --resources cpu=1,memory=1Gi
  mcp environment create --name eu --type cpu --resources cpu=1,memory=1Gi --country IE";

/// Look after environments.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// Create an environment.
    Create(Create),
    /// List environments.
    List,
    /// Show one.
    Show(Named),
    /// Remove one that no deployment uses.
    Delete(Named),
}

/// `mcp environment create --name production --type cpu --resources cpu=1,memory=1Gi --country US`
#[derive(Debug, clap::Args)]
pub struct Create {
    /// Its name.
    #[arg(long)]
    pub name: String,
    /// What replicas compute on: cpu or gpu.
    #[arg(long = "type")]
    pub compute_type: String,
    /// What each replica gets, such as cpu=1,memory=1Gi.
    #[arg(long)]
    pub resources: String,
    /// A cloud that may be used; repeat for more. Without it, any.
    #[arg(long = "cloud")]
    pub clouds: Vec<String>,
    /// A site that may be used, as cloud/site; repeat for more. Without it, any.
    #[arg(long = "site")]
    pub sites: Vec<String>,
    /// A country in which data may be processed (ISO 3166-1 alpha-2); repeat for more. Without it, any.
    #[arg(long = "country")]
    pub countries: Vec<String>,
    /// Most dollars an hour that one replica may cost.
    #[arg(long, value_name = "USD")]
    pub max_price_per_hour: Option<f64>,
    /// Let projects share prompt prefixes that replicas have computed. Without it, keys of different projects cannot tell
    /// by time or by cached tokens what the others have sent.
    #[arg(long)]
    pub shared_prefix_cache: bool,
}

/// An environment by its name.
#[derive(Debug, clap::Args)]
pub struct Named {
    /// Its name.
    pub name: String,
}

pub async fn run(command: Command, context: &Context) -> Result<(), Problem> {
    match command {
        Command::Create(create) => {
            let request = request(create)?;
            let environment: Environment = context.rest()?.post("/v1/environments", &request).await?;
            context.output.show(&environment, |e| format!("environment {} created: {}", e.name, e.resources))
        }
        Command::List => {
            let environments: Vec<Environment> = context.rest()?.list("/v1/environments").await?;
            context
                .output
                .show(&environments, |all| output::table(["NAME", "TYPE", "RESOURCES", "WHERE"], all.iter().map(row)))
        }
        Command::Show(named) => {
            let environment: Environment = context.rest()?.get(&path(&named.name)).await?;
            context.output.show(&environment, |e| output::table(["NAME", "TYPE", "RESOURCES", "WHERE"], [row(e)]))
        }
        Command::Delete(named) => {
            context.rest()?.delete(&path(&named.name)).await?;
            context.output.show(&json!({ "deleted": named.name }), |_| format!("environment {} removed", named.name))
        }
    }
}

fn path(name: &str) -> String {
    format!("/v1/environments/{}", segment(name))
}

fn request(create: Create) -> Result<CreateEnvironment, Problem> {
    let compute_type = match create.compute_type.as_str() {
        "cpu" => ComputeType::Cpu,
        "gpu" => ComputeType::Gpu,
        other => {
            return Err(Problem::invalid(format!("{other:?} is no type of environment"))
                .next("use cpu or gpu")
                .at("type"));
        }
    };
    Ok(CreateEnvironment {
        name: create.name,
        compute_type,
        resources: create.resources,
        clouds: create.clouds,
        sites: create.sites,
        countries: create.countries,
        max_price_per_hour_usd: create.max_price_per_hour,
        shared_prefix_cache: create.shared_prefix_cache,
        labels: std::collections::BTreeMap::new(),
    })
}

fn row(environment: &Environment) -> [String; 4] {
    let kind = match environment.compute_type {
        ComputeType::Cpu => "cpu",
        ComputeType::Gpu => "gpu",
    };
    let clouds = environment.clouds.iter().map(ToString::to_string);
    let places =
        clouds.chain(environment.sites.iter().map(ToString::to_string)).chain(environment.countries.iter().cloned());
    let places: Vec<String> = places.collect();
    let places = if places.is_empty() { "anywhere".to_owned() } else { places.join(", ") };
    [environment.name.to_string(), kind.to_owned(), environment.resources.to_string(), places]
}
