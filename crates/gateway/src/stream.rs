//! The stream that a client gets, in three phases: waiting for the first content (failover goes on behind it), relaying,
//! ended. Comments keep an idle connection alive; deadlines end a dead one; a break after content becomes a typed event.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::time::{Instant, Sleep};

use crate::attempt::Reply;
use crate::case::Exposure;
use crate::failover::Answered;
use crate::meter::Outcome;
use crate::refusal::Refusal;
use crate::relay::{Event, Relay, Used};
use crate::respond::outcome_of;
use crate::settle::Ticket;
use crate::shared::Shared;

/// An answer that is still being looked for.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Result<Answered, Refusal>> + Send>>;

pub(crate) const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// A stream on its way to a client. Dropping it cancels the work upstream.
pub(crate) struct ClientStream {
    shared: Arc<Shared>,
    phase: Phase,
    ticket: Ticket,
    /// Fires when something may be due; what is due is then worked out, so that a chunk need not touch the timer.
    timer: Pin<Box<Sleep>>,
    last_received: Instant,
    last_sent: Instant,
    deadline: Instant,
    idle: Duration,
    keep_alive: Duration,
}

enum Phase {
    Waiting(Pending),
    Relaying { held: Bytes, relay: Box<Relay>, exposure: Exposure },
    Ended,
}

impl ClientStream {
    /// A stream whose first content is there.
    pub(crate) fn relaying(
        held: Bytes,
        relay: Box<Relay>,
        exposure: Exposure,
        mut ticket: Ticket,
        shared: &Arc<Shared>,
    ) -> Self {
        ticket.first_token();
        Self::new(Phase::Relaying { held, relay, exposure }, ticket, shared)
    }

    /// A stream whose head goes out before its first content.
    pub(crate) fn waiting(pending: Pending, ticket: Ticket, shared: &Arc<Shared>) -> Self {
        Self::new(Phase::Waiting(pending), ticket, shared)
    }

    fn new(phase: Phase, ticket: Ticket, shared: &Arc<Shared>) -> Self {
        let config = &shared.config;
        let now = Instant::now();
        let idle = Duration::from_millis(config.stream_idle_ms);
        let keep_alive = Duration::from_millis(config.keep_alive_ms.max(1));
        Self {
            shared: Arc::clone(shared),
            phase,
            timer: Box::pin(tokio::time::sleep(keep_alive.min(idle))),
            last_received: now,
            last_sent: now,
            deadline: ticket.began() + Duration::from_millis(config.request_ms),
            ticket,
            idle,
            keep_alive,
        }
    }

    /// The next bytes for the client; nothing when the stream has ended.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let step = match &mut self.phase {
            Phase::Ended => return Poll::Ready(None),
            Phase::Waiting(pending) => match pending.as_mut().poll(cx) {
                Poll::Ready(found) => return self.found(found),
                Poll::Pending => Poll::Pending,
            },
            Phase::Relaying { held, relay, .. } => {
                if !held.is_empty() {
                    return Poll::Ready(Some(std::mem::take(held)));
                }
                relay.poll_next(cx)
            }
        };
        match step {
            Poll::Ready(Event::Frames(frames)) => {
                self.last_received = Instant::now();
                self.last_sent = self.last_received;
                Poll::Ready(Some(frames))
            }
            Poll::Ready(Event::End) => {
                self.finish(Outcome::Ok, false);
                Poll::Ready(None)
            }
            Poll::Ready(Event::Lost(why)) => Poll::Ready(Some(self.cut(why, true))),
            Poll::Ready(Event::Nonsense(why)) => Poll::Ready(Some(self.cut(why, false))),
            Poll::Pending => self.poll_timer(cx),
        }
    }

    /// The answer that was waited for, as the next bytes.
    fn found(&mut self, found: Result<Answered, Refusal>) -> Poll<Option<Bytes>> {
        match found {
            Ok(Answered { reply: Reply::Stream { held, relay, .. }, exposure, cloud }) => {
                self.ticket.answered_on(cloud);
                self.ticket.first_token();
                self.last_received = Instant::now();
                self.last_sent = self.last_received;
                self.phase = Phase::Relaying { held: Bytes::new(), relay, exposure };
                Poll::Ready(Some(held))
            }
            // The head is out: whatever this is, it must be said in an event.
            Ok(Answered { reply: Reply::Whole { body, head, usage }, cloud, .. }) => {
                self.ticket.answered_on(cloud);
                self.ticket.used(Used { usage: usage.unwrap_or_default(), is_estimate: false });
                self.finish(outcome_of(head.status), false);
                let mut event = BytesMut::with_capacity(body.len() + 8);
                event.put_slice(b"data: ");
                // A line break would end the event's line.
                event.extend(body.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
                event.put_slice(b"\n\n");
                Poll::Ready(Some(event.freeze()))
            }
            Err(refusal) => {
                let outcome = match refusal.retry_after_seconds {
                    _ if refusal.exhausted => Outcome::Failed,
                    Some(_) => Outcome::Overloaded,
                    None => Outcome::Rejected,
                };
                self.finish(outcome, false);
                Poll::Ready(Some(refusal.to_event()))
            }
        }
    }

    /// Nothing came: is a comment due, or the end?
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.deadline {
                return Poll::Ready(Some(self.expire()));
            }
            let is_relaying = matches!(self.phase, Phase::Relaying { .. });
            if is_relaying && now >= self.last_received + self.idle {
                if !self.shared.pulse.was_paused_since(self.last_received) {
                    return Poll::Ready(Some(self.cut("the replica fell silent", true)));
                }
                // Nobody listened: what it sent meanwhile is about to be read.
                self.last_received = now;
            }
            let is_due = now >= self.last_sent + self.keep_alive;
            if is_due {
                self.last_sent = now;
            }
            let mut next = (self.last_sent + self.keep_alive).min(self.deadline);
            if is_relaying {
                next = next.min(self.last_received + self.idle);
            }
            self.timer.as_mut().reset(next);
            if is_due {
                return Poll::Ready(Some(KEEP_ALIVE));
            }
        }
    }

    fn expire(&mut self) -> Bytes {
        self.finish(Outcome::Failed, false);
        Refusal::deadline().to_event()
    }

    /// Ends a stream that broke off; `is_lost` says that the replica may have died.
    fn cut(&mut self, why: &str, is_lost: bool) -> Bytes {
        self.finish(Outcome::Cut, is_lost);
        Refusal::cut_midstream(why).to_event()
    }

    fn finish(&mut self, outcome: Outcome, is_lost: bool) {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let mut outcome = outcome;
        if let Phase::Relaying { relay, exposure, .. } = phase {
            self.ticket.used(relay.used());
            if relay.has_error() {
                outcome = Outcome::Cut;
            }
            if is_lost {
                exposure.cut();
            } else if outcome == Outcome::Ok {
                exposure.answered();
            }
        }
        self.ticket.ended(outcome);
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        // The client left: what was used until then is still settled.
        if let Phase::Relaying { relay, .. } = &self.phase {
            self.ticket.used(relay.used());
        }
    }
}
