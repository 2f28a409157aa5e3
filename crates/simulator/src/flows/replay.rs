//! Time moves by steps: people ask, a policy divides, regions serve what they can, and autoscalers hold replicas.
//!
//! Within a step flows are constant. What a region cannot serve waits there, and is given up once it would wait longer than
//! the world's patience. What was sent to a region that is lost is sent again in the next step, until it has been on the
//! way for that long. A request's latency is the way there and back, the wait, and its service, slowed by those beside
//! it; all requests of one pair of regions in one step share one, so that the spread of answers' lengths is not in it.

use planning::autoscale::{AutoscaleGoal, AutoscaleSituation, Autoscaler};
use planning::balance::{Branch, Crowding};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::demand::Demand;
use super::fleet::Fleet;
use super::outcome::{AFTER_S, FlowRun, MOMENT_S, Moment, Served};
use super::policy::{FlowPolicy, Purpose, View};
use super::waiting::Waiting;
use super::world::{Outage, World};

/// How many replicas a region holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// `planning::autoscale`, in each region.
    Ours,
    /// What the region's own people need at the day's peak, known beforehand, all day.
    Static,
}

/// Steps from one plan of where replicas should be to the next.
const STEPS_PER_PLAN: usize = 3;
/// Share of a day's load that may find no capacity; alike for every policy.
const OVER_CAPACITY_SHARE: f64 = 0.001;

/// Moves the world by steps of `step_s` for `span_s`.
pub fn replay(
    world: &World,
    (span_s, step_s): (f64, f64),
    policy: &mut dyn FlowPolicy,
    scaling: Scaling,
    keep_decisions: bool,
) -> FlowRun {
    let mut day = Day::new(world, (span_s, step_s), scaling);
    let mut moment = Served::default();
    for step in 0..(span_s / step_s) as usize {
        let now_s = step as f64 * step_s;
        day.take_losses(now_s);
        day.divide(policy, step.is_multiple_of(STEPS_PER_PLAN), keep_decisions);
        let served = day.serve(now_s);
        day.scale(now_s);
        day.account(&served, now_s);
        moment.join(&served);
        if (now_s + step_s) % MOMENT_S < step_s {
            day.note(now_s, &std::mem::take(&mut moment));
        }
    }
    day.run
}

struct Day<'a> {
    world: &'a World,
    step_s: f64,
    scaling: Scaling,
    rng: StdRng,
    demand: Demand,
    /// Seconds there and back, and dollars of a request, for each pair.
    rtt: Vec<f64>,
    usd: Vec<f64>,
    fleets: Vec<Fleet>,
    scalers: Vec<Autoscaler>,
    /// What is held from the start, and all day by [`Scaling::Static`].
    first: Vec<u32>,
    /// Replicas that a region was last known to have.
    known_ready: Vec<u32>,
    /// Seconds for which each region has been lost, or nothing.
    lost_s: Vec<Option<f64>>,
    /// Requests that wait in each region, and who they are.
    backlog: Vec<f64>,
    waiting: Vec<Waiting>,
    /// Requests to be sent again from each region, and the seconds that they have lost together.
    again: Vec<(f64, f64)>,
    /// Requests a second from each region in the step just past.
    asked: Vec<f64>,
    shares: Vec<f64>,
    /// Requests a second that each region is sent, should have replicas for, and is sent beyond what it can serve.
    arriving: Vec<f64>,
    planned: Vec<f64>,
    over: Vec<f64>,
    run: FlowRun,
}

