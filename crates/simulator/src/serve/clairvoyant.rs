//! A bound that pays its cold starts: what the wanted replicas cost where the whole trace is known beforehand.
//!
//! Exactly the wanted replicas are ready at all times, in whatever places a dynamic programme over all of them chooses;
//! each that changes its place is launched one cold start early and paid for from then on. No spare one is ever held,
//! since each loss is known. Where a tick is no shorter than a cold start, no rule that is never short costs less: whoever
//! keeps an instance in hand over a tick pays for it at least what the launch would have cost.

use planning::spot::ServingGoal;

use crate::trace::SpotTrace;

/// The programme is not tried where the replicas can be placed in more ways than this; bounds its time and memory.
const MOST_WAYS: usize = 200;

/// The least cost with cold starts paid, as a share of running all replicas on on-demand; `None` where there are too many
/// ways to place them.
#[must_use]
pub fn clairvoyant(trace: &SpotTrace, goal: &ServingGoal) -> Option<f64> {
    let ways = ways(trace.zones.len(), goal.replicas)?;
    let launches_s = launch_costs(&ways, goal);
    let hold_s: Vec<f64> = ways
        .iter()
        .map(|way| {
            let spot: u32 = way.iter().sum();
            (f64::from(spot) * goal.price_ratio + f64::from(goal.replicas - spot)) * trace.tick_s
        })
        .collect();
    let mut least_s = vec![0.0; ways.len()];
    for tick in 0..trace.ticks() {
        let fits = |way: &[u32]| way.iter().zip(&trace.zones).all(|(held, zone)| *held <= zone.nodes[tick]);
        least_s = (0..ways.len())
            .map(|now| {
                if !fits(&ways[now]) {
                    return f64::INFINITY;
                }
                let from = launches_s[now].iter().zip(&least_s).map(|(launch_s, before_s)| launch_s + before_s);
                hold_s[now] + from.fold(f64::INFINITY, f64::min)
            })
            .collect();
    }
    let all_on_demand_s = f64::from(goal.replicas) * trace.ticks() as f64 * trace.tick_s;
    Some(least_s.into_iter().fold(f64::INFINITY, f64::min) / all_on_demand_s)
}

/// Every way to place up to `replicas` over the zones; the rest is on-demand.
fn ways(zones: usize, replicas: u32) -> Option<Vec<Vec<u32>>> {
    let mut ways = vec![Vec::with_capacity(zones)];
    for _ in 0..zones {
        ways = ways
            .iter()
            .flat_map(|way: &Vec<u32>| {
                let left = replicas - way.iter().sum::<u32>();
                (0..=left).map(move |more| way.iter().copied().chain([more]).collect())
            })
            .collect();
        if ways.len() > MOST_WAYS {
            return None;
        }
    }
    Some(ways)
}

/// On-demand seconds' worth of the launches that lead to the way of the row from that of the column.
fn launch_costs(ways: &[Vec<u32>], goal: &ServingGoal) -> Vec<Vec<f64>> {
    let one = |now: &[u32], before: &[u32]| {
        let spot: u32 = now.iter().zip(before).map(|(now, before)| now.saturating_sub(*before)).sum();
        let on_demand = before.iter().sum::<u32>().saturating_sub(now.iter().sum());
        (f64::from(spot) * goal.price_ratio + f64::from(on_demand)) * goal.cold_start_s
    };
    ways.iter().map(|now| ways.iter().map(|before| one(now, before)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::ZoneTrace;

    const GOAL: ServingGoal =
        ServingGoal { replicas: 2, cold_start_s: 100.0, price_ratio: 0.25, target_availability: 0.99 };

    fn trace(zones: &[&[u32]]) -> SpotTrace {
        let zone = |nodes: &&[u32]| ZoneTrace { name: "zone".to_owned(), nodes: nodes.to_vec() };
        SpotTrace { tick_s: 400.0, zones: zones.iter().map(zone).collect() }
    }

    #[test]
    fn one_move_costs_one_cold_start_of_each_replica() {
        let bound = clairvoyant(&trace(&[&[2, 2, 0, 0], &[0, 2, 2, 2]]), &GOAL);
        // Two spot replicas for 1,600 s, and both launched once more.
        let expected = (2.0 * 0.25 * 1_600.0 + 2.0 * 0.25 * 100.0) / (2.0 * 1_600.0);
        assert!(bound.is_some_and(|bound| (bound - expected).abs() < 1e-12), "{bound:?}");
    }

    #[test]
    fn spot_that_is_gone_again_at_once_is_left_alone_where_a_launch_costs_more() {
        let goal = ServingGoal { cold_start_s: 5_000.0, ..GOAL };
        let bound = clairvoyant(&trace(&[&[0, 2, 0, 0]]), &goal);
        assert!(bound.is_some_and(|bound| (bound - 1.0).abs() < 1e-12), "{bound:?}");
    }

    #[test]
    fn too_many_ways_are_refused() {
        let four: &[u32] = &[4];
        assert_eq!(clairvoyant(&trace(&[four; 12]), &ServingGoal { replicas: 16, ..GOAL }), None);
    }
}
