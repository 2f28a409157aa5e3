//! Accepts connections up to a limit. When it is reached, the connection that has been idle longest makes room.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};
use parking_lot::Mutex;
use telemetry::{metric, tasks};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::connection::{Shared, serve};
use crate::service::Serve;
use crate::state::{Ending, Limits, Order, State};

/// How long to wait after the listener failed, which is mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often to look for an idle connection while all are busy and a new one waits.
const ROOM_LOOK: Duration = Duration::from_millis(20);
/// How long a client counts as about to send its next request.
const USED_LATELY: Duration = Duration::from_millis(500);
/// How often a failure to accept is logged at most.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The connections of a listener.
pub(crate) struct Connections {
    open: Mutex<HashMap<u64, Arc<State>>>,
    /// One of them ended.
    freed: Notify,
    gauge: Gauge,
    endings: [Counter; Ending::ALL.len()],
    failures: Counter,
}

impl Connections {
    fn new(listener: &'static str) -> Self {
        Self {
            open: Mutex::default(),
            freed: Notify::new(),
            gauge: gauge!(metric::LISTENER_CONNECTIONS.name, "listener" => listener),
            endings: Ending::ALL
                .map(|ending| counter!(metric::LISTENER_ENDED.name, "listener" => listener, "reason" => ending.name())),
            failures: counter!(metric::LISTENER_ACCEPT_FAILURES.name, "listener" => listener),
        }
    }

    fn add(&self, number: u64, state: &Arc<State>) {
        self.open.lock().insert(number, Arc::clone(state));
        self.gauge.increment(1.0);
    }

    fn remove(&self, number: u64, ending: Option<Ending>) {
        self.open.lock().remove(&number);
        self.gauge.decrement(1.0);
        if let Some(counter) = ending.and_then(|ending| self.endings.get(ending as usize)) {
            counter.increment(1);
        }
        self.freed.notify_one();
    }

    fn len(&self) -> usize {
        self.open.lock().len()
    }

    fn order_all(&self, order: Order) {
        self.open.lock().values().for_each(|state| state.give(order));
    }

    /// Asks the connection that has been idle longest to end; one that was used a moment ago only when there is no other,
    /// for its client may be about to send the next request.
    fn make_room(&self) {
        let open = self.open.lock();
        let idle = open.values().filter_map(|state| {
            let since = state.free_since()?;
            Some(((is_in_use(state.has_served(), since.elapsed()), since), state))
        });
        if let Some((_, state)) = idle.min_by_key(|(rank, _)| *rank) {
            state.give(Order::MakeRoom);
        }
    }

    /// Returns when fewer than `limit` are open.
    async fn room(&self, limit: usize) {
        while self.len() >= limit {
            self.make_room();
            // Whether one ended or the time is up: look again.
            let _ = timeout(ROOM_LOOK, self.freed.notified()).await;
        }
    }

    async fn ended(&self) {
        while self.len() > 0 {
            self.freed.notified().await;
        }
    }
}

/// Whether a connection without a request at the moment is likely to bring the next one at once.
fn is_in_use(has_served: bool, idle: Duration) -> bool {
    has_served && idle < USED_LATELY
}

/// Serves until `shutdown`, then lets what runs finish within the drain time, and cuts the rest.
pub(crate) async fn run<S: Serve>(shared: Arc<Shared<S>>, listener: TcpListener, shutdown: CancellationToken) {
    let settings = &shared.settings;
    let connections = Arc::new(Connections::new(settings.name));
    let limit = settings.connections_max.max(1);
    let mut log = Log::default();
    let mut number = 0;
    loop {
        let accepted = async {
            let accepted = listener.accept().await;
            if accepted.is_ok() {
                connections.room(limit).await;
            }
            accepted
        };
        let accepted = tokio::select! {
            accepted = accepted => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, address)) => {
                number += 1;
                begin(&shared, &connections, number, stream, address);
            }
            Err(error) => {
                connections.failures.increment(1);
                log.failed(settings.name, &error);
                if !is_of_the_connection(&error) {
                    // No descriptor is left, which an idle connection can give back.
                    connections.make_room();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    drain(&connections, settings.drain, settings.name).await;
}

fn begin<S: Serve>(
    shared: &Arc<Shared<S>>,
    connections: &Arc<Connections>,
    number: u64,
    stream: TcpStream,
    address: SocketAddr,
) {
    let state = Arc::new(State::new(shared.settings.limits));
    connections.add(number, &state);
    let entry = Entry { connections: Arc::clone(connections), number, ending: None };
    let shared = Arc::clone(shared);
    tasks::spawn("connection", async move {
        // Also when a panic ends the task, the place comes back.
        let mut entry = entry;
        entry.ending = serve(shared, stream, address, state).await;
    });
}

struct Entry {
    connections: Arc<Connections>,
    number: u64,
    ending: Option<Ending>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.remove(self.number, self.ending);
    }
}

async fn drain(connections: &Connections, limit: Duration, name: &'static str) {
    connections.order_all(Order::Drain);
    if timeout(limit, connections.ended()).await.is_ok() {
        return;
    }
    tracing::warn!(listener = name, connections = connections.len(), "connections cut: they did not end in time");
    connections.order_all(Order::Cut);
    // Ending them takes no waiting; this only keeps a fault from holding the process.
    let _ = timeout(Duration::from_secs(1), connections.ended()).await;
}

/// The client left before it was accepted; the listener itself is well.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Failures are logged now and then, however many there are: clients can cause them.
#[derive(Default)]
struct Log {
    last: Option<Instant>,
    unsaid: u64,
}

impl Log {
    fn failed(&mut self, listener: &'static str, error: &io::Error) {
        self.unsaid += 1;
        if self.last.is_some_and(|last| last.elapsed() < LOG_INTERVAL) {
            return;
        }
        tracing::warn!(listener, %error, failures = self.unsaid, "connections not accepted");
        (self.last, self.unsaid) = (Some(Instant::now()), 0);
    }
}

/// The limits of connections, for [`crate::Settings`].
pub(crate) const LIMITS: Limits = Limits {
    head: Duration::from_secs(20),
    // Longer than clients keep a connection in their pools, mostly 90 s: else they meet one that is just being closed.
    idle: Duration::from_secs(120),
    body: Duration::from_secs(120),
    stall: Duration::from_secs(30),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_a_moment_ago_makes_room_last() {
        let mut idle = [(0, false, 10), (1, true, 90), (2, false, 40), (3, true, 900)]
            .map(|(name, has_served, ms)| (is_in_use(has_served, Duration::from_millis(ms)), 1_000 - ms, name));
        idle.sort_unstable();
        assert_eq!(idle.map(|(_, _, name)| name), [3, 2, 0, 1]);
    }
}
