//! The world of one job in one zone: it starts, works, writes checkpoints, and loses what was not written.
//!
//! Capacity changes at ticks. A policy sees each tick once and says, at every tick and after every write, how much work
//! there should be between two checkpoints. Work that is unsaved when the trace ends is neither lost nor written.

use std::ops::Add;

use planning::spot::checkpoint::fits_notice;

use crate::trace::SpotTrace;

/// What checkpoints and starts cost, and how early a loss is announced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckpointCosts {
    /// Hours to write one.
    pub write_hours: f64,
    /// Hours from a start until work goes on.
    pub start_hours: f64,
    /// Seconds between the announcement and the loss, at most a tick.
    pub notice_s: f64,
}

/// Decides when to write.
pub trait CheckpointPolicy {
    /// Takes in a tick.
    fn observe(&mut self, is_up: bool, elapsed_s: f64);
    /// Hours of work that there should be between two checkpoints, now.
    fn interval_hours(&self) -> f64;
}

/// How the hours held were spent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Hours {
    /// On work that was kept.
    pub useful: f64,
    /// On work that was lost, or on nothing after an announcement.
    pub lost: f64,
    /// Writing.
    pub writing: f64,
    /// Starting.
    pub starting: f64,
    /// Checkpoints begun.
    pub writes: usize,
    /// Losses.
    pub losses: usize,
}

impl Hours {
    /// All hours held.
    #[must_use]
    pub fn held(&self) -> f64 {
        self.useful + self.lost + self.writing + self.starting
    }
}

impl Add for Hours {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            useful: self.useful + other.useful,
            lost: self.lost + other.lost,
            writing: self.writing + other.writing,
            starting: self.starting + other.starting,
            writes: self.writes + other.writes,
            losses: self.losses + other.losses,
        }
    }
}

/// Runs a job in one zone whenever it is up, over the whole trace.
pub fn replay(trace: &SpotTrace, zone: usize, costs: &CheckpointCosts, policy: &mut dyn CheckpointPolicy) -> Hours {
    let tick_hours = trace.tick_s / 3_600.0;
    let up: Vec<bool> = trace.zones[zone].nodes.iter().map(|nodes| *nodes > 0).collect();
    let mut job = Job { costs: *costs, doing: Doing::Nothing, unsaved: 0.0, hours: Hours::default() };
    for (tick, is_up) in up.iter().copied().enumerate() {
        policy.observe(is_up, trace.tick_s);
        if !is_up {
            continue;
        }
        if job.doing == Doing::Nothing {
            job.doing = Doing::Starting(costs.start_hours);
        }
        let is_last = up.get(tick + 1) == Some(&false);
        let notice_hours = if is_last { (costs.notice_s / 3_600.0).min(tick_hours) } else { 0.0 };
        job.pass(tick_hours - notice_hours, policy);
        if is_last {
            job.end(notice_hours);
        }
    }
    job.hours.useful += job.unsaved;
    job.hours
}

/// The hours when each loss is known: one checkpoint just before it, where there is room, or none.
#[must_use]
pub fn bound(trace: &SpotTrace, zone: usize, costs: &CheckpointCosts) -> Hours {
    let tick_hours = trace.tick_s / 3_600.0;
    let nodes = &trace.zones[zone].nodes;
    let mut hours = Hours::default();
    let mut at = 0;
    for spell in nodes.chunk_by(|left, right| (*left > 0) == (*right > 0)) {
        at += spell.len();
        if spell[0] == 0 {
            continue;
        }
        let is_lost = at < nodes.len();
        let held = spell.len() as f64 * tick_hours;
        let starting = costs.start_hours.min(held);
        let write = if is_lost { costs.write_hours } else { 0.0 };
        let useful = (held - starting - write).max(0.0);
        let writing = if useful > 0.0 { write } else { 0.0 };
        let lost = held - starting - writing - useful;
        let writes = usize::from(is_lost && useful > 0.0);
        hours = hours + Hours { useful, lost, writing, starting, writes, losses: usize::from(is_lost) };
    }
    hours
}

/// What the job does, with the hours of it that are left.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Doing {
    Nothing,
    Starting(f64),
    Working,
    Writing(f64),
}

struct Job {
    costs: CheckpointCosts,
    doing: Doing,
    /// Hours of work since the last checkpoint.
    unsaved: f64,
    hours: Hours,
}

impl Job {
    /// Lets time pass without a loss. Every turn but the last ends a start, a stretch of work or a write, and those of
    /// work are longer than nothing.
    fn pass(&mut self, mut left: f64, policy: &dyn CheckpointPolicy) {
        while left > 1e-12 {
            let turn = match self.doing {
                Doing::Nothing => return,
                Doing::Starting(hours) | Doing::Writing(hours) => hours.min(left),
                Doing::Working => (policy.interval_hours() - self.unsaved).clamp(1e-6, left.max(1e-6)),
            };
            left -= turn;
            match self.doing {
                Doing::Nothing => {}
                Doing::Starting(hours) => {
                    self.hours.starting += turn;
                    self.doing = if turn < hours { Doing::Starting(hours - turn) } else { Doing::Working };
                }
                Doing::Writing(hours) => {
                    self.hours.writing += turn;
                    self.doing = Doing::Writing(hours - turn);
                    if turn >= hours {
                        self.saved();
                    }
                }
                Doing::Working => {
                    self.unsaved += turn;
                    if self.unsaved >= policy.interval_hours() {
                        self.doing = Doing::Writing(self.costs.write_hours);
                        self.hours.writes += 1;
                    }
                }
            }
        }
    }

    fn saved(&mut self) {
        self.hours.useful += self.unsaved;
        self.unsaved = 0.0;
        self.doing = Doing::Working;
    }

    /// The loss, announced `notice_hours` before.
    fn end(&mut self, notice_hours: f64) {
        let mut idle = notice_hours;
        let wanted = match self.doing {
            Doing::Writing(hours) => Some(hours),
            Doing::Working if fits_notice(self.costs.write_hours, notice_hours) => {
                self.hours.writes += 1;
                Some(self.costs.write_hours)
            }
            _ => None,
        };
        if let Some(hours) = wanted {
            let spent = hours.min(notice_hours);
            self.hours.writing += spent;
            idle -= spent;
            if hours <= notice_hours {
                self.saved();
            }
        }
        self.hours.lost += self.unsaved + idle;
        self.hours.losses += 1;
        self.unsaved = 0.0;
        self.doing = Doing::Nothing;
    }
}
