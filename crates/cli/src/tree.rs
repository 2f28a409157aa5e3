//! The tree deployment → site → replica, and the plan before it, as text.

use std::fmt::Write as _;

use control::api::types::{AutoscalingView, DeploymentPhase, DeploymentView, Plan, PlanAction, ReplicaView, SiteView};
use domain::text::{PROBLEM_MAX_CHARS, printable};
use domain::{Autoscaling, Problem, ReplicaPhase};
use owo_colors::OwoColorize as _;

use crate::output;

/// All deployments, one tree each.
#[must_use]
pub fn render(views: &[DeploymentView]) -> String {
    if views.is_empty() {
        return "Nothing is deployed.".to_owned();
    }
    views.iter().map(deployment).collect::<Vec<_>>().join("\n")
}

fn deployment(view: &DeploymentView) -> String {
    let mut text = format!(
        "{}  {}  {}/{} ready  {:.0} tok/s  {}/h{}\n",
        view.name.to_string().bold(),
        view.model,
        view.replicas_ready,
        view.replicas_wanted,
        rate(view.tokens_per_second),
        view.price_per_hour,
        phase_of_deployment(view.phase),
    );
    if let Some(stale) = &view.stale {
        let _ = writeln!(text, "│  {} {}", "STALE:".red().bold(), shown(stale));
    }
    if let Some(message) = &view.message {
        let _ = writeln!(text, "│  {}", shown(message).yellow());
    }
    if let Some(scaling) = &view.autoscaling {
        let _ = writeln!(text, "│  {}", follows(scaling));
    }
    let last = view.sites.len().saturating_sub(1);
    for (index, site) in view.sites.iter().enumerate() {
        let (branch, stem) = if index == last { ("└─", "   ") } else { ("├─", "│  ") };
        let _ = writeln!(text, "{branch} {}", site_line(site));
        replicas(&mut text, stem, &site.replicas);
    }
    text
}

/// What a cloud or a model file said, on one line.
fn shown(text: &str) -> std::borrow::Cow<'_, str> {
    printable(text, PROBLEM_MAX_CHARS)
}

/// How a deployment follows the load, and why it has as many replicas as it has.
fn follows(view: &AutoscalingView) -> String {
    let mut text = format!("{}, load {:.2}, expected {:.2}", range(&view.wanted), view.load, view.expected);
    if let (Some(reason), Some(why)) = (&view.reason, &view.why) {
        let _ = write!(text, " ({reason}: {})", shown(why));
    }
    text
}

fn range(wanted: &Autoscaling) -> String {
    format!("{} to {} replicas by load", wanted.replicas_min, wanted.replicas_max)
}

/// A rate as it is shown: the sum of no rates is a negative zero.
fn rate(tokens_per_second: f64) -> f64 {
    tokens_per_second.max(0.0) + 0.0
}

/// Says what is going on, when something is.
const fn phase_of_deployment(phase: DeploymentPhase) -> &'static str {
    match phase {
        DeploymentPhase::Ready => "",
        DeploymentPhase::Progressing => "  (in progress)",
        DeploymentPhase::Degraded => "  (degraded)",
        DeploymentPhase::Deleting => "  (going away)",
    }
}

fn site_line(site: &SiteView) -> String {
    match &site.reason {
        Some(reason) if !site.available => format!("{}  {} ({})", site.site, "out".red(), shown(reason)),
        _ => format!("{}  {}  {}/h", site.site, shown(&site.country), site.price_per_hour),
    }
}

fn replicas(text: &mut String, stem: &str, replicas: &[ReplicaView]) {
    let last = replicas.len().saturating_sub(1);
    for (index, replica) in replicas.iter().enumerate() {
        let branch = if index == last { "└─" } else { "├─" };
        let reason = replica.reason.as_ref().map_or_else(String::new, |reason| format!("  ({})", shown(reason)));
        let _ = writeln!(
            text,
            "{stem}{branch} {} {} {:>6.0} tok/s  {}/h  {}{reason}",
            shown(&replica.id),
            phase(replica.phase),
            rate(replica.load.as_ref().map_or(0.0, |load| load.tokens_per_second)),
            replica.price_per_hour,
            shown(&replica.url),
        );
    }
}

/// The words say it; the colour only helps.
fn phase(phase: ReplicaPhase) -> String {
    match phase {
        ReplicaPhase::Starting => format!("{:<9}", "starting").yellow().to_string(),
        ReplicaPhase::Ready => format!("{:<9}", "ready").green().to_string(),
        ReplicaPhase::Draining => format!("{:<9}", "draining").cyan().to_string(),
        ReplicaPhase::Lost => format!("{:<9}", "lost").red().to_string(),
    }
}

/// Draws a text in place of the one drawn before.
#[derive(Debug, Default)]
pub struct Screen {
    lines: usize,
}

impl Screen {
    /// Draws.
    pub fn draw(&mut self, text: &str) -> Result<(), Problem> {
        let text = text.trim_end_matches('\n');
        let up = if self.lines == 0 { String::new() } else { format!("\x1b[{}A\x1b[J", self.lines) };
        self.lines = text.lines().count();
        output::raw(&format!("{up}{}\n", output::colours_alone(text)))
    }
}

/// Where, why, at what price; and why other places lost.
#[must_use]
pub fn plan(plan: &Plan) -> String {
    let places = plan.placements.iter().map(|p| {
        let count = if p.replicas_now == p.replicas {
            p.replicas.to_string()
        } else {
            format!("{} -> {}", p.replicas_now, p.replicas)
        };
        [
            p.site.to_string(),
            p.country.clone(),
            count,
            p.instance_type.clone(),
            p.price_per_hour.to_string(),
            p.why.clone(),
        ]
    });
    let mut text = output::table(["SITE", "COUNTRY", "REPLICAS", "INSTANCE", "EACH/H", "WHY"], places);
    if !plan.rejected.is_empty() {
        let rejected = plan.rejected.iter().map(|r| [r.site.to_string(), r.cause.clone()]);
        let _ = write!(text, "\n\nNot chosen:\n{}", output::table(["SITE", "WHY"], rejected));
    }
    for note in &plan.notes {
        let _ = write!(text, "\n\n{} {}.", "Note:".yellow(), shown(note));
    }
    let _ = write!(text, "\n\n{}", verdict(plan));
    text
}

fn verdict(plan: &Plan) -> String {
    let (name, price) = (&plan.deployment, plan.price_per_hour.to_string());
    if let Some(shortage) = &plan.shortage {
        return format!("{} {}", "It would be refused:".red(), shortage.cause);
    }
    let by_load = plan.autoscaling.as_ref().map_or_else(String::new, |wanted| format!(" {}.", range(wanted)));
    let change = |now: u32, then: u32| format!("{now} -> {then} replicas");
    match plan.action {
        PlanAction::Create => {
            format!("+ {name}: {} replicas of {} for {} an hour.{by_load}", plan.replicas, plan.model, price.bold())
        }
        PlanAction::Change => {
            let change = change(plan.replicas_now, plan.replicas);
            format!("~ {name}: {change}, {} -> {} an hour.{by_load}", plan.price_per_hour_now, price.bold())
        }
        PlanAction::None => format!("= {name} is as wanted; nothing would change. It costs {price} an hour.{by_load}"),
    }
}