impl<'a> Day<'a> {
    fn new(world: &'a World, (span_s, step_s): (f64, f64), scaling: Scaling) -> Self {
        let count = world.regions.len();
        let goal = AutoscaleGoal {
            cold_start_s: world.cold_start_seconds,
            over_capacity_share: OVER_CAPACITY_SHARE,
            replicas_min: 0,
            replicas_max: u32::MAX,
            drain_s: world.cold_start_seconds.max(60.0),
            cold_request_replica_s: 10.0 * world.cold_start_seconds,
        };
        let asked = Demand::new(world, step_s).next(0.0);
        let mut day = Self {
            world,
            step_s,
            scaling,
            // Other draws than the demand's.
            rng: StdRng::seed_from_u64(world.seed.wrapping_add(1)),
            demand: Demand::new(world, step_s),
            rtt: world.rtt_seconds(),
            usd: (0..count * count).map(|pair| world.usd_per_request(pair / count, pair % count)).collect(),
            fleets: world.regions.iter().map(|region| Fleet::new(world, region)).collect(),
            scalers: (0..count).map(|_| Autoscaler::new(goal)).collect(),
            first: Vec::new(),
            known_ready: vec![0; count],
            lost_s: vec![None; count],
            backlog: vec![0.0; count],
            waiting: vec![Waiting::default(); count],
            again: vec![(0.0, 0.0); count],
            planned: asked.clone(),
            asked,
            shares: vec![0.0; count * count],
            arriving: vec![0.0; count],
            over: vec![0.0; count],
            run: FlowRun::default(),
        };
        day.first = day.first_replicas(span_s);
        for (fleet, wanted) in day.fleets.iter_mut().zip(&day.first) {
            fleet.hold(*wanted, 0.0);
            fleet.warm();
        }
        day
    }

    /// What each region's own people need when the day begins or, provisioned statically, at its peak.
    fn first_replicas(&self, span_s: f64) -> Vec<u32> {
        let mut most = self.asked.clone();
        if self.scaling == Scaling::Static {
            let mut day = Demand::new(self.world, self.step_s);
            for step in 0..(span_s / self.step_s) as usize {
                let flows = day.next(step as f64 * self.step_s);
                most.iter_mut().zip(flows).for_each(|(most, flow)| *most = most.max(flow));
            }
        }
        most.iter().map(|flow| self.world.replicas_for(*flow).ceil() as u32).collect()
    }

    /// Spot capacity that is taken and regions that are lost as this step begins.
    fn take_losses(&mut self, now_s: f64) {
        for (at, region) in self.world.regions.iter().enumerate() {
            self.fleets[at].finish(now_s);
            let chance = (region.spot_losses_per_day * self.step_s / 86_400.0).min(1.0);
            if self.rng.random_bool(chance) && self.fleets[at].lose_spot(now_s) {
                self.run.spot_losses += 1;
            }
            let is_lost = self.world.outages.iter().any(|outage| outage.region == region.name && outage.covers(now_s));
            self.lost_s[at] = is_lost.then(|| self.lost_s[at].map_or(0.0, |lost_s| lost_s + self.step_s));
            if self.lost_s[at] == Some(0.0) {
                self.fleets[at].lose_all();
            }
            // A region whose loss is not noticed yet looks as it did.
            if self.lost_s[at].is_none_or(|lost_s| lost_s >= self.world.detection_seconds) {
                self.known_ready[at] = self.fleets[at].ready();
            }
        }
    }

    fn divide(&mut self, policy: &mut dyn FlowPolicy, plans: bool, keep_decisions: bool) {
        let count = self.fleets.len();
        let wait = |at: usize| if self.capacity(at) > 0.0 { self.backlog[at] / self.capacity(at) } else { 0.0 };
        let waits: Vec<f64> = (0..count).map(wait).collect();
        let mut shares = std::mem::take(&mut self.shares);
        if plans {
            let is_known_lost =
                |at: usize| self.lost_s[at].is_some_and(|lost_s| lost_s >= self.world.detection_seconds);
            let could = |at: usize| if is_known_lost(at) { 0 } else { self.world.regions[at].replicas_max };
            let could: Vec<u32> = (0..count).map(could).collect();
            policy.divide(&self.view(Purpose::Plan, &could, &vec![0.0; count]), &mut shares);
            self.planned = sums(&shares, &self.asked);
        }
        policy.divide(&self.view(Purpose::Serve, &self.known_ready, &waits), &mut shares);
        if keep_decisions {
            self.run.decisions.push(shares.clone());
        }
        self.shares = shares;
    }

