//! What is seen of the instances: their processes, and how they answer. Nothing here outlives this process.
//!
//! All ages are running time (see [`pulse`]): how long this process really watched, not how long ago something was.

mod answers;
pub(super) mod probe;
pub(super) mod pulse;

use std::collections::HashMap;
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::Signal;
use parking_lot::Mutex;

pub(super) use answers::{Answer, Said};
use answers::{Answers, MISSES_MAX};
use pulse::{Pulse, Running};

use super::plan::Seen;
use super::process::Process;

/// How often an instance that is not ready is asked, in milliseconds.
const PROBE_STARTING_MS: u64 = 100;
/// How often an instance that is ready is asked, in milliseconds.
const PROBE_READY_MS: u64 = 1_000;

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
    since: Running,
    asked_to_end: Option<Running>,
    killed_for: Option<&'static str>,
    end: Option<End>,
    url: Option<String>,
    /// When the question was put that is not answered yet.
    asking: bool,
    asked_at: Option<Running>,
    answers: Answers,
}

impl Watched {
    fn new(process: Option<Process>, child: Option<Child>, now: Running) -> Self {
        Self {
            process,
            child,
            since: now,
            asked_to_end: None,
            killed_for: None,
            end: None,
            url: None,
            asking: false,
            asked_at: None,
            answers: Answers::new(now),
        }
    }

    /// Looks whether it has ended since the last look, and reaps it.
    fn look(&mut self, now: Running) {
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
        self.end = Some(End { after_ms: now.since(self.since), how });
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

/// An instance to be asked how it is, and how long its answer is waited for.
pub(super) struct Question {
    pub instance: String,
    pub url: Option<String>,
    pub patience: Duration,
}

/// The instances that are watched, by id.
pub(super) struct World {
    /// Running time.
    pub pulse: Pulse,
    silence_ms: u64,
    watched: Mutex<HashMap<String, Watched>>,
    /// Since when instances wait to be started.
    unborn: Mutex<HashMap<String, Running>>,
}

impl World {
    /// Watches nothing yet. An instance may be silent for `silence_ms` of running time.
    pub fn new(silence_ms: u64) -> Self {
        Self { pulse: Pulse::new(), silence_ms, watched: Mutex::default(), unborn: Mutex::default() }
    }

    /// Watches a process that was started.
    pub fn started(&self, instance: &str, child: Child, process: Option<Process>) {
        self.watch(instance, Watched::new(process, Some(child), self.pulse.now()));
    }

    /// Watches a process that was found.
    pub fn adopted(&self, instance: &str, process: Process) {
        self.watch(instance, Watched::new(Some(process), None, self.pulse.now()));
    }

    /// Remembers that a start failed.
    pub fn failed(&self, instance: &str, how: String) {
        let end = Some(End { after_ms: 0, how });
        self.watch(instance, Watched { end, ..Watched::new(None, None, self.pulse.now()) });
    }

    fn watch(&self, instance: &str, watched: Watched) {
        self.unborn.lock().remove(instance);
        self.watched.lock().insert(instance.to_owned(), watched);
    }

    /// Stops watching.
    pub fn forget(&self, instance: &str) {
        self.unborn.lock().remove(instance);
        self.watched.lock().remove(instance);
    }

    /// The process watched under this id.
    pub fn process(&self, instance: &str) -> Option<Process> {
        self.watched.lock().get(instance).and_then(|watched| watched.process)
    }

    /// For how long an instance has waited to be started, since this was first asked.
    pub fn unborn_ms(&self, instance: &str) -> u64 {
        let now = self.pulse.now();
        now.since(*self.unborn.lock().entry(instance.to_owned()).or_insert(now))
    }

    /// What is seen now; nothing for an instance that is not watched.
    pub fn see(&self, instance: &str) -> Option<Seen> {
        let now = self.pulse.now();
        let mut all = self.watched.lock();
        let watched = all.get_mut(instance)?;
        watched.look(now);
        Some(match &watched.end {
            Some(end) => Seen::Ended { after_ms: end.after_ms, was_ready: watched.answers.was_ready },
            None => Seen::Runs {
                for_ms: now.since(watched.since),
                leaves_ms: watched.asked_to_end.map(|at| now.since(at)),
                health: watched.answers.seen(now),
            },
        })
    }

    /// How an instance ended, once it has.
    pub fn end(&self, instance: &str) -> Option<String> {
        self.watched.lock().get(instance).and_then(|watched| watched.end.as_ref()).map(|end| end.how.clone())
    }

    /// Asks a process to finish and end.
    pub fn ask_to_end(&self, instance: &str) {
        let now = self.pulse.now();
        if let Some(watched) = self.watched.lock().get_mut(instance) {
            watched.asked_to_end.get_or_insert(now);
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
    pub fn living(&self) -> Vec<String> {
        let now = self.pulse.now();
        let mut all = self.watched.lock();
        all.values_mut().for_each(|watched| watched.look(now));
        all.iter().filter(|(_, watched)| watched.end.is_none()).map(|(id, _)| id.clone()).collect()
    }

    /// What health shows of it.
    pub fn view(&self, instance: &str) -> Option<View> {
        self.watched.lock().get(instance).map(|watched| View {
            url: watched.url.clone(),
            said: watched.answers.said,
            was_ready: watched.answers.was_ready,
            answers: watched.answers.misses < MISSES_MAX,
            ended: watched.end.is_some(),
        })
    }

    /// Whether the instance serves.
    pub fn serves(&self, instance: &str) -> bool {
        self.view(instance).is_some_and(|view| view.said == Some(Said::Ok) && view.answers && !view.ended)
    }

    /// The instances that are to be asked now: at most `most`, and none that is being asked already.
    pub fn questions(&self, most: usize) -> Vec<Question> {
        let now = self.pulse.now();
        let mut due = Vec::new();
        for (instance, watched) in self.watched.lock().iter_mut().filter(|(_, watched)| !watched.asking) {
            let every_ms = if watched.answers.said == Some(Said::Ok) { PROBE_READY_MS } else { PROBE_STARTING_MS };
            let is_due = watched.asked_at.is_none_or(|at| now.since(at) >= every_ms);
            if watched.end.is_none() && is_due && due.len() < most {
                (watched.asking, watched.asked_at) = (true, Some(now));
                let patience = watched.answers.patience(now, self.silence_ms);
                due.push(Question { instance: instance.clone(), url: watched.url.clone(), patience });
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

    /// Notes how a question ended.
    pub fn answered(&self, instance: &str, answer: Answer) {
        let now = self.pulse.now();
        if let Some(watched) = self.watched.lock().get_mut(instance) {
            watched.asking = false;
            watched.answers.note(answer, now);
        }
    }

    /// Nothing that was seen before counts: every instance is asked afresh before it is judged.
    pub fn look_afresh(&self) {
        let now = self.pulse.now();
        for watched in self.watched.lock().values_mut() {
            watched.asked_at = None;
            watched.answers.begin_afresh(now);
        }
    }
}
