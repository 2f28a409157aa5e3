//! The case of one request: whether replicas die of it. What is done around [`crate::suspects`], which decides.
//!
//! A request is looked up only while something is suspected, and hashed only then or when a replica dies under it, so
//! that ordinary ones cost nothing.

use std::sync::Arc;
use std::time::Duration;

use domain::{DeadlyRequest, SiteRef};
use futures_util::future::join_all;
use telemetry::tasks;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::attempt::Outgoing;
use crate::meter::DeadlyAction;
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::shared::Shared;
use crate::suspects::{Death, Fingerprint, REFUSED_MS, Standing, Verdict};
use crate::table::{Model, Seat};

/// How long a suspect waits for a replica on which no other suspect runs.
const APART_TIME: Duration = Duration::from_secs(2);
/// What a probe may take beyond its limit until its outcome is known.
const PROBE_SLACK: Duration = Duration::from_secs(1);

/// What is known of a request while a replica is sought for it.
pub(crate) struct Case {
    shared: Arc<Shared>,
    model: Arc<Model>,
    fingerprint: Option<Fingerprint>,
    pub(crate) is_suspect: bool,
    /// Where replicas died under it.
    sites: Vec<SiteRef>,
    /// The first death is looked into while the request goes on.
    first: Option<JoinHandle<Option<Loss>>>,
    /// Replicas that lost it and live.
    lives: u32,
    apart_until: Option<Instant>,
}

/// The request on one replica, until the end of its answer.
pub(crate) struct Exposure {
    shared: Arc<Shared>,
    model: Arc<Model>,
    pub(crate) replica: Arc<Replica>,
    fingerprint: Option<Fingerprint>,
    is_suspect: bool,
    sent: Instant,
}

impl Case {
    /// Opens the case of a request; refuses one of which replicas have died.
    pub(crate) fn open(shared: &Arc<Shared>, model: &Arc<Model>, call: &Outgoing) -> Result<Self, Refusal> {
        let mut case = Self {
            shared: Arc::clone(shared),
            model: Arc::clone(model),
            fingerprint: None,
            is_suspect: false,
            sites: Vec::new(),
            first: None,
            lives: 0,
            apart_until: None,
        };
        if shared.watch.is_quiet() {
            return Ok(case);
        }
        case.fingerprint = Some(call.fingerprint(model));
        case.look()?;
        Ok(case)
    }

    /// Looks again how the request stands: the same one may have been judged meanwhile.
    pub(crate) fn look(&mut self) -> Result<(), Refusal> {
        let Some(fingerprint) = &self.fingerprint else { return Ok(()) };
        match self.shared.watch.standing(fingerprint) {
            Standing::Unknown => Ok(()),
            Standing::Suspect => {
                self.is_suspect = true;
                Ok(())
            }
            Standing::Refused(millis) => {
                self.model.meter.deadly(DeadlyAction::Refused);
                Err(Refusal::deadly(millis.div_ceil(1_000)))
            }
        }
    }

    /// Whether a seat is where replicas died under it: a site that is out takes all its replicas.
    pub(crate) fn died_at(&self, seat: &Seat) -> bool {
        self.sites.contains(&seat.site)
    }

    /// Until when to wait for a replica without other suspects.
    pub(crate) fn apart_until(&mut self) -> Instant {
        *self.apart_until.get_or_insert_with(|| Instant::now() + APART_TIME)
    }

    /// The request goes to a replica; nothing when it must be `alone` there and another suspect came first.
    pub(crate) fn enter(&self, replica: &Arc<Replica>, alone: bool) -> Option<Exposure> {
        if self.is_suspect && !replica.suspect_entered(alone) {
            return None;
        }
        Some(Exposure {
            shared: Arc::clone(&self.shared),
            model: Arc::clone(&self.model),
            replica: Arc::clone(replica),
            fingerprint: self.fingerprint,
            is_suspect: self.is_suspect,
            sent: Instant::now(),
        })
    }

