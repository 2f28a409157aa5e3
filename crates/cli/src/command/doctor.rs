//! `mcp doctor`: what is wrong with this machine or this installation, and what to do about it.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use control::api::types::{DeploymentPhase, DeploymentView, HealthReport, StalePart};
use domain::{Kind, Problem};
use nix::sys::statvfs::statvfs;
use serde::Serialize;

use super::Context;
use super::status::fetch;
use crate::{output, running, secret_file, serve};

/// Space below which a warning is due: a log, a database and a small model.
const FREE_BYTES_MIN: u64 = 1 << 30;

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_step: Option<String>,
}

impl Check {
    fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, ok: true, detail: detail.into(), next_step: None }
    }

    fn bad(name: &'static str, detail: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self { name, ok: false, detail: detail.into(), next_step: Some(next_step.into()) }
    }

    fn of(name: &'static str, result: Result<String, Problem>) -> Self {
        match result {
            Ok(detail) => Self::good(name, detail),
            Err(problem) => Self::bad(name, problem.cause, problem.next_step.unwrap_or_default()),
        }
    }
}

pub async fn run(context: &Context) -> Result<(), Problem> {
    let running = running::find(&context.data_dir)?;
    let mut checks = vec![
        Check::of("data folder", writable(context.data_dir.root())),
        disk_space(context.data_dir.root()),
        processor(),
        Check::of("model-service", serve::local_cloud::model_service_version(context).await),
    ];
    match running {
        Some(running) => {
            checks.push(Check::good("program", format!("runs as process {}", running.pid)));
            checks.push(Check::of("control plane", deployments(context).await));
            checks.extend(freshness(context).await);
            checks.push(Check::of("gateway", gateway(running.listen.gateway).await));
        }
        None => {
            checks.push(Check::good("program", "does not run; start it with 'mcp up'"));
            let listen = context.config.listen;
            let ports = [("gateway", listen.gateway), ("control", listen.control), ("local cloud", listen.local_cloud)];
            checks.extend(ports.map(|(name, address)| port(name, address)));
            checks.push(Check::of("state", serve::check_state(context)));
        }
    }
    checks.push(Check::good("log", context.data_dir.log().display().to_string()));
    context.output.show(&checks, |checks| {
        let rows = checks.iter().map(|check| {
            let hint = check.next_step.as_ref().map_or_else(String::new, |step| format!(" - {step}"));
            [
                if check.ok { "ok" } else { "PROBLEM" }.to_owned(),
                check.name.to_owned(),
                format!("{}{hint}", check.detail),
            ]
        });
        output::table(["", "CHECK", "FOUND"], rows)
    })?;
    match checks.iter().filter(|check| !check.ok).count() {
        0 => Ok(()),
        count => Err(Problem::new(Kind::Unavailable, format!("{count} of {} checks found a problem", checks.len()))
            .next("do what stands beside each, and run 'mcp doctor' again")),
    }
}

fn writable(folder: &Path) -> Result<String, Problem> {
    let probe = folder.join("doctor.probe");
    secret_file::write(&probe, "probe")?;
    std::fs::remove_file(&probe).map_err(|e| secret_file::file_problem(&probe, &e))?;
    Ok(folder.display().to_string())
}

fn disk_space(folder: &Path) -> Check {
    match statvfs(folder) {
        Ok(space) => {
            let free = space.blocks_available().saturating_mul(space.fragment_size());
            let detail = format!("{} free", indicatif::HumanBytes(free));
            if free < FREE_BYTES_MIN {
                Check::bad("disk", detail, "free some space: writes fail when the disk is full")
            } else {
                Check::good("disk", detail)
            }
        }
        Err(errno) => Check::bad("disk", errno.to_string(), "check the data folder"),
    }
}

