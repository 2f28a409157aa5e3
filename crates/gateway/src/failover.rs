//! Picks a replica, asks it, and asks another when it fails, for as long as nothing of the answer has been sent.

use std::sync::Arc;
use std::time::Duration;

use planning::balance::{Exclusion, Exclusions};
use rand::Rng as _;
use tokio::time::Instant;

use crate::attempt::{self, Outgoing, Reply};
use crate::case::{Case, Exposure};
use crate::choose::{Chosen, choose, describe};
use crate::failure::Failure;
use crate::meter::RetryReason;
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::shared::Shared;
use crate::table::{Model, Seat};

/// Longest pause before an attempt that has nobody better to ask.
const PAUSE_MAX_MS: u64 = 1_000;
/// How often to look whether a replica is up again, or free of other suspects.
const PATIENCE_STEP: Duration = Duration::from_millis(50);

/// An answer, and who gave it.
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    pub(crate) exposure: Exposure,
    /// Index of the replica's cloud among the model's meter's.
    pub(crate) cloud: usize,
}

/// Asks replicas until one answers, at most as often as the configuration allows.
pub(crate) async fn answer(shared: Arc<Shared>, model: Arc<Model>, call: Outgoing) -> Result<Answered, Refusal> {
    let case = Case::open(&shared, &model, &call)?;
    let patient_until = Instant::now() + Duration::from_millis(shared.config.patience_ms);
    let (tried, failed) = (Vec::new(), Vec::new());
    let mut search = Search { shared, model, call, case, patient_until, tried, failed, last: None, busy: None };
    loop {
        let (chosen, exposure) = search.next().await?;
        let model = Arc::clone(&search.model);
        let seat = chosen.seat(&model);
        match attempt::ask(&model, &chosen, &search.call, &search.shared.config, &search.shared.pulse).await {
            Ok(reply) => return Ok(search.found(&chosen, reply, exposure, seat.cloud)),
            Err(failure) => {
                if let Some(answered) = search.failed(seat, failure, exposure).await? {
                    return Ok(answered);
                }
            }
        }
        search.model = current(&search.shared, &search.model);
    }
}

/// The search for a replica that answers.
struct Search {
    shared: Arc<Shared>,
    model: Arc<Model>,
    call: Outgoing,
    case: Case,
    patient_until: Instant,
    tried: Vec<Arc<Replica>>,
    /// Failures that do not count yet, for they may be the request's fault.
    failed: Vec<(Arc<Replica>, Failure)>,
    last: Option<Reason>,
    busy: Option<Refusal>,
}

/// What is kept of the last failure.
struct Reason {
    text: String,
    reason: RetryReason,
}

/// A choice, or why to wait.
enum Next {
    Ask(Chosen, bool),
    /// Replicas without other suspects will be there in a moment.
    Wait,
    Nobody(Exclusions),
}

impl Search {
    /// The next replica to ask, or why there is none.
    async fn next(&mut self) -> Result<(Chosen, Exposure), Refusal> {
        loop {
            self.case.look()?;
            let next = self.choose();
            let nobody_is_up = match &next {
                Next::Ask(chosen, _) => chosen.despite() == Some(Exclusion::Down),
                Next::Nobody(_) => true,
                Next::Wait => false,
            };
            if matches!(next, Next::Wait) || (nobody_is_up && Instant::now() < self.patient_until) {
                // One is mostly on its way already: its cloud replaces it, its process starts again.
                tokio::time::sleep(PATIENCE_STEP).await;
                self.model = current(&self.shared, &self.model);
                continue;
            }
            let (chosen, alone) = self.allowed(next)?;
            if let Some(exposure) = self.case.enter(&chosen.seat(&self.model).replica, alone) {
                self.announce(&chosen).await;
                return Ok((chosen, exposure));
            }
        }
    }

