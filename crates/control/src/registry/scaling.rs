//! How many replicas somebody asks for: a number, or how they are to follow the load.

use domain::{Autoscaling, Deployment, Problem};

use super::deployments::{REPLICAS_MAX, replicas_of};
use crate::api::types::AutoscalingRequest;

/// Share of the load that may come when every replica is busy, when nothing is said: one request in a thousand.
const OVER_CAPACITY_SHARE: f64 = 0.001;
/// Largest such share that makes sense: above it the margin has nothing left to do.
const OVER_CAPACITY_SHARE_MAX: f64 = 0.5;
/// Largest rate of one replica, per second.
const RATE_MAX: f64 = 1e9;

/// What is asked for, checked: the number, or how it follows the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Count {
    Fixed(u32),
    ByLoad(Autoscaling),
}

impl Count {
    /// Checks a request. One of the two is said, and not both.
    pub(crate) fn of(replicas: Option<i64>, autoscaling: Option<&AutoscalingRequest>) -> Result<Self, Problem> {
        match (replicas, autoscaling) {
            (Some(replicas), None) => Ok(Self::Fixed(replicas_of(replicas)?)),
            (None, Some(request)) => Ok(Self::ByLoad(autoscaling_of(request)?)),
            (None, None) => Err(Problem::invalid("neither replicas nor autoscaling is given")
                .next("say how many replicas, or between how many they follow the load")
                .at("replicas")),
            (Some(_), Some(_)) => Err(Problem::invalid("replicas are given, and autoscaling that would change them")
                .next("leave out one of the two")
                .at("replicas")),
        }
    }

    /// The deployment with this count.
    pub(crate) fn applied_to(self, deployment: Deployment) -> Deployment {
        match self {
            Self::Fixed(replicas) => Deployment { replicas, autoscaling: None, ..deployment },
            Self::ByLoad(autoscaling) => Deployment {
                replicas: deployment.replicas.clamp(autoscaling.replicas_min, autoscaling.replicas_max),
                autoscaling: Some(autoscaling),
                ..deployment
            },
        }
    }
}

/// The deployment as asked for, when one of its name is there: replicas that follow the load go on as they are.
pub(crate) fn beside(asked: Deployment, existing: &Deployment) -> Deployment {
    match asked.autoscaling {
        Some(autoscaling) => Count::ByLoad(autoscaling).applied_to(Deployment { replicas: existing.replicas, ..asked }),
        None => asked,
    }
}

fn autoscaling_of(request: &AutoscalingRequest) -> Result<Autoscaling, Problem> {
    let limit = |asked: i64, field: &str| replicas_of(asked).map_err(|problem| problem.at(field));
    let replicas_min = limit(request.replicas_min, "autoscaling.replicas_min")?;
    let replicas_max = limit(request.replicas_max, "autoscaling.replicas_max")?;
    if replicas_max == 0 || replicas_min > replicas_max {
        let cause = format!("between {replicas_min} and {replicas_max} replicas there is no room to scale");
        let next = format!("give a most of 1 to {REPLICAS_MAX} that is at least the fewest");
        return Err(Problem::invalid(cause).next(next).at("autoscaling.replicas_max"));
    }
    let carries = request.replica_carries;
    let rates = [
        ("requests_per_second", carries.requests_per_second),
        ("prompt_tokens_per_second", carries.prompt_tokens_per_second),
        ("generated_tokens_per_second", carries.generated_tokens_per_second),
    ];
    if rates.iter().all(|(_, rate)| rate.is_none()) {
        return Err(Problem::invalid("nothing says what one replica carries")
            .next("give its requests, prompt tokens or generated tokens a second, as measured under load")
            .at("autoscaling.replica_carries"));
    }
    for (name, rate) in rates {
        if rate.is_some_and(|rate| !(rate > 0.0 && rate <= RATE_MAX)) {
            let cause = format!("{} {name} are no rate", rate.unwrap_or_default());
            let next = format!("give a number above 0, and at most {RATE_MAX:e}");
            return Err(Problem::invalid(cause).next(next).at(format!("autoscaling.replica_carries.{name}")));
        }
    }
    let over_capacity_share = request.over_capacity_share.unwrap_or(OVER_CAPACITY_SHARE);
    if !(over_capacity_share > 0.0 && over_capacity_share <= OVER_CAPACITY_SHARE_MAX) {
        let cause = format!("{over_capacity_share} is no share of the load that may find every replica busy");
        let next = format!("give a number above 0, and at most {OVER_CAPACITY_SHARE_MAX}");
        return Err(Problem::invalid(cause).next(next).at("autoscaling.over_capacity_share"));
    }
    Ok(Autoscaling { replicas_min, replicas_max, replica_carries: carries, over_capacity_share })
}
