//! Bringing it up: waiting until it serves, the user's key, and, the first time, the demo model on every site.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use control::api::types::{
    CloudStatus, CreateDeployment, CreateEnvironment, CreateKey, DeploymentPhase, DeploymentView, KeyCreated,
    RegisterModel,
};
use domain::{ComputeType, Kind, Market, Model, Problem, ReplicaPhase};
use serde::{Deserialize, Serialize};

use crate::command::Context;
use crate::command::status::fetch;
use crate::phases::Phases;
use crate::rest::Rest;
use crate::{running, secret_file};

/// The demo model, so that the program alone is enough.
pub const DEMO_GGUF: &[u8] = include_bytes!("../../../models/demo.gguf");
const DEMO_NAME: &str = "demo";
const DEMO_VERSION: &str = "1.0";
const DEMO_ENVIRONMENT: &str = "local";
const DEMO_RESOURCES: &str = "cpu=1,memory=512Mi";

/// What is ready to be used.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// Base URL of the gateway.
    pub gateway: String,
    /// Base URL of the control plane's REST API.
    pub control: String,
    /// The user's key, when it was made now; it is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A model that answers, if one does.
    pub model: Option<String>,
    /// Whether everything that is deployed was ready in time. What is ready serves either way.
    pub complete: bool,
}

/// Said after what can be used was told.
pub fn not_in_time() -> Problem {
    Problem::new(Kind::Timeout, "not everything was ready in time; what is ready serves on")
        .next("see 'mcp status' and 'mcp doctor'")
}

/// Beyond the wait for replicas, which alone may be slow: the rest answers at once or not at all.
const SLACK: Duration = Duration::from_secs(10);

/// Waits until all that is deployed is ready; the first time, deploys the demo model before.
pub async fn bring_up(context: &Context, with_demo: bool, wait: Duration) -> Result<Ready, Problem> {
    let mut phases =
        Phases::new(&[("starting the servers", 2.0), ("registering the demo model", 1.0), ("starting replicas", 4.0)]);
    let result = tokio::time::timeout(wait + SLACK, steps(context, with_demo, wait, &mut phases)).await;
    phases.finish();
    result.map_err(|_| not_in_time())?
}

async fn steps(context: &Context, with_demo: bool, wait: Duration, phases: &mut Phases) -> Result<Ready, Problem> {
    phases.next();
    let running = until_serving(context).await?;
    let rest = context.rest()?;
    let (key, is_new) = user_key(context, &rest).await?;
    phases.next();
    let marker = context.data_dir.root().join("demo.deployed");
    if with_demo && !marker.exists() {
        deploy_demo(context, &rest).await?;
        // Only now: an end before this line begins the demo again, and finds what it had made.
        secret_file::write(&marker, DEMO_VERSION)?;
    }
    phases.next();
    let complete = match tokio::time::timeout(wait, until_ready(&rest, (running.listen.gateway, &key), phases)).await {
        Ok(ready) => ready.map(|()| true)?,
        Err(_) => false,
    };
    let model = fetch(&rest, None)
        .await?
        .into_iter()
        .find(|view| view.replicas_ready > 0)
        .map(|view| view.model.name.to_string());
    let url = |address| format!("http://{address}");
    Ok(Ready {
        gateway: url(running.listen.gateway),
        control: url(running.listen.control),
        key: is_new.then_some(key),
        model,
        complete,
    })
}

