//! Divides the flows of several origins among the same places, each by [`super::split`] against what the others send.
//!
//! One origin after the other is divided anew until nobody gains: block coordinate descent on a convex cost, which ends at
//! the optimum of all (D. Bertsekas, "Nonlinear Programming", 2nd ed., section 2.7). Flows are kept from one call to the
//! next, so that when little has changed one round is enough.

use super::split::{Branch, Crowding, MOST_BUSY, split_near};

/// Share of an origin's demand that may move in a round that counts as the last one.
const STILL: f64 = 1e-7;

/// Flows from every origin to every place.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spread {
    places: usize,
    /// Requests a second, one origin after the other.
    flows: Vec<f64>,
    /// What one more request of an origin cost last.
    levels: Vec<Option<f64>>,
}

impl Spread {
    /// Nothing flows yet.
    #[must_use]
    pub fn new(origins: usize, places: usize) -> Self {
        Self { places, flows: vec![0.0; origins * places], levels: vec![None; origins] }
    }

    /// What an origin sends to each place.
    #[must_use]
    pub fn of(&self, origin: usize) -> &[f64] {
        self.flows.get(origin * self.places..(origin + 1) * self.places).unwrap_or_default()
    }

    /// What arrives at each place.
    #[must_use]
    pub fn arriving(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.places];
        for row in self.flows.chunks(self.places.max(1)) {
            sums.iter_mut().zip(row).for_each(|(sum, flow)| *sum += flow);
        }
        sums
    }

    /// Divides every origin's demand among `places`, in at most `rounds` rounds. `fixed_seconds` says origin by origin what a place
    /// costs from there, beyond the place's own fixed part; `taken` of a place is what is none of these origins'.
    pub fn settle(
        &mut self,
        demand: &[f64],
        places: &[Branch],
        fixed_seconds: &[f64],
        crowding: &Crowding,
        rounds: usize,
    ) {
        self.fit(demand, places);
        let mut arriving = self.arriving();
        let mut branches = places.to_vec();
        for _ in 0..rounds {
            let mut moved = 0.0_f64;
            let rows = self.flows.chunks_mut(self.places.max(1)).zip(fixed_seconds.chunks(self.places.max(1)));
            for (((row, fixed), demand), level) in rows.zip(demand).zip(&mut self.levels) {
                for (at, branch) in branches.iter_mut().enumerate() {
                    arriving[at] = (arriving[at] - row[at]).max(0.0);
                    branch.taken = places[at].taken + arriving[at];
                    branch.fixed_seconds = places[at].fixed_seconds + fixed[at];
                }
                let divided = split_near(*demand, &branches, crowding, *level);
                *level = Some(divided.marginal_seconds);
                for (at, flow) in divided.flows.into_iter().enumerate() {
                    moved = moved.max((flow - row[at]).abs() / demand.max(f64::MIN_POSITIVE));
                    row[at] = flow;
                    arriving[at] += flow;
                }
            }
            if moved < STILL {
                break;
            }
        }
    }

    /// Brings what flowed before to today's demand and room: what does not fit any more is given back, alike for all.
    fn fit(&mut self, demand: &[f64], places: &[Branch]) {
        for (row, demand) in self.flows.chunks_mut(self.places.max(1)).zip(demand) {
            let before: f64 = row.iter().sum();
            let scale = if before > 0.0 { demand / before } else { 0.0 };
            row.iter_mut().for_each(|flow| *flow *= scale);
        }
        let arriving = self.arriving();
        let room = |place: &Branch| (MOST_BUSY * place.capacity() - place.taken).max(0.0);
        let kept: Vec<f64> = arriving
            .iter()
            .zip(places)
            .map(|(sum, place)| if *sum > 0.0 { (room(place) / sum).min(1.0) } else { 1.0 })
            .collect();
        for row in self.flows.chunks_mut(self.places.max(1)) {
            row.iter_mut().zip(&kept).for_each(|(flow, kept)| *flow *= kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(replicas: &[f64]) -> Vec<Branch> {
        let one =
            |replicas: &f64| Branch { replicas: *replicas, slots: 8.0, service_seconds: 1.0, ..Branch::default() };
        replicas.iter().map(one).collect()
    }

    #[test]
    fn each_stays_at_home_until_home_is_full() {
        let fixed = [0.0, 1.0, 1.0, 0.0];
        let mut spread = Spread::new(2, 2);
        spread.settle(&[20.0, 20.0], &places(&[10.0, 10.0]), &fixed, &Crowding::default(), 4);
        assert!(spread.of(0)[0] > 19.99 && spread.of(1)[1] > 19.99, "{spread:?}");
        spread.settle(&[100.0, 20.0], &places(&[10.0, 10.0]), &fixed, &Crowding::default(), 8);
        assert!(spread.of(0)[1] > 20.0 && (spread.of(0).iter().sum::<f64>() - 100.0).abs() < 1e-6, "{spread:?}");
        // A place that closes is left at once.
        spread.settle(&[20.0, 20.0], &places(&[10.0, 0.0]), &fixed, &Crowding::default(), 2);
        assert!(spread.arriving()[1] == 0.0 && (spread.arriving()[0] - 40.0).abs() < 1e-6, "{spread:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn it_ends_where_nobody_gains(
            replicas in proptest::collection::vec(1.0_f64..30.0, 4),
            demand in proptest::collection::vec(1.0_f64..40.0, 3),
            fixed in proptest::collection::vec(0.0_f64..1.0, 12),
        ) {
            let (places, crowding) = (places(&replicas), Crowding::default());
            let room: f64 = places.iter().map(Branch::room).sum();
            let scale = (0.95 * room / demand.iter().sum::<f64>()).min(1.0);
            let demand: Vec<f64> = demand.iter().map(|flow| flow * scale).collect();
            let mut spread = Spread::new(3, 4);
            spread.settle(&demand, &places, &fixed, &crowding, 300);
            let arriving = spread.arriving();
            for (origin, demand) in demand.iter().enumerate() {
                let flows = spread.of(origin);
                prop_assert!((flows.iter().sum::<f64>() - demand).abs() < 1e-6 * (1.0 + demand));
                let marginal = |at: usize| {
                    places[at].marginal_seconds(arriving[at], &crowding) + fixed[origin * 4 + at]
                };
                let open = (0..4).filter(|at| arriving[*at] < 0.998 * places[*at].capacity());
                let least = open.map(marginal).fold(f64::INFINITY, f64::min);
                for at in (0..4).filter(|at| flows[*at] > 1e-3) {
                    prop_assert!(marginal(at) <= least + 1e-3 * (1.0 + least), "{} {} {:?}", marginal(at), least, spread);
                }
            }
        }
    }
}