    /// The replica may have died under it. Refuses the request when it is to blame; true when two replicas lost it and
    /// live. The first time nothing is waited for: another replica is asked at once.
    pub(crate) async fn lost(
        &mut self,
        mut exposure: Exposure,
        seat: &Seat,
        is_proven: bool,
        call: &Outgoing,
    ) -> Result<bool, Refusal> {
        let fingerprint = *self.fingerprint.get_or_insert_with(|| call.fingerprint(&self.model));
        exposure.fingerprint = Some(fingerprint);
        let is_first = self.sites.is_empty();
        let was_suspect = std::mem::replace(&mut self.is_suspect, true);
        self.sites.push(seat.site.clone());
        let loss = exposure.lost(is_proven);
        if is_first && !was_suspect {
            self.first = Some(tasks::spawn("gateway look into a death", loss));
            return Ok(false);
        }
        if let Some(first) = self.first.take() {
            // It ends with the outcome of a probe.
            self.lives += u32::from(matches!(first.await, Ok(Some(Loss::Lives))));
        }
        match loss.await {
            Loss::Dead(Verdict::Culprit) => return Err(Refusal::deadly(REFUSED_MS / 1_000)),
            Loss::Lives => self.lives += 1,
            Loss::Dead(Verdict::Suspect) | Loss::Unclear => {}
        }
        Ok(self.lives > 1)
    }
}

/// What became of a replica that lost a request.
enum Loss {
    /// It died, and this follows for the request.
    Dead(Verdict),
    /// It answers probes.
    Lives,
    /// This process was paused meanwhile.
    Unclear,
}

impl Exposure {
    /// When the request was sent there.
    pub(crate) fn sent(&self) -> Instant {
        self.sent
    }

    /// So that what happens after its first content can be told, when the request itself is gone.
    pub(crate) fn identify(&mut self, call: &Outgoing) {
        self.fingerprint.get_or_insert_with(|| call.fingerprint(&self.model));
    }

    /// It was answered to its end.
    pub(crate) fn answered(&self) {
        if let Some(fingerprint) = self.fingerprint.as_ref().filter(|_| !self.shared.watch.is_quiet()) {
            self.shared.watch.answered(fingerprint);
        }
    }

    /// The replica was lost in the middle of the answer: whether it died is looked into, and noted for the next time.
    pub(crate) fn cut(self) {
        drop(tasks::spawn("gateway look into a death", self.lost(false)));
    }

    /// What became of the replica. The moment counts, and who ran there then: both are taken before anything is waited
    /// for.
    fn lost(self, is_proven: bool) -> impl Future<Output = Loss> + Send + 'static {
        let died = Instant::now();
        let companions = self.replica.fell(died).saturating_sub(u32::from(self.is_suspect));
        async move {
            let patience = Duration::from_millis(self.shared.config.probe_timeout_ms) + PROBE_SLACK;
            let lives = !is_proven && self.replica.lives(died, patience).await;
            let Some(fingerprint) = self.fingerprint.filter(|_| !self.shared.pulse.was_paused_since(self.sent)) else {
                return Loss::Unclear;
            };
            if lives {
                return Loss::Lives;
            }
            if self.shared.watch.standing(&fingerprint) == Standing::Suspect {
                // It may be judged now: whether others died by chance must be known by then.
                join_all(self.model.seats.iter().map(|seat| seat.replica.lives(died, patience))).await;
            }
            let replica = self.replica.id.as_str();
            let watch = &self.shared.watch;
            let death = Death {
                replica,
                request: fingerprint,
                sent_ms: watch.millis(self.sent),
                died_ms: watch.millis(died),
                companions,
            };
            let verdict = watch.died(&death);
            let action = match verdict {
                Verdict::Suspect => DeadlyAction::Suspected,
                Verdict::Culprit => {
                    tracing::error!(model = %self.model.name, replica, "replicas die of a request: it is refused");
                    watch.blamed(&self.model, &fingerprint, self.shared.clock.now());
                    DeadlyAction::Blamed
                }
            };
            self.model.meter.deadly(action);
            Loss::Dead(verdict)
        }
    }
}

impl Drop for Exposure {
    fn drop(&mut self) {
        if self.is_suspect {
            self.replica.suspect_left();
        }
    }
}

impl Outgoing {
    /// What tells this request from others: a hash of its path, its model and its body as it is sent.
    pub(crate) fn fingerprint(&self, model: &Model) -> Fingerprint {
        let mut hasher = blake3::Hasher::new();
        for part in [self.endpoint.path().as_bytes(), model.alias_json.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.update(&self.body);
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        fingerprint
    }
}

/// What a gateway tells of a request of which replicas died: never its text.
pub(crate) fn deadly_request(
    model: &Model,
    fingerprint: &Fingerprint,
    replicas: Vec<String>,
    at: domain::Timestamp,
    number: u64,
) -> DeadlyRequest {
    let fingerprint = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    DeadlyRequest { number, model: model.reference.clone(), fingerprint, replicas, at }
}
