//! A model's load divided among its deployments, of which each is scaled by itself.

/// A deployment of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sharer {
    /// Its replicas that serve.
    pub ready: u32,
    /// Most replicas that it may have.
    pub most: u32,
}

/// The part of the model's load, 0 to 1, that is for a deployment to carry, with `others` beside it. `load` is the
/// model's, in replicas.
///
/// Requests go to whatever serves, so each has as much of the load as it has of the ready replicas; together they then
/// settle at what the load needs. What the others cannot carry at their most is for this one in any case, so that one
/// that has none is woken when they are full.
#[must_use]
pub fn share_of(load: f64, own: Sharer, others: &[Sharer]) -> f64 {
    let all_ready = f64::from(own.ready) + others.iter().map(|other| f64::from(other.ready)).sum::<f64>();
    let by_ready = if all_ready > 0.0 { f64::from(own.ready) / all_ready } else { 1.0 / (others.len() as f64 + 1.0) };
    let beyond_others = load - others.iter().map(|other| f64::from(other.most)).sum::<f64>();
    if load > 0.0 { by_ready.max(beyond_others / load).min(1.0) } else { by_ready }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn sharer(ready: u32, most: u32) -> Sharer {
        Sharer { ready, most }
    }

    #[test]
    fn each_has_what_it_serves_and_what_the_others_cannot() {
        assert_eq!(share_of(4.0, sharer(3, 9), &[]), 1.0);
        assert_eq!(share_of(4.0, sharer(1, 9), &[sharer(3, 9)]), 0.25);
        assert_eq!(share_of(0.0, sharer(0, 9), &[sharer(3, 3)]), 0.0);
        assert_eq!(share_of(2.0, sharer(0, 9), &[sharer(3, 3)]), 0.0);
        assert_eq!(share_of(4.0, sharer(0, 9), &[sharer(3, 3)]), 0.25);
        assert_eq!(share_of(1.0, sharer(0, 9), &[sharer(0, 9)]), 0.5);
    }

    #[test]
    fn beside_a_fixed_deployment_it_settles_at_the_rest() {
        let mut ready = 1;
        for _ in 0..50 {
            let own = sharer(ready, 100);
            // A whole number from above, as the autoscaler wants it.
            ready = (8.0 * share_of(8.0, own, &[sharer(3, 3)]) - 1e-9).ceil() as u32;
        }
        assert_eq!(ready, 5);
    }
}
