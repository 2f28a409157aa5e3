//! What is known of one connection, and what is due on it.
//!
//! Deadlines are judged here and not in the future that reads or writes, because that is not polled while a client does
//! nothing: the connection's task asks at every change and whenever its timer fires.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use crate::framing::{Fault, Place};

/// How long a connection may take on each thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Without any byte between requests, and before the first one.
    pub idle: Duration,
    /// From the end of a head to the end of its body.
    pub body: Duration,
    /// Without a byte taken by a client that has bytes to take.
    pub stall: Duration,
}

/// While a listener drains, a head that has begun may take this long.
const DRAIN_HEAD: Duration = Duration::from_secs(1);
/// During this part of a request a closed sending side is taken for a client that waits for its answer.
const TRUST_HALF_CLOSE: Duration = Duration::from_millis(500);
/// How long a client may go on sending after its answer.
const LINGER: Duration = Duration::from_secs(5);
/// How often to look whether a client that closed its sending side has left, at first and at last.
const LEFT_LOOK_FIRST: Duration = Duration::from_millis(1);
const LEFT_LOOK_LAST: Duration = Duration::from_secs(1);

/// What the listener asks of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
#[repr(u8)]
pub(crate) enum Order {
    Serve,
    /// Finish what runs, take nothing new.
    Drain,
    /// End now if nothing runs: others wait for the place.
    MakeRoom,
    /// End now.
    Cut,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing before this time.
    Nothing(Instant),
    /// The connection has to end.
    End(Ending),
}

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Idle,
    SlowHead,
    SlowBody,
    Stalled,
    Overdue,
    Crowded,
    Drained,
}

impl Ending {
    pub(crate) const ALL: [Self; 7] =
        [Self::Idle, Self::SlowHead, Self::SlowBody, Self::Stalled, Self::Overdue, Self::Crowded, Self::Drained];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::SlowHead => "head",
            Self::SlowBody => "body",
            Self::Stalled => "stalled",
            Self::Overdue => "overdue",
            Self::Crowded => "crowded",
            Self::Drained => "drained",
        }
    }
}

/// One connection. Times are microseconds since it was accepted; zero is "not now".
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) limits: Limits,
    began: Instant,
    order: AtomicU8,
    pub(crate) waker: AtomicWaker,
    /// A request is with the service, or its answer's body is not all taken.
    is_busy: AtomicBool,
    /// The head of the answer is known.
    is_answering: AtomicBool,
    /// The client speaks HTTP/1.0, which has no interim responses.
    is_old: AtomicBool,
    place: AtomicU8,
    /// When the present place was reached.
    place_since: AtomicU64,
    /// Number and kind of a fault in the framing, packed; zero when there is none.
    fault: AtomicU64,
    requests: AtomicU64,
    blocked_since: AtomicU64,
    /// When the answer must have ended.
    end_by: AtomicU64,
    /// When the client closed its sending side.
    closed_since: AtomicU64,
    looks: AtomicU64,
    /// That was kept from the parser.
    is_closing_hidden: AtomicBool,
    /// Since when what comes is thrown away, the answer being out.
    lingers_since: AtomicU64,
    /// Something became due earlier than the timer knows.
    must_rearm: AtomicBool,
}