async fn until_serving(context: &Context) -> Result<running::Running, Problem> {
    loop {
        match running::find(&context.data_dir)? {
            Some(running) if running.serving => return Ok(running),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// The key of this machine's user, which `mcp chat` shows: made once, kept in a file that only the user can read, and
/// told when it is made.
async fn user_key(context: &Context, rest: &Rest) -> Result<(String, bool), Problem> {
    if let Some(key) = secret_file::read(&context.data_dir.user_key())? {
        return Ok((key, false));
    }
    let request = CreateKey { name: "user".to_owned(), models: Vec::new(), project: None, expires_in_seconds: None };
    let created: KeyCreated = rest.post("/v1/keys", &request).await?;
    secret_file::write(&context.data_dir.user_key(), &created.secret)?;
    Ok((created.secret, true))
}

/// Registers the demo model and wants one replica a site. What exists already is left as it is.
async fn deploy_demo(context: &Context, rest: &Rest) -> Result<(), Problem> {
    let register = RegisterModel {
        name: DEMO_NAME.to_owned(),
        version: DEMO_VERSION.to_owned(),
        path: write_demo(context)?,
        digest: None,
        metadata: [("source".to_owned(), "comes with mcp".to_owned())].into(),
        tags: vec!["demo".to_owned()],
    };
    existing_is_fine(rest.post::<Model>("/v1/models", &register).await)?;
    let environment = CreateEnvironment {
        name: DEMO_ENVIRONMENT.to_owned(),
        compute_type: ComputeType::Cpu,
        resources: DEMO_RESOURCES.to_owned(),
        clouds: Vec::new(),
        sites: Vec::new(),
        countries: Vec::new(),
        max_price_per_hour_usd: None,
        shared_prefix_cache: false,
        labels: std::collections::BTreeMap::new(),
    };
    existing_is_fine(rest.post::<domain::Environment>("/v1/environments", &environment).await)?;
    let clouds: Vec<CloudStatus> = rest.list("/v1/clouds").await?;
    let sites: usize = clouds.iter().map(|cloud| cloud.sites.len()).sum();
    let deployment = CreateDeployment {
        name: None,
        model: format!("{DEMO_NAME}:{DEMO_VERSION}"),
        environment: DEMO_ENVIRONMENT.to_owned(),
        replicas: Some(i64::try_from(sites.max(1)).unwrap_or(1)),
        autoscaling: None,
        market: Market::OnDemand,
    };
    existing_is_fine(rest.post::<DeploymentView>("/v1/deployments", &deployment).await)
}

fn existing_is_fine<T>(result: Result<T, Problem>) -> Result<(), Problem> {
    match result {
        Err(problem) if problem.kind != Kind::Conflict => Err(problem),
        _ => Ok(()),
    }
}

fn write_demo(context: &Context) -> Result<PathBuf, Problem> {
    let path = context.data_dir.models().join(format!("{DEMO_NAME}-{DEMO_VERSION}.gguf"));
    let same = std::fs::read(&path).is_ok_and(|bytes| bytes == DEMO_GGUF);
    if !same {
        files::private_folder(&context.data_dir.models(), &[])?;
        files::write_private(&path, DEMO_GGUF)?;
    }
    Ok(path)
}

fn wanted_of(view: &DeploymentView) -> u32 {
    if view.phase == DeploymentPhase::Deleting { 0 } else { view.replicas_wanted }
}

/// Replicas that answer now: what was found before a restart may be gone.
fn live_of(view: &DeploymentView) -> u32 {
    let replicas = view.sites.iter().flat_map(|site| &site.replicas);
    let live = replicas.filter(|replica| replica.phase == ReplicaPhase::Ready && replica.load.is_some()).count();
    u32::try_from(live).unwrap_or(u32::MAX).min(wanted_of(view))
}

/// What the gateway says of itself.
#[derive(Debug, Deserialize)]
struct GatewayHealth {
    replicas_up: Option<u32>,
}

/// Replicas that the gateway sends requests to; none while it does not answer.
async fn routed(gateway: SocketAddr, key: &str) -> u32 {
    // Without a key that it knows it tells nothing of replicas. One that was revoked must not hold anything up.
    let asked = reqwest::Client::new().get(format!("http://{gateway}/health")).bearer_auth(key).send();
    let Ok(response) = asked.await else { return 0 };
    response.json::<GatewayHealth>().await.map_or(0, |health| health.replicas_up.unwrap_or(u32::MAX))
}

async fn until_ready(rest: &Rest, (gateway, key): (SocketAddr, &str), phases: &Phases) -> Result<(), Problem> {
    loop {
        let views = fetch(rest, None).await?;
        let wanted: u32 = views.iter().map(wanted_of).sum();
        let live: u32 = views.iter().map(live_of).sum();
        phases.detail(&format!("{live}/{wanted} ready"));
        if live >= wanted && routed(gateway, key).await >= wanted {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