/// llama.cpp is built for AVX2 and FMA on x86-64.
fn processor() -> Check {
    #[cfg(target_arch = "x86_64")]
    if !(std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")) {
        return Check::bad("processor", "no AVX2 and FMA", "models cannot run here: use a machine of 2013 or later");
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Check::good("processor", format!("{cores} cores"))
}

fn port(name: &'static str, address: SocketAddr) -> Check {
    match TcpListener::bind(address) {
        Ok(_) => Check::good(name, format!("{address} is free")),
        Err(error) => Check::bad(
            name,
            format!("{address}: {error}"),
            format!("stop what uses it ('ss -ltnp'), or set another address: {}", variable(name)),
        ),
    }
}

fn variable(name: &str) -> &'static str {
    match name {
        "gateway" => "MCP_GATEWAY_LISTEN",
        "control" => "MCP_CONTROL_LISTEN",
        _ => "MCP_LOCAL_CLOUD_LISTEN",
    }
}

/// A deployment that is still on its way is no problem; one that something stands in the way of is.
async fn deployments(context: &Context) -> Result<String, Problem> {
    let views = fetch(&context.rest()?, None).await?;
    let tell = |view: &DeploymentView| {
        let message = view.message.as_ref().map_or_else(String::new, |message| format!(" ({message})"));
        format!("{} has {} of {} replicas{message}", view.name, view.replicas_ready, view.replicas_wanted)
    };
    let in_phase = |phase| views.iter().filter(move |view| view.phase == phase).map(tell).collect::<Vec<_>>();
    let degraded = in_phase(DeploymentPhase::Degraded);
    if !degraded.is_empty() {
        return Err(Problem::new(Kind::Unavailable, degraded.join("; ")).next("see 'mcp status' and 'mcp logs'"));
    }
    let progressing = in_phase(DeploymentPhase::Progressing);
    let rest = if progressing.is_empty() { "all ready".to_owned() } else { progressing.join("; ") };
    Ok(format!("{} deployments, {rest}", views.len()))
}

/// What the control plane knows, and how old it is: one check for each part that is stale, or one for all.
async fn freshness(context: &Context) -> Vec<Check> {
    let report = match context.rest() {
        Ok(rest) => rest.get::<HealthReport>("/v1/health").await,
        Err(problem) => Err(problem),
    };
    let report = match report {
        Ok(report) => report,
        Err(problem) => return vec![Check::of("freshness", Err(problem))],
    };
    if report.stale.is_empty() {
        return vec![Check::good("freshness", fresh(&report))];
    }
    let told = |part: &StalePart| {
        let cause = part.cause.as_ref().map_or_else(String::new, |cause| format!(": {cause}"));
        let detail = format!("{} is {} behind{cause}", part.part, seconds(part.age_ms));
        Check::bad("freshness", detail, "see the log; free disk space or restart what does not answer")
    };
    report.stale.iter().map(told).collect()
}

fn fresh(report: &HealthReport) -> String {
    let ago = |age_ms: Option<i64>| age_ms.map_or_else(|| "never".to_owned(), |age| format!("{} ago", seconds(age)));
    let clouds =
        report.clouds.iter().map(|cloud| format!("cloud {} answered {}", cloud.name, ago(cloud.answered_ms_ago)));
    let passes = report.reconcilers.iter().filter_map(|reconciler| reconciler.passed_ms_ago).max();
    let gateways = report.gateways.iter().map(|gateway| {
        let (name, version) = (&gateway.name, gateway.snapshot_version);
        format!("gateway {name} spoke {} by snapshot {version}", ago(Some(gateway.heard_ms_ago)))
    });
    let rest = [format!("reconcilers ran {}", ago(passes)), format!("last commit {}", ago(report.committed_ms_ago))];
    clouds.chain(gateways).chain(rest).collect::<Vec<_>>().join(", ")
}

fn seconds(age_ms: i64) -> String {
    format!("{}.{} s", age_ms / 1_000, age_ms % 1_000 / 100)
}

async fn gateway(address: SocketAddr) -> Result<String, Problem> {
    let down = |cause: String| Problem::new(Kind::Unavailable, cause).next("see the log");
    let response = reqwest::get(format!("http://{address}/health"))
        .await
        .map_err(|_| down(format!("{address} does not answer")))?;
    let status = response.status();
    if status.is_success() {
        Ok(format!("http://{address} serves"))
    } else {
        Err(down(format!("http://{address}/health answers {status}")))
    }
}