    fn choose(&mut self) -> Next {
        let choose = |avoid: &[Arc<Replica>]| choose(&self.shared, &self.model, &self.call.prompt, avoid);
        if !self.case.is_suspect {
            return choose(&self.tried).map_or_else(Next::Nobody, |chosen| Next::Ask(chosen, false));
        }
        // A suspect goes where no other runs, and if it can be to another site than where replicas died.
        let avoided = |avoids: &dyn Fn(&Seat) -> bool| {
            let others = self.model.seats.iter().filter(|seat| avoids(seat)).map(|seat| Arc::clone(&seat.replica));
            self.tried.iter().cloned().chain(others).collect::<Vec<_>>()
        };
        let is_shared = |seat: &Seat| seat.replica.suspects() > 0;
        for avoid in [avoided(&|seat| is_shared(seat) || self.case.died_at(seat)), avoided(&is_shared)] {
            if let Ok(chosen) = choose(&avoid)
                && chosen.despite().is_none()
            {
                return Next::Ask(chosen, true);
            }
        }
        let chosen = choose(&self.tried);
        let frees_up =
            chosen.as_ref().is_ok_and(|chosen| chosen.despite().is_none() && is_shared(chosen.seat(&self.model)));
        if frees_up && Instant::now() < self.case.apart_until() {
            return Next::Wait;
        }
        chosen.map_or_else(Next::Nobody, |chosen| Next::Ask(chosen, false))
    }

    /// Whether the chosen one may be asked.
    fn allowed(&mut self, next: Next) -> Result<(Chosen, bool), Refusal> {
        let attempts = self.attempts();
        let replicas = u32::try_from(self.model.seats.len()).unwrap_or(u32::MAX);
        let attempts_max = self.shared.config.attempts_max.min(replicas.saturating_add(1));
        let was_busy = self.last.as_ref().is_some_and(|last| last.reason == RetryReason::Busy);
        match next {
            // Nobody is left who has not said that he is full: asking again at once would only add to it.
            Next::Ask(chosen, _) if chosen.despite() == Some(Exclusion::Tried) && was_busy => Err(self.exhausted()),
            Next::Ask(chosen, alone) if attempts < attempts_max => Ok((chosen, alone)),
            Next::Nobody(reasons) if self.last.is_none() => {
                let starting = self.model.starts_in_seconds.map(Refusal::starting);
                Err(starting.unwrap_or_else(|| Refusal::no_replica(&describe(&reasons))))
            }
            Next::Ask(..) | Next::Nobody(_) | Next::Wait => Err(self.exhausted()),
        }
    }

    fn attempts(&self) -> u32 {
        u32::try_from(self.tried.len()).unwrap_or(u32::MAX)
    }

    /// Counts a retry, and pauses before one that has nobody better to ask.
    async fn announce(&self, chosen: &Chosen) {
        let Some(last) = &self.last else { return };
        self.model.meter.retried(last.reason);
        if chosen.despite().is_some() {
            pause(&self.shared, self.attempts()).await;
        }
    }

    /// A replica answered: what failed on others was their fault.
    fn found(self, chosen: &Chosen, reply: Reply, mut exposure: Exposure, cloud: usize) -> Answered {
        self.model.meter.forecast(chosen, &self.shared.weights);
        self.count_failures();
        match &reply {
            Reply::Whole { head, .. } if head.status.is_success() => exposure.answered(),
            Reply::Whole { .. } => {}
            Reply::Stream { .. } => exposure.identify(&self.call),
        }
        Answered { reply, exposure, cloud }
    }

