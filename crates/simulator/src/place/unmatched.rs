//! Names of a problem that are those of nothing in it. Lists of quotas, outages and prices are shared among problems, so such
//! a name is no error; but it may be a slip of the pen, so the answer shows it.

use std::collections::BTreeSet;

use planning::placement::Problem;

/// Most names that are told one by one.
const TOLD_MAX: usize = 100;

/// What the problem's names refer to.
struct Known<'a> {
    /// Clouds, regions and zones of offers.
    sold: BTreeSet<String>,
    /// Clouds and places of relays.
    relays: BTreeSet<&'a str>,
    /// Clouds and places of fixed data.
    fixed: BTreeSet<&'a str>,
    /// Clouds and regions of offers.
    regions: BTreeSet<String>,
    instances: BTreeSet<&'a str>,
    families: BTreeSet<&'a str>,
}

impl<'a> Known<'a> {
    fn new(problem: &'a Problem) -> Self {
        let (mut sold, mut regions) = (BTreeSet::new(), BTreeSet::new());
        for offer in &problem.offers {
            regions.insert(offer.cloud.clone());
            regions.insert(offer.place());
            sold.insert(format!("{}:{}", offer.place(), offer.zone));
        }
        sold.extend(regions.iter().cloned());
        let both = |place: &'a String| [place.as_str(), place.split(':').next().unwrap_or_default()];
        let data = problem.tasks.iter().flat_map(|task| task.inputs.iter().chain(&task.outputs));
        Self {
            sold,
            relays: problem.relays.iter().flat_map(|relay| both(&relay.place)).collect(),
            fixed: data.flat_map(|data| both(&data.place)).collect(),
            regions,
            instances: problem.offers.iter().map(|offer| offer.instance.as_str()).collect(),
            families: problem.offers.iter().map(|offer| offer.family.as_str()).collect(),
        }
    }

    /// Whether a row of prices or bandwidths can fit with this end.
    fn is_end(&self, name: &str) -> bool {
        matches!(name, "*" | "internet")
            || self.regions.contains(name)
            || self.relays.contains(name)
            || self.fixed.contains(name)
    }
}

/// Each name that matches nothing, in a sentence; from a hundred on only how many more there are.
#[must_use]
pub fn unmatched(problem: &Problem) -> Vec<String> {
    let known = Known::new(problem);
    let mut told = quotas(problem, &known);
    for name in &problem.outages {
        if !known.sold.contains(name) && !known.relays.contains(name.as_str()) {
            told.push(format!("outage {name:?} matches no offer and no relay"));
        }
    }
    for task in &problem.tasks {
        for instance in task.hours_on.keys().filter(|instance| !known.instances.contains(instance.as_str())) {
            told.push(format!("task {:?}: hours_on {instance:?} matches no offer's instance", task.name));
        }
    }
    let prices = problem.egress.iter().enumerate().map(|(at, row)| (format!("egress[{at}]"), [&row.from, &row.to]));
    let pairs = problem.bandwidth.pairs.iter().enumerate();
    let pairs = pairs.map(|(at, pair)| (format!("bandwidth.pairs[{at}]"), [&pair.from, &pair.to]));
    for (row, ends) in prices.chain(pairs) {
        for end in ends.into_iter().filter(|end| !known.is_end(end)) {
            told.push(format!("{row}: place {end:?} matches no offer, no relay and no fixed data"));
        }
    }
    let more = told.len().saturating_sub(TOLD_MAX);
    told.truncate(TOLD_MAX);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    told
}

fn quotas(problem: &Problem, known: &Known<'_>) -> Vec<String> {
    let mut told = Vec::new();
    for quota in &problem.quotas {
        if !quota.place.is_empty() && !known.sold.contains(&quota.place) {
            told.push(format!("quota {:?}: place {:?} matches no offer", quota.name, quota.place));
        }
        for family in quota.families.iter().filter(|family| !known.families.contains(family.as_str())) {
            told.push(format!("quota {:?}: family {family:?} matches no offer", quota.name));
        }
    }
    told
}
