//! A problem that makes sense, and the names in it resolved.

use std::collections::HashMap;
use std::fmt::{self, Display};

use super::error::PlacementError;
use super::problem::Problem;

/// Most tasks of a problem.
const MOST_TASKS: usize = 2_000;
/// Most offers of a problem.
const MOST_OFFERS: usize = 100_000;
/// Most relays of a problem.
const MOST_RELAYS: usize = 16;
/// Most quotas of a problem.
const MOST_QUOTAS: usize = 64;
/// Most edges of a problem.
const MOST_EDGES: usize = 20_000;
/// Largest dollars, hours or gigabytes: sums of them stay well within whole nano-dollars.
const LARGEST: f64 = 1e6;

/// The edges as numbers of tasks with gigabytes, one for each pair.
pub(super) type Links = Vec<(usize, usize, f64)>;

/// Checks every number and name, and that the edges do not go round.
pub(super) fn check(problem: &Problem) -> Result<Links, PlacementError> {
    if problem.tasks.is_empty() || problem.offers.is_empty() {
        return Err(PlacementError::Empty);
    }
    for (what, count, most) in [
        ("tasks", problem.tasks.len(), MOST_TASKS),
        ("offers", problem.offers.len(), MOST_OFFERS),
        ("edges", problem.edges.len(), MOST_EDGES),
        ("relays", problem.relays.len(), MOST_RELAYS),
        ("quotas", problem.quotas.len(), MOST_QUOTAS),
    ] {
        if count > most {
            return Err(PlacementError::TooMany { what, count, most });
        }
    }
    settings(problem)?;
    places(problem)?;
    tasks(problem)?;
    offers(problem)?;
    let index = names("task", problem.tasks.iter().map(|task| task.name.as_str()))?;
    names("relay", problem.relays.iter().map(|relay| relay.place.as_str()))?;
    names("quota", problem.quotas.iter().map(|quota| quota.name.as_str()))?;
    names("offer", problem.offers.iter().map(|offer| offer.name.as_str()))?;
    let links = links(problem, &index)?;
    acyclic(problem, &links)?;
    Ok(links)
}

fn settings(problem: &Problem) -> Result<(), PlacementError> {
    amount("lambda_usd_per_hour", problem.lambda_usd_per_hour)?;
    amount("budget_usd", problem.budget_usd.unwrap_or_default())?;
    let bandwidth = &problem.bandwidth;
    above_zero("bandwidth.same_region_gbps", bandwidth.same_region_gbps)?;
    above_zero("bandwidth.same_cloud_gbps", bandwidth.same_cloud_gbps)?;
    above_zero("bandwidth.between_clouds_gbps", bandwidth.between_clouds_gbps)?;
    for (at, pair) in bandwidth.pairs.iter().enumerate() {
        above_zero(format_args!("bandwidth.pairs[{at}].gbps"), pair.gbps)?;
    }
    for (at, relay) in problem.relays.iter().enumerate() {
        amount(format_args!("relays[{at}].usd_per_hour"), relay.usd_per_hour)?;
    }
    for (at, row) in problem.egress.iter().enumerate() {
        amount(format_args!("egress[{at}].usd_per_gb"), row.usd_per_gb)?;
    }
    Ok(())
}

/// Every place is written like one; whether anything lies there is not asked.
fn places(problem: &Problem) -> Result<(), PlacementError> {
    for (at, quota) in problem.quotas.iter().enumerate().filter(|(_, quota)| !quota.place.is_empty()) {
        place(&quota.place, || format!("quotas[{at}].place"))?;
    }
    for (at, name) in problem.outages.iter().enumerate() {
        place(name, || format!("outages[{at}]"))?;
    }
    for (at, relay) in problem.relays.iter().enumerate() {
        place(&relay.place, || format!("relays[{at}].place"))?;
    }
    for (at, row) in problem.egress.iter().enumerate() {
        place(&row.from, || format!("egress[{at}].from"))?;
        place(&row.to, || format!("egress[{at}].to"))?;
    }
    for (at, pair) in problem.bandwidth.pairs.iter().enumerate() {
        place(&pair.from, || format!("bandwidth.pairs[{at}].from"))?;
        place(&pair.to, || format!("bandwidth.pairs[{at}].to"))?;
    }
    for (at, task) in problem.tasks.iter().enumerate() {
        for data in task.inputs.iter().chain(&task.outputs) {
            place(&data.place, || format!("tasks[{at}].inputs and outputs: place"))?;
        }
    }
    Ok(())
}

/// One to three parts between colons, none of them empty or with a space.
fn place(text: &str, field: impl FnOnce() -> String) -> Result<(), PlacementError> {
    let is_plain = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace);
    if text.split(':').count() <= 3 && text.split(':').all(is_plain) {
        Ok(())
    } else {
        Err(PlacementError::Place { field: field(), value: text.to_owned() })
    }
}