    /// Notes a failure. An answer, when two replicas failed in the same way, so that the request is at fault; a refusal,
    /// when they died of it.
    async fn failed(
        &mut self,
        seat: &Seat,
        mut failure: Failure,
        exposure: Exposure,
    ) -> Result<Option<Answered>, Refusal> {
        let replica = Arc::clone(&exposure.replica);
        tracing::debug!(replica = %replica.id, cause = %failure, "attempt failed");
        self.last = Some(Reason { text: failure.to_string(), reason: failure.reason() });
        let was_tried = self.tried.iter().any(|tried| Arc::ptr_eq(tried, &replica));
        self.tried.push(Arc::clone(&replica));
        // After a pause of this process nothing is judged: what broke may have broken meanwhile.
        let is_void = self.shared.pulse.was_paused_since(exposure.sent());
        match failure {
            Failure::Busy { status, retry_after_seconds } => {
                replica.suspect.notify_one();
                self.busy = Some(Refusal::replicas_busy(status, retry_after_seconds));
            }
            // Another attempt would need a connection, too, and no replica is to blame.
            Failure::Exhausted => return Err(Refusal::out_of_descriptors()),
            Failure::Refused => {
                if replica.refused() {
                    self.shared.watch.replica_lost(&replica.id);
                }
            }
            Failure::Died { is_proven, .. } if !is_void => {
                replica.suspect.notify_one();
                if self.case.lost(exposure, seat, is_proven, &self.call).await? {
                    // Both live: they closed the connection on this request.
                    self.failed.clear();
                    return Err(self.exhausted());
                }
                self.failed.push((replica, failure));
            }
            Failure::Unreachable | Failure::Slow if is_void => replica.suspect.notify_one(),
            Failure::Died { .. } => replica.suspect.notify_one(),
            Failure::Unreachable | Failure::Unwelcome(_) => replica.failed(&self.shared.config.ejection()),
            Failure::Faulty(ref mut fault) => {
                replica.suspect.notify_one();
                let answer = fault.answer.take();
                let is_alike = !was_tried && self.failed.iter().any(|(_, before)| before.is_like(&failure));
                if is_alike {
                    self.failed.clear();
                    return self.pass_on(answer, exposure, seat.cloud).map(Some);
                }
                self.failed.push((replica, failure));
            }
            Failure::Slow => {
                let is_alike = !was_tried && self.failed.iter().any(|(_, before)| before.is_like(&failure));
                if is_alike {
                    self.failed.clear();
                    return Err(self.exhausted());
                }
                self.failed.push((replica, failure));
            }
        }
        Ok(None)
    }

    /// The error that two replicas gave, as the last one said it.
    fn pass_on(
        &mut self,
        answer: Option<(http::response::Parts, bytes::Bytes)>,
        exposure: Exposure,
        cloud: usize,
    ) -> Result<Answered, Refusal> {
        let Some((mut head, body)) = answer else { return Err(self.exhausted()) };
        // Attempts were made and failed: the client is not to repeat them.
        head.headers.insert("x-should-retry", http::HeaderValue::from_static("false"));
        Ok(Answered { reply: Reply::Whole { head, body, usage: None }, exposure, cloud })
    }

    /// Failures that were not the request's fault count against the replicas.
    fn count_failures(&self) {
        for (replica, _) in &self.failed {
            replica.failed(&self.shared.config.ejection());
        }
    }

    fn exhausted(&mut self) -> Refusal {
        self.count_failures();
        self.failed.clear();
        match (&self.last, self.busy.take()) {
            // A replica that was merely full may have room soon, whatever happened to the others.
            (_, Some(busy)) => busy,
            (Some(last), None) => Refusal::attempts_failed(self.attempts(), &last.text),
            (None, None) => Refusal::no_replica("no attempt is allowed"),
        }
    }
}

/// The model as it is now: a replica may have been replaced meanwhile, another one may be draining.
fn current(shared: &Shared, model: &Arc<Model>) -> Arc<Model> {
    Arc::clone(shared.table.load().models.get(&model.name).unwrap_or(model))
}

/// A pause that doubles, with jitter, so that requests which failed together do not come back together.
async fn pause(shared: &Shared, attempts: u32) {
    let most_ms = (50_u64 << attempts.min(10)).min(PAUSE_MAX_MS);
    let millis = shared.chance.draw().random_range(most_ms / 2..=most_ms);
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
