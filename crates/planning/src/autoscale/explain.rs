//! A decision in a sentence, with its numbers.

use super::situation::{AutoscaleDecision, AutoscaleGoal, AutoscaleReason, AutoscaleSituation};

/// Why so many.
#[must_use]
pub fn explain(decision: &AutoscaleDecision, situation: &AutoscaleSituation, goal: &AutoscaleGoal) -> String {
    let AutoscaleDecision { forecast, margin, .. } = decision;
    let AutoscaleSituation { load, ready, loading, backlog_replica_s, .. } = situation;
    let AutoscaleGoal { cold_start_s, drain_s, replicas_min, replicas_max, .. } = goal;
    match decision.reason {
        AutoscaleReason::Forecast => format!(
            "a load of {forecast:.2} replicas is expected in {cold_start_s:.1} s, the time of a cold start, and up to \
             {margin:.2} more; now it is {load:.2}"
        ),
        AutoscaleReason::LoadNow => format!("the load is {load:.2} replicas now, and {ready} serve"),
        AutoscaleReason::Panic => {
            format!("the load was over capacity a moment ago: nothing is given back yet; now it is {load:.2} replicas")
        }
        AutoscaleReason::Backlog => format!(
            "{backlog_replica_s:.1} replica-seconds of work wait, to be done within {drain_s:.0} s beside a load of \
             {load:.2} replicas"
        ),
        AutoscaleReason::StillLoading => {
            format!("{loading} replicas are still starting, and would only be started again; the load is {load:.2}")
        }
        AutoscaleReason::ToZero => format!(
            "nothing is asked for, and nothing is expected for so long that a cold start of {cold_start_s:.1} s is the \
             lesser cost"
        ),
        AutoscaleReason::Limit if decision.replicas == *replicas_max => format!(
            "a load of {:.2} replicas with its margin asks for more; {replicas_max} is the most allowed",
            load.max(forecast + margin)
        ),
        AutoscaleReason::Limit if decision.replicas == *replicas_min => {
            format!("a load of {load:.2} replicas asks for fewer; {replicas_min} is the fewest allowed")
        }
        AutoscaleReason::Limit => {
            format!(
                "nothing is asked for; the last replica stays until a cold start of {cold_start_s:.1} s is the lesser cost"
            )
        }
        AutoscaleReason::Learning if situation.partial => {
            format!("a gateway is silent, and may have more load than the {load:.2} replicas seen")
        }
        AutoscaleReason::Learning => {
            format!("the load of {load:.2} replicas has not been watched for long enough to give anything back")
        }
    }
}
