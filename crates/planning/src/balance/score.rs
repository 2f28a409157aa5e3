//! How long a request would take on a replica, in seconds.
//!
//! `wait + sharing + network + λ·dollars`, after the expected-wait rule of the Shepherd Model Gateway: what waits, runs
//! and was sent since the replica last reported, beyond its free slots, times the mean service time over the slots.

use super::Candidate;

/// How much the parts of a score weigh.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// Seconds that one dollar of a request's cost is worth.
    pub seconds_per_dollar: f64,
    /// Service time assumed of a fleet of which nothing was measured.
    pub prior_service_seconds: f64,
    /// Slots assumed of a replica that does not report them.
    pub prior_slots: u32,
    /// By how much of its service time a request in a full batch is slowed by the others, from 0 to 1.
    pub sharing: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { seconds_per_dollar: 100.0, prior_service_seconds: 1.0, prior_slots: 4, sharing: 0.5 }
    }
}

/// Seconds that a request would take on `candidate`. `peer_service_seconds` is the worst mean of its peers: what a
/// replica is held to until it has served, so that a new one is neither stormed nor shunned.
#[must_use]
pub fn expected_seconds(candidate: &Candidate, peer_service_seconds: f64, weights: &Weights) -> f64 {
    let slots = f64::from(slots(candidate, weights.prior_slots));
    let occupied = f64::from(occupied(candidate));
    let service = candidate.service_seconds.unwrap_or(peer_service_seconds);
    let wait = (occupied + 1.0 - slots).max(0.0) * service / slots;
    let sharing = weights.sharing * service * occupied.min(slots) / slots;
    let dollars = candidate.dollars_per_hour * service / 3_600.0 / slots;
    wait + sharing + candidate.network_seconds + weights.seconds_per_dollar * dollars
}

/// Requests that the replica computes at once: what it says, and `prior` when it does not.
pub(super) fn slots(candidate: &Candidate, prior: u32) -> u32 {
    match candidate.report.map_or(0, |report| report.parallel) {
        0 => prior.max(1),
        slots => slots,
    }
}

/// Requests on the replica now: what others had there when it reported, and what this gateway has there now. The
/// second part needs no report: what was sent since is in it, and what has ended since is not.
pub(super) fn occupied(candidate: &Candidate) -> u32 {
    let others = candidate
        .report
        .map_or(0, |report| report.running.saturating_add(report.waiting).saturating_sub(report.own_in_flight));
    others.saturating_add(candidate.in_flight)
}

/// A mean that forgets with the time constant `tau_seconds`: the sample weighs `1 − e^(−elapsed/τ)`, and at least 5 %,
/// so that a burst counts too.
#[must_use]
pub fn decayed_mean(mean: Option<f64>, sample: f64, elapsed_seconds: f64, tau_seconds: f64) -> f64 {
    let Some(mean) = mean else { return sample };
    let weight = (1.0 - (-elapsed_seconds / tau_seconds).exp()).clamp(0.05, 1.0);
    weight.mul_add(sample - mean, mean)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Report;
    use super::*;

    fn loaded(in_flight: u32, report: Option<Report>) -> Candidate {
        Candidate { in_flight, report, service_seconds: Some(2.0), ..Candidate::default() }
    }

    #[test]
    fn nothing_waits_while_a_slot_is_free() {
        let weights = Weights { sharing: 0.0, seconds_per_dollar: 0.0, ..Weights::default() };
        let report = Some(Report { parallel: 4, ..Report::default() });
        assert_eq!(expected_seconds(&loaded(3, report), 9.0, &weights), 0.0);
        // Two beyond the four slots: each waits for half a second of a slot's two seconds over four.
        assert_eq!(expected_seconds(&loaded(5, report), 9.0, &weights), 1.0);
    }

    #[test]
    fn the_load_of_other_gateways_counts_and_our_own_counts_once() {
        let weights = Weights::default();
        let report = Report { running: 4, waiting: 6, parallel: 4, own_in_flight: 3 };
        let shared = expected_seconds(&loaded(3, Some(report)), 1.0, &weights);
        let alone = expected_seconds(&loaded(10, Some(Report { parallel: 4, ..Report::default() })), 1.0, &weights);
        assert_eq!(shared, alone);
    }

    #[test]
    fn a_new_replica_is_held_to_its_peers() {
        let weights = Weights::default();
        let fresh = Candidate { in_flight: 8, ..Candidate::default() };
        assert!(expected_seconds(&fresh, 5.0, &weights) > expected_seconds(&fresh, 1.0, &weights));
    }

    proptest! {
        #[test]
        fn more_load_never_looks_faster(
            a in 0_u32..500, b in 0_u32..500, parallel in 0_u32..64, service in 0.0_f64..100.0, price in 0.0_f64..50.0,
        ) {
            let report = Some(Report { parallel, ..Report::default() });
            let at = |in_flight| {
                let candidate = Candidate {
                    in_flight, report, service_seconds: Some(service), dollars_per_hour: price, ..Candidate::default()
                };
                expected_seconds(&candidate, 1.0, &Weights::default())
            };
            prop_assert!(at(a.min(b)) <= at(a.max(b)));
            prop_assert!(at(a).is_finite() && at(a) >= 0.0);
        }

        #[test]
        fn a_mean_stays_among_its_samples(samples in proptest::collection::vec((0.0_f64..100.0, 0.0_f64..60.0), 1..50)) {
            let mut mean = None;
            for (sample, elapsed) in &samples {
                mean = Some(decayed_mean(mean, *sample, *elapsed, 10.0));
            }
            let least = samples.iter().map(|s| s.0).fold(f64::INFINITY, f64::min);
            let most = samples.iter().map(|s| s.0).fold(0.0, f64::max);
            let mean = mean.expect("there was a sample");
            prop_assert!(mean >= least - 1e-9 && mean <= most + 1e-9);
        }
    }
}