    fn view<'v>(&'v self, purpose: Purpose, replicas: &'v [u32], backlog_seconds: &'v [f64]) -> View<'v> {
        View {
            purpose,
            demand: &self.asked,
            replicas,
            backlog_seconds,
            rtt_seconds: &self.rtt,
            usd: &self.usd,
            slots: self.world.slots,
            service_seconds: self.world.service_seconds,
            busy_target: self.world.busy_target,
        }
    }

    fn branch(&self, at: usize) -> Branch {
        Branch {
            replicas: f64::from(self.fleets[at].ready()),
            slots: self.world.slots,
            service_seconds: self.world.service_seconds,
            ..Branch::default()
        }
    }

    fn capacity(&self, at: usize) -> f64 {
        self.branch(at).capacity()
    }

    fn serve(&mut self, now_s: f64) -> Served {
        let count = self.fleets.len();
        let fresh = self.demand.next(now_s);
        let mut served = Served { arrived: fresh.iter().sum::<f64>() * self.step_s, ..Served::default() };
        let again = std::mem::replace(&mut self.again, vec![(0.0, 0.0); count]);
        self.asked = fresh.iter().zip(&again).map(|(flow, (requests, _))| flow + requests / self.step_s).collect();
        self.arriving = sums(&self.shares, &self.asked);
        let passages: Vec<Option<Passage>> = (0..count).map(|at| self.pass(at, &mut served)).collect();
        for (origin, (requests, lost_s)) in again.iter().enumerate() {
            let asked = self.asked[origin] * self.step_s;
            let (resent, delay_s) = (requests / asked.max(1e-9), lost_s / requests.max(1e-9));
            let mut untaken = asked;
            for (at, passage) in passages.iter().enumerate() {
                let sent = asked * self.shares[origin * count + at];
                if let Some(passage) = passage.filter(|_| sent > 0.0) {
                    untaken -= sent;
                    let (taken, seconds) = (sent * passage.taken, passage.seconds + self.rtt[origin * count + at]);
                    self.count(at, seconds, taken * (1.0 - resent), &mut served);
                    self.count(at, seconds + delay_s, taken * resent, &mut served);
                    self.note_remote(origin, at, taken);
                }
            }
            self.send_again(origin, untaken.max(0.0), resent * delay_s, &mut served);
        }
        self.waiting.iter_mut().zip(&self.backlog).for_each(|(waiting, left)| waiting.keep(*left));
        served
    }

    /// Counts requests that a region takes, and remembers them where some of those taken still wait.
    fn count(&mut self, at: usize, seconds: f64, requests: f64, served: &mut Served) {
        served.latencies.add(seconds, requests);
        if self.backlog[at] > 0.0 {
            self.waiting[at].join(seconds, requests);
        }
    }

    fn note_remote(&mut self, origin: usize, at: usize, requests: f64) {
        if origin != at {
            self.run.remote += requests;
            self.run.egress_usd += requests * self.world.egress_usd_per_request(at, origin);
        }
    }

    /// What nobody took comes back to be sent in the next step, unless it has been on the way for too long.
    fn send_again(&mut self, origin: usize, requests: f64, lost_s: f64, served: &mut Served) {
        let lost_s = lost_s + self.step_s;
        if lost_s > self.world.patience_seconds {
            served.lost += requests;
        } else {
            self.again[origin].0 += requests;
            self.again[origin].1 += requests * lost_s;
        }
    }

    /// How a region serves what is sent there in this step; nothing when it serves nobody.
    fn pass(&mut self, at: usize, served: &mut Served) -> Option<Passage> {
        let branch = self.branch(at);
        let (capacity, arriving) = (branch.capacity(), self.arriving[at] * self.step_s);
        let ready = f64::from(self.fleets[at].ready());
        self.over[at] = (self.world.replicas_for(self.arriving[at]) - ready / self.world.busy_target).max(0.0);
        if capacity <= 0.0 {
            let waiting = std::mem::take(&mut self.backlog[at]);
            self.waiting[at].take_back(&mut served.latencies);
            self.send_again(at, waiting, 0.0, served);
            return None;
        }
        let before = self.backlog[at];
        let waiting = (before + arriving - capacity * self.step_s).max(0.0);
        let refused = (waiting - capacity * self.world.patience_seconds).clamp(0.0, arriving);
        self.backlog[at] = waiting - refused;
        served.lost += refused;
        let queued_s = f64::midpoint(before, self.backlog[at]) / capacity;
        let steady = self.arriving[at].min(self.world.steady_share() * capacity);
        let slowed_s = branch.seconds(steady, &Crowding::default());
        let taken = if arriving > 0.0 { 1.0 - refused / arriving } else { 1.0 };
        Some(Passage { taken, seconds: self.world.service_seconds + slowed_s + queued_s })
    }

    /// Requests a second that each region should hold replicas for: what is planned there, and what is served there for
    /// as long as the place that it is planned for is not ready.
    fn wanted_flows(&self) -> Vec<f64> {
        let missing = |(fleet, planned): (&Fleet, &f64)| {
            (self.world.replicas_for(*planned) - f64::from(fleet.ready())).max(0.0) / self.world.replicas_for(1.0)
        };
        let missing: f64 = self.fleets.iter().zip(&self.planned).map(missing).sum();
        let guests: Vec<f64> =
            self.arriving.iter().zip(&self.planned).map(|(sent, planned)| (sent - planned).max(0.0)).collect();
        let share = (missing / guests.iter().sum::<f64>().max(f64::MIN_POSITIVE)).min(1.0);
        self.planned.iter().zip(&guests).map(|(planned, guests)| share.mul_add(*guests, *planned)).collect()
    }

    fn scale(&mut self, now_s: f64) {
        let flows = self.wanted_flows();
        for (at, fleet) in self.fleets.iter_mut().enumerate().filter(|(at, _)| self.lost_s[*at].is_none()) {
            let wanted = match self.scaling {
                Scaling::Static => self.first[at],
                Scaling::Ours => {
                    let situation = AutoscaleSituation {
                        now_s,
                        load: self.world.replicas_for(flows[at]),
                        over: self.over[at],
                        backlog_replica_s: self.world.replicas_for(self.backlog[at]),
                        running: self.arriving[at] > 0.0,
                        ready: fleet.ready(),
                        loading: fleet.loading(),
                        wanted: fleet.wanted(),
                        partial: false,
                    };
                    self.scalers[at].decide(&situation).replicas
                }
            };
            fleet.hold(wanted, now_s);
        }
    }

    fn account(&mut self, served: &Served, now_s: f64) {
        for fleet in &self.fleets {
            self.run.replicas_usd += fleet.usd(self.step_s);
            self.run.replica_s += f64::from(fleet.held()) * self.step_s;
        }
        self.run.needed_s += self.world.replicas_for(served.arrived);
        self.run.all.join(served);
        let is_after = |outage: &Outage| (0.0..AFTER_S).contains(&(now_s - outage.from_seconds - outage.for_seconds));
        if self.lost_s.iter().any(Option::is_some) {
            self.run.during.join(served);
        } else if self.world.outages.iter().any(is_after) {
            self.run.after.join(served);
        }
    }

    fn note(&mut self, now_s: f64, moment: &Served) {
        self.run.timeline.push(Moment {
            at_s: now_s + self.step_s,
            demand: moment.arrived / MOMENT_S,
            served_share: moment.share(),
            mean_latency_s: moment.latencies.mean(),
            ready: self.fleets.iter().map(|fleet| f64::from(fleet.ready())).sum(),
        });
    }
}

/// How a region serves in one step.
#[derive(Debug, Clone, Copy)]
struct Passage {
    /// Share of what is sent there that is not refused.
    taken: f64,
    /// Seconds until it is answered, without the way.
    seconds: f64,
}

/// What is sent to each region, when each sends these shares of its flow.
fn sums(shares: &[f64], flows: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; flows.len()];
    for (row, flow) in shares.chunks(flows.len()).zip(flows) {
        sums.iter_mut().zip(row).for_each(|(sum, share)| *sum += share * flow);
    }
    sums
}