fn tasks(problem: &Problem) -> Result<(), PlacementError> {
    for (at, task) in problem.tasks.iter().enumerate() {
        let field = |name: &'static str| Field { list: "tasks", at, name };
        amount(field("hours"), task.hours)?;
        amount(field("vcpus"), task.vcpus)?;
        amount(field("memory_gib"), task.memory_gib)?;
        amount(field("accelerator_memory_gib"), task.accelerator_memory_gib)?;
        amount(field("budget_usd"), task.budget_usd.unwrap_or_default())?;
        above_zero(field("instances"), f64::from(task.instances))?;
        for (instance, hours) in &task.hours_on {
            amount(format_args!("tasks[{at}].hours_on.{instance}"), *hours)?;
        }
        if let Some(checkpoint) = task.checkpoint {
            amount(field("checkpoint.write_hours"), checkpoint.write_hours)?;
            amount(field("checkpoint.restore_hours"), checkpoint.restore_hours)?;
        }
        for data in task.inputs.iter().chain(&task.outputs) {
            amount(field("inputs and outputs: gb"), data.gb)?;
        }
    }
    Ok(())
}

fn offers(problem: &Problem) -> Result<(), PlacementError> {
    for (at, offer) in problem.offers.iter().enumerate() {
        let field = |name: &'static str| Field { list: "offers", at, name };
        amount(field("usd_per_hour"), offer.usd_per_hour)?;
        above_zero(field("speed"), offer.speed)?;
        amount(field("vcpus"), offer.vcpus)?;
        amount(field("memory_gib"), offer.memory_gib)?;
        amount(field("accelerator_memory_gib"), offer.accelerator_memory_gib)?;
        amount(field("boot_hours"), offer.boot_hours)?;
        above_zero(field("mean_up_hours"), offer.mean_up_hours.unwrap_or(1.0))?;
    }
    Ok(())
}

/// A field of one of a list's entries: a name that is written only when it is at fault.
struct Field {
    list: &'static str,
    at: usize,
    name: &'static str,
}

impl Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}].{}", self.list, self.at, self.name)
    }
}

fn amount(field: impl Display, value: f64) -> Result<(), PlacementError> {
    let right = (0.0..=LARGEST).contains(&value);
    let error = || PlacementError::Number { field: field.to_string(), value, wanted: "between 0 and 1,000,000" };
    right.then_some(()).ok_or_else(error)
}

fn above_zero(field: impl Display, value: f64) -> Result<(), PlacementError> {
    let right = value > 0.0 && value <= LARGEST;
    let error = || PlacementError::Number { field: field.to_string(), value, wanted: "above 0, at most 1,000,000" };
    right.then_some(()).ok_or_else(error)
}

fn names<'a>(
    kind: &'static str,
    names: impl Iterator<Item = &'a str>,
) -> Result<HashMap<&'a str, usize>, PlacementError> {
    let mut index = HashMap::new();
    for (at, name) in names.enumerate() {
        if index.insert(name, at).is_some() {
            return Err(PlacementError::Twice { kind, name: name.to_owned() });
        }
    }
    Ok(index)
}

fn links(problem: &Problem, index: &HashMap<&str, usize>) -> Result<Links, PlacementError> {
    let find = |name: &String| {
        let unknown = || PlacementError::Unknown { kind: "task", name: name.clone() };
        index.get(name.as_str()).copied().ok_or_else(unknown)
    };
    let mut links = Links::with_capacity(problem.edges.len());
    let mut seen: HashMap<(usize, usize), usize> = HashMap::new();
    for (at, edge) in problem.edges.iter().enumerate() {
        amount(format_args!("edges[{at}].gb"), edge.gb)?;
        let (from, to) = (find(&edge.from)?, find(&edge.to)?);
        // Two edges between the same tasks are one transfer: their bytes share the tiers.
        if let Some(link) = seen.get(&(from, to)) {
            links[*link].2 += edge.gb;
        } else {
            seen.insert((from, to), links.len());
            links.push((from, to, edge.gb));
        }
    }
    Ok(links)
}

/// Kahn's algorithm: whoever is never free of predecessors lies on a cycle, or behind one.
fn acyclic(problem: &Problem, links: &Links) -> Result<(), PlacementError> {
    let mut waits_for = vec![0_usize; problem.tasks.len()];
    let mut next = vec![Vec::new(); problem.tasks.len()];
    for (from, to, _) in links {
        waits_for[*to] += 1;
        next[*from].push(*to);
    }
    let mut free: Vec<usize> = (0..waits_for.len()).filter(|task| waits_for[*task] == 0).collect();
    while let Some(task) = free.pop() {
        for later in &next[task] {
            waits_for[*later] -= 1;
            if waits_for[*later] == 0 {
                free.push(*later);
            }
        }
    }
    match waits_for.iter().position(|left| *left > 0) {
        Some(task) => Err(PlacementError::Cycle(problem.tasks[task].name.clone())),
        None => Ok(()),
    }
}
