//! What is seen of the instances: their processes, and how they answer. Nothing here outlives this process.

use std::collections::HashMap;
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::Signal;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::plan::Seen;
use super::process::Process;

/// How often an instance that is not ready is asked.
const PROBE_STARTING: Duration = Duration::from_millis(100);
/// How often an instance that is ready is asked.
const PROBE_READY: Duration = Duration::from_secs(1);
/// After so many unanswered questions in a row an instance is called lost.
const MISSES_MAX: u32 = 3;

/// What an instance said of itself last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// It serves.
    Ok,
    /// It loads, or takes no more; in any case it lives.
    Busy,
}

/// How an instance ended.
#[derive(Debug, Clone)]
struct End {
    after_ms: u64,
    how: String,
}

/// One instance that was started or found.
struct Watched {
    process: Option<Process>,
    /// Present when it was started by this process, which then has to reap it.
    child: Option<Child>,
    since: Instant,
    asked_to_end: bool,
    killed_for: Option<&'static str>,
    end: Option<End>,
    url: Option<String>,
    was_ready: bool,
    said: Option<Said>,
    misses: u32,
    asked_at: Option<Instant>,
    answered_at: Instant,
}

impl Watched {
    fn new(process: Option<Process>, child: Option<Child>, now: Instant) -> Self {
        Self {
            process,
            child,
            since: now,
            asked_to_end: false,
            killed_for: None,
            end: None,
            url: None,
            was_ready: false,
            said: None,
            misses: 0,
            asked_at: None,
            answered_at: now,
        }
    }

    /// Looks whether it has ended since the last look, and reaps it.
    fn look(&mut self, now: Instant) {
        if self.end.is_some() {
            return;
        }
        let how = match &mut self.child {
            Some(child) => match child.try_wait() {
                Ok(None) => return,
                Ok(Some(status)) => status.to_string(),
                Err(error) => error.to_string(),
            },
            None if self.process.is_some_and(Process::is_alive) => return,
            None => "it ended".to_owned(),
        };
        let how = self.killed_for.map_or(how, str::to_owned);
        self.end = Some(End { after_ms: millis(now - self.since), how });
        self.child = None;
    }
}

/// What health shows of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub url: Option<String>,
    pub said: Option<Said>,
    pub was_ready: bool,
    pub answers: bool,
    pub ended: bool,
}

/// An instance to be asked how it is.
pub(super) struct Question {
    pub instance: String,
    pub url: Option<String>,
}

/// The instances that are watched, by id.
#[derive(Default)]
pub(super) struct World {
    watched: Mutex<HashMap<String, Watched>>,
}

impl World {
    /// Watches a process that was started.
    pub fn started(&self, instance: &str, child: Child, process: Option<Process>, now: Instant) {
        self.watched.lock().insert(instance.to_owned(), Watched::new(process, Some(child), now));
    }

    /// Watches a process that was found.
    pub fn adopted(&self, instance: &str, process: Process, now: Instant) {
        self.watched.lock().insert(instance.to_owned(), Watched::new(Some(process), None, now));
    }

    /// Remembers that a start failed.
    pub fn failed(&self, instance: &str, how: String, now: Instant) {
        let end = Some(End { after_ms: 0, how });
        self.watched.lock().insert(instance.to_owned(), Watched { end, ..Watched::new(None, None, now) });
    }

    /// Stops watching.
    pub fn forget(&self, instance: &str) {
        self.watched.lock().remove(instance);
    }

    /// The process watched under this id.
    pub fn process(&self, instance: &str) -> Option<Process> {
        self.watched.lock().get(instance).and_then(|watched| watched.process)
    }

    /// What is seen now; nothing for an instance that is not watched.
    pub fn see(&self, instance: &str, now: Instant) -> Option<Seen> {
        let mut all = self.watched.lock();
        let watched = all.get_mut(instance)?;
        watched.look(now);
        Some(match &watched.end {
            Some(end) => Seen::Ended { after_ms: end.after_ms, was_ready: watched.was_ready },
            None => Seen::Runs {
                for_ms: millis(now - watched.since),
                was_ready: watched.was_ready,
                silent_ms: millis(now - watched.answered_at),
                asked_to_end: watched.asked_to_end,
            },
        })
    }

    /// How an instance ended, once it has.
    pub fn end(&self, instance: &str) -> Option<String> {
        self.watched.lock().get(instance).and_then(|watched| watched.end.as_ref()).map(|end| end.how.clone())
    }

    /// Asks a process to finish and end.
    pub fn ask_to_end(&self, instance: &str) {
        if let Some(watched) = self.watched.lock().get_mut(instance) {
            watched.asked_to_end = true;
            if let Some(process) = watched.process {
                process.signal(Signal::SIGTERM);
            }
        }
    }

    /// Kills a process.
    pub fn kill(&self, instance: &str, reason: &'static str) {
        if let Some(watched) = self.watched.lock().get_mut(instance) {
            watched.killed_for = Some(reason);
            if let Some(process) = watched.process {
                process.signal(Signal::SIGKILL);
            }
        }
    }

    /// Every instance whose process has not ended.
    pub fn living(&self, now: Instant) -> Vec<String> {
        let mut all = self.watched.lock();
        all.values_mut().for_each(|watched| watched.look(now));
        all.iter().filter(|(_, watched)| watched.end.is_none()).map(|(id, _)| id.clone()).collect()
    }

    /// What health shows of it.
    pub fn view(&self, instance: &str) -> Option<View> {
        self.watched.lock().get(instance).map(|watched| View {
            url: watched.url.clone(),
            said: watched.said,
            was_ready: watched.was_ready,
            answers: watched.misses < MISSES_MAX,
            ended: watched.end.is_some(),
        })
    }

    /// Whether the instance serves.
    pub fn serves(&self, instance: &str) -> bool {
        self.view(instance).is_some_and(|view| view.said == Some(Said::Ok) && view.answers && !view.ended)
    }

    /// The instances that are to be asked now.
    pub fn questions(&self, now: Instant) -> Vec<Question> {
        let mut due = Vec::new();
        for (instance, watched) in self.watched.lock().iter_mut() {
            let every = if watched.said == Some(Said::Ok) { PROBE_READY } else { PROBE_STARTING };
            if watched.end.is_none() && watched.asked_at.is_none_or(|at| now - at >= every) {
                watched.asked_at = Some(now);
                due.push(Question { instance: instance.clone(), url: watched.url.clone() });
            }
        }
        due
    }

    /// Notes where an instance listens.
    pub fn listens(&self, instance: &str, url: String) {
        if let Some(watched) = self.watched.lock().get_mut(instance) {
            watched.url = Some(url);
        }
    }

    /// Notes what an instance answered; nothing when it did not.
    pub fn answered(&self, instance: &str, said: Option<Said>, now: Instant) {
        if let Some(watched) = self.watched.lock().get_mut(instance) {
            match said {
                Some(said) => {
                    watched.said = Some(said);
                    watched.was_ready |= said == Said::Ok;
                    watched.misses = 0;
                    watched.answered_at = now;
                }
                None => watched.misses = watched.misses.saturating_add(1),
            }
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
