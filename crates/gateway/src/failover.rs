//! Picks a replica, asks it, and asks another when it fails, for as long as nothing of the answer has been sent.

use std::sync::Arc;
use std::time::Duration;

use planning::balance::Exclusion;
use rand::Rng as _;
use tokio::time::Instant;

use crate::attempt::{self, Failure, Outgoing, Reply};
use crate::choose::{choose, describe};
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::shared::Shared;
use crate::table::Model;

/// Longest pause before an attempt that has nobody better to ask.
const PAUSE_MAX_MS: u64 = 1_000;
/// How often to look whether a replica is up again.
const PATIENCE_STEP: Duration = Duration::from_millis(50);

/// An answer, and who gave it.
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    pub(crate) replica: Arc<Replica>,
    /// Index of the replica's cloud among the model's meter's.
    pub(crate) cloud: usize,
}

/// Asks replicas until one answers, at most as often as the configuration allows.
pub(crate) async fn answer(shared: Arc<Shared>, model: Arc<Model>, call: Outgoing) -> Result<Answered, Refusal> {
    let mut model = model;
    let mut tried: Vec<Arc<Replica>> = Vec::new();
    let mut last: Option<Failure> = None;
    let mut busy: Option<Refusal> = None;
    let patient_until = Instant::now() + Duration::from_millis(shared.config.patience_ms);
    loop {
        let attempts = u32::try_from(tried.len()).unwrap_or(u32::MAX);
        let replicas = u32::try_from(model.seats.len()).unwrap_or(u32::MAX);
        let chosen = choose(&shared, &model, &call.prompt, &tried);
        let nobody_is_up = chosen.as_ref().map_or(true, |chosen| chosen.despite() == Some(Exclusion::Down));
        if nobody_is_up && Instant::now() < patient_until {
            // One is mostly on its way already: its cloud replaces it, its process starts again.
            tokio::time::sleep(PATIENCE_STEP).await;
            model = current(&shared, model);
            continue;
        }
        let chosen = match chosen {
            // Nobody is left who has not said that he is full: asking again at once would only add to it.
            Ok(chosen) if chosen.despite() == Some(Exclusion::Tried) && matches!(last, Some(Failure::Busy { .. })) => {
                None
            }
            Ok(chosen) if attempts < shared.config.attempts_max.min(replicas.saturating_add(1)) => Some(chosen),
            Ok(_) => None,
            Err(reasons) if last.is_none() => {
                let starting = model.starts_in_seconds.map(Refusal::starting);
                return Err(starting.unwrap_or_else(|| Refusal::no_replica(&describe(&reasons))));
            }
            Err(_) => None,
        };
        let Some(chosen) = chosen else { return Err(exhausted(attempts, last, busy)) };
        if let Some(failure) = &last {
            model.meter.retried(failure.reason());
            if chosen.despite().is_some() {
                pause(&shared, attempts).await;
            }
        }
        let seat = chosen.seat(&model);
        let replica = Arc::clone(&seat.replica);
        match attempt::ask(&model, &chosen, &call, &shared.config).await {
            Ok(reply) => {
                model.meter.forecast(&chosen, &shared.weights);
                return Ok(Answered { reply, replica, cloud: seat.cloud });
            }
            // Another attempt would need a connection, too, and no replica is to blame.
            Err(Failure::Exhausted) => return Err(Refusal::out_of_descriptors()),
            Err(failure) => {
                tracing::debug!(replica = %replica.id, cause = %failure, "attempt failed");
                blame(&shared, &replica, &failure);
                if let Failure::Busy { status, retry_after_seconds } = failure {
                    busy = Some(Refusal::replicas_busy(status, retry_after_seconds));
                }
                last = Some(failure);
                tried.push(replica);
            }
        }
        model = current(&shared, model);
    }
}

/// The model as it is now: a replica may have been replaced meanwhile, another one may be draining.
fn current(shared: &Shared, model: Arc<Model>) -> Arc<Model> {
    shared.table.load().models.get(&model.name).map_or(model, Arc::clone)
}

/// What a failure says about the replica: being full says nothing, refusing a connection says all.
fn blame(shared: &Shared, replica: &Replica, failure: &Failure) {
    match failure {
        Failure::Busy { .. } => replica.suspect.notify_one(),
        Failure::Exhausted => {}
        Failure::Refused => replica.refused(),
        Failure::Lost(_) | Failure::Status(_) | Failure::Stalled(_) => replica.failed(&shared.config.ejection()),
    }
}

/// A pause that doubles, with jitter, so that requests which failed together do not come back together.
async fn pause(shared: &Shared, attempts: u32) {
    let most_ms = (50_u64 << attempts.min(10)).min(PAUSE_MAX_MS);
    let millis = shared.chance.draw().random_range(most_ms / 2..=most_ms);
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

fn exhausted(attempts: u32, last: Option<Failure>, busy: Option<Refusal>) -> Refusal {
    match (last, busy) {
        // A replica that was merely full may have room soon, whatever happened to the others.
        (_, Some(busy)) => busy,
        (Some(last), None) => Refusal::attempts_failed(attempts, &last.to_string()),
        (None, None) => Refusal::no_replica("no attempt is allowed"),
    }
}