impl State {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            began: Instant::now(),
            order: AtomicU8::new(Order::Serve as u8),
            waker: AtomicWaker::new(),
            is_busy: AtomicBool::new(false),
            is_answering: AtomicBool::new(false),
            is_old: AtomicBool::new(false),
            place: AtomicU8::new(Place::Between as u8),
            place_since: AtomicU64::new(0),
            fault: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            end_by: AtomicU64::new(0),
            closed_since: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            is_closing_hidden: AtomicBool::new(false),
            lingers_since: AtomicU64::new(0),
            must_rearm: AtomicBool::new(false),
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.began).as_micros();
        u64::try_from(since).unwrap_or(u64::MAX).max(1)
    }

    fn at(&self, micros: u64) -> Instant {
        self.began + Duration::from_micros(micros)
    }

    // What the listener says.

    pub(crate) fn give(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        self.must_rearm.store(true, Ordering::Relaxed);
        self.waker.wake();
    }

    pub(crate) fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Serve,
            1 => Order::Drain,
            2 => Order::MakeRoom,
            _ => Order::Cut,
        }
    }

    /// It was asked to make room and could not, and goes on.
    pub(crate) fn stays(&self) {
        let _ =
            self.order.compare_exchange(Order::MakeRoom as u8, Order::Serve as u8, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Since when nothing has run on it, when nothing runs.
    pub(crate) fn free_since(&self) -> Option<Instant> {
        self.is_free().then(|| self.at(self.place_since.load(Ordering::Relaxed)))
    }

    /// Whether any request has come on it.
    pub(crate) fn has_served(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// Nothing runs, and nothing waits to be written.
    pub(crate) fn is_free(&self) -> bool {
        !self.is_busy.load(Ordering::Relaxed)
            && self.blocked_since.load(Ordering::Relaxed) == 0
            && matches!(self.place(), Place::Between | Place::Head)
    }

    // What the wire says.

    pub(crate) fn place(&self) -> Place {
        match self.place.load(Ordering::Relaxed) {
            0 => Place::Between,
            1 => Place::Head,
            2 => Place::Body,
            _ => Place::Lost,
        }
    }

    pub(crate) fn reached(&self, place: Place, fault: Option<(u64, Fault)>) {
        if let Some((head, fault)) = fault {
            let kind = match fault {
                Fault::BareLineFeed => 1,
                Fault::TwoLengths => 2,
            };
            self.fault.store(head << 2 | kind, Ordering::Relaxed);
        }
        self.place.store(place as u8, Ordering::Relaxed);
        self.place_since.store(self.micros(Instant::now()), Ordering::Relaxed);
    }

    pub(crate) fn blocked(&self) {
        if self.blocked_since.load(Ordering::Relaxed) == 0 {
            self.blocked_since.store(self.micros(Instant::now()), Ordering::Relaxed);
        }
    }

    pub(crate) fn unblocked(&self) {
        if self.blocked_since.load(Ordering::Relaxed) != 0 {
            self.blocked_since.store(0, Ordering::Relaxed);
        }
    }

    /// The client closed its sending side. Whether the parser may hear of it: not while an answer is due to a request
    /// that came whole.
    pub(crate) fn closed(&self) -> bool {
        if self.closed_since.load(Ordering::Relaxed) == 0 {
            self.closed_since.store(self.micros(Instant::now()), Ordering::Relaxed);
            self.must_rearm.store(true, Ordering::Relaxed);
        }
        let is_told = self.may_tell_closing();
        self.is_closing_hidden.store(!is_told, Ordering::Relaxed);
        is_told
    }

    fn may_tell_closing(&self) -> bool {
        let is_due = self.is_busy.load(Ordering::Relaxed) && self.place() == Place::Between;
        !is_due && self.blocked_since.load(Ordering::Relaxed) == 0
    }

    /// The answer is out, and the client still sends.
    pub(crate) fn lingers(&self) {
        if self.lingers_since.load(Ordering::Relaxed) == 0 {
            self.lingers_since.store(self.micros(Instant::now()), Ordering::Relaxed);
            self.must_rearm.store(true, Ordering::Relaxed);
        }
    }

    /// The client closed its sending side in the middle of a request, long enough after it that it may have left: it is
    /// to be sent something, which tells.
    pub(crate) fn may_have_left(&self) -> bool {
        let closed = self.closed_since.load(Ordering::Relaxed);
        closed != 0 && self.is_busy.load(Ordering::Relaxed) && Instant::now() >= self.distrusted_at()
    }

    /// Whether an interim response may be sent.
    pub(crate) fn takes_interim(&self) -> bool {
        !self.is_answering.load(Ordering::Relaxed)
            && !self.is_old.load(Ordering::Relaxed)
            && self.blocked_since.load(Ordering::Relaxed) == 0
    }

    fn distrusted_at(&self) -> Instant {
        self.at(self.place_since.load(Ordering::Relaxed)) + TRUST_HALF_CLOSE
    }

    // What the service says.

    /// A request has come. Its fault in the framing, if there is one.
    pub(crate) fn requested(&self, is_old: bool) -> Option<Fault> {
        self.is_busy.store(true, Ordering::Relaxed);
        self.is_answering.store(false, Ordering::Relaxed);
        self.is_old.store(is_old, Ordering::Relaxed);
        self.end_by.store(0, Ordering::Relaxed);
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let fault = self.fault.load(Ordering::Relaxed);
        match (fault >> 2 == number, fault & 3) {
            (true, 1) => Some(Fault::BareLineFeed),
            (true, 2) => Some(Fault::TwoLengths),
            _ => None,
        }
    }

    pub(crate) fn answers(&self) {
        self.is_answering.store(true, Ordering::Relaxed);
    }

    pub(crate) fn must_end_by(&self, at: Instant) {
        self.end_by.store(self.micros(at), Ordering::Relaxed);
        self.must_rearm.store(true, Ordering::Relaxed);
    }

    /// The answer's body was taken to its end, or given up.
    pub(crate) fn answered(&self) {
        self.is_busy.store(false, Ordering::Relaxed);
        if self.place() == Place::Between {
            self.place_since.store(self.micros(Instant::now()), Ordering::Relaxed);
        }
    }

    // What the connection's task asks.

    /// Whether the timer must be set anew; asked once.
    pub(crate) fn take_rearm(&self) -> bool {
        self.must_rearm.load(Ordering::Relaxed) && self.must_rearm.swap(false, Ordering::Relaxed)
    }

    /// The client's closing was kept from the parser, and may be told now; asked once.
    pub(crate) fn take_closing(&self) -> bool {
        let may_tell = self.is_closing_hidden.load(Ordering::Relaxed) && self.may_tell_closing();
        may_tell && self.is_closing_hidden.swap(false, Ordering::Relaxed)
    }

    /// What is due now.
    pub(crate) fn due(&self, now: Instant) -> Due {
        let load = |time: &AtomicU64| Some(time.load(Ordering::Relaxed)).filter(|micros| *micros != 0);
        let is_busy = self.is_busy.load(Ordering::Relaxed);
        let since = self.at(self.place_since.load(Ordering::Relaxed));
        let is_draining = self.order() == Order::Drain;
        let head = if is_draining { self.limits.head.min(DRAIN_HEAD) } else { self.limits.head };
        let here = match (self.place(), is_busy) {
            (Place::Between, false) => Some((since + self.limits.idle, Ending::Idle)),
            (Place::Head, false) => Some((since + head, Ending::SlowHead)),
            // Who answers without waiting for the body is not ended for its sake.
            (Place::Body, true) if self.is_answering.load(Ordering::Relaxed) => None,
            (Place::Body, _) => Some((since + self.limits.body, Ending::SlowBody)),
            // What comes after a fault is thrown away, in bounded time.
            (Place::Lost, false) => Some((since + self.limits.idle, Ending::Idle)),
            (Place::Between | Place::Head | Place::Lost, true) => None,
        };
        let stalled = load(&self.blocked_since).map(|at| (self.at(at) + self.limits.stall, Ending::Stalled));
        let has_answer_due = is_busy || stalled.is_some();
        let overdue = load(&self.end_by).filter(|_| has_answer_due).map(|at| (self.at(at), Ending::Overdue));
        let lingered = load(&self.lingers_since).map(|at| (self.at(at) + LINGER, Ending::SlowBody));
        let mut next = now + self.step();
        for (at, ending) in [here, stalled, overdue, lingered].into_iter().flatten() {
            if at <= now {
                return Due::End(ending);
            }
            next = next.min(at);
        }
        if is_busy && load(&self.closed_since).is_some() {
            next = next.min(self.next_look(now));
        }
        Due::Nothing(next)
    }

    /// How long the timer may rest although nothing is due: what begins meanwhile is seen that much late at most.
    fn step(&self) -> Duration {
        let Limits { head, idle, body, stall } = self.limits;
        (head.min(idle).min(body).min(stall) / 4).max(Duration::from_millis(2))
    }

    /// When to look again whether the client has left.
    fn next_look(&self, now: Instant) -> Instant {
        let distrusted = self.distrusted_at();
        if now < distrusted {
            return distrusted;
        }
        let looks = u32::try_from(self.looks.fetch_add(1, Ordering::Relaxed).min(16)).unwrap_or(16);
        now + (LEFT_LOOK_FIRST * (1 << looks)).min(LEFT_LOOK_LAST)
    }
}
