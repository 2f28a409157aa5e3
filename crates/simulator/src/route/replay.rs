//! Moves time from event to event: requests arrive, travel, wait, are read, answered, lost and sent again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use planning::balance::Answered;

use super::engine::{Engine, Size, Started};
use super::policy::{Asked, RoutePolicy, Seen, mixed};
use super::requests::{Request, Requests};
use super::world_file::{US, World};

/// A request that nobody may take is offered again after so long.
const RETRY_US: u64 = 1_000_000;
/// Bytes of a token as it is streamed, with its frame.
const BYTES_PER_TOKEN: f64 = 200.0;

/// What came of all requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RouteRun {
    /// Time to first token of each request that saw one, seconds, in order of their coming.
    pub ttft_s: Vec<f32>,
    /// Answered to the end.
    pub completed: u64,
    /// Larger than the memory of every replica that may serve them, or with their answer than that of the one they came to.
    pub too_large: u64,
    /// Nobody might serve them for as long as the world's patience.
    pub unserved: u64,
    /// Sent again after a loss.
    pub resent: u64,
    /// Dollars of what was computed, and of bytes between regions.
    pub usd: f64,
    /// Dollars of all replicas from the first arrival to the last answer.
    pub rental_usd: f64,
    /// Prompt blocks found in a cache, and all.
    pub blocks_matched: u64,
    /// All prompt blocks read or found.
    pub blocks_total: u64,
    /// From the first arrival to the last answer.
    pub span_us: u64,
    /// Events worked off.
    pub events: u64,
    /// Where each dispatch went, if the caller asked to keep it: the request's index and the replica's.
    pub decisions: Vec<(u32, u32)>,
    /// Requests whose first token came before it could.
    pub impossible: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Reach { live: u32, attempt: u32 },
    Read { live: u32, attempt: u32 },
    Done { live: u32, attempt: u32 },
    FirstSeen { live: u32, attempt: u32 },
    DoneSeen { live: u32, attempt: u32 },
    LossSeen { live: u32, attempt: u32 },
    Again { live: u32 },
    RegionLost { outage: u32 },
    RegionBack { outage: u32 },
    Noticed { outage: u32, is_up: bool },
}

#[derive(Debug, Clone, Copy)]
struct Live {
    request: u32,
    origin: u32,
    is_bound: bool,
    attempt: u32,
    replica: u32,
    sent_us: u64,
    prefill_us: u64,
    decode_us: u64,
    /// Prompt tokens that were found in the replica's cache.
    cached_tokens: u32,
    first_seen: bool,
    /// A replica has it, or it travels there; nobody yet knows that it is lost.
    is_held: bool,
}

struct Replay<'a> {
    world: &'a World,
    requests: &'a Requests,
    policy: &'a mut dyn RoutePolicy,
    engines: Vec<Engine>,
    /// What the gateway knows of each replica, without what depends on the request.
    seen: Vec<Seen>,
    events: BinaryHeap<Reverse<(u64, u64, What)>>,
    sequence: u64,
    live: Vec<Live>,
    free: Vec<u32>,
    keep_decisions: bool,
    run: RouteRun,
}

/// Replays all requests in the world under a policy.
pub fn replay(world: &World, requests: &Requests, policy: &mut dyn RoutePolicy, keep_decisions: bool) -> RouteRun {
    let seen = world.replicas.iter().map(|replica| Seen {
        is_resident: true,
        is_up: true,
        fits: true,
        in_flight: 0,
        network_seconds: 0.0,
        slots: replica.slots,
        usd_per_hour: replica.usd_per_hour,
        kv_blocks: replica.kv_blocks,
        block_tokens: world.block_tokens,
    });
    let mut replay = Replay {
        world,
        requests,
        policy,
        engines: world.replicas.iter().map(|spec| Engine::new(*spec)).collect(),
        seen: seen.collect(),
        events: BinaryHeap::new(),
        sequence: 0,
        live: Vec::new(),
        free: Vec::new(),
        keep_decisions,
        run: RouteRun::default(),
    };
    replay.work();
    replay.run
}

impl Replay<'_> {
    fn work(&mut self) {
        for (index, outage) in self.world.outages.iter().enumerate() {
            let outage_index = index as u32;
            self.at(outage.from_us, What::RegionLost { outage: outage_index });
            self.at(outage.until_us, What::RegionBack { outage: outage_index });
        }
        let begin_us = self.requests.list().first().map_or(0, |request| request.at_us);
        let mut next = 0_usize;
        let mut last_us = begin_us;
        loop {
            let arrival = self.requests.list().get(next).map(|request| request.at_us);
            let event = self.events.peek().map(|Reverse((at_us, ..))| *at_us);
            match (arrival, event) {
                (Some(at_us), event) if event.is_none_or(|event_us| at_us <= event_us) => {
                    self.run.events += 1;
                    self.arrive(next as u32, at_us);
                    next += 1;
                    last_us = last_us.max(at_us);
                }
                (_, Some(_)) => {
                    let Some(Reverse((at_us, _, what))) = self.events.pop() else { break };
                    self.run.events += 1;
                    if self.happen(at_us, what) {
                        last_us = last_us.max(at_us);
                    }
                }
                _ => break,
            }
        }
        self.run.span_us = last_us - begin_us;
        let hours = self.run.span_us as f64 / US / 3_600.0;
        self.run.rental_usd = self.world.replicas.iter().map(|replica| replica.usd_per_hour * hours).sum();
        self.run.usd += self.engines.iter().map(|engine| engine.usd).sum::<f64>();
    }

    /// Works off one event. True when it belongs to a request.
    fn happen(&mut self, at_us: u64, what: What) -> bool {
        match what {
            What::Reach { live, attempt } if self.is_current(live, attempt) => self.reach(live, at_us),
            What::Read { live, attempt } if self.is_current(live, attempt) => self.read(live, at_us),
            What::Done { live, attempt } if self.is_current(live, attempt) => self.done(live, at_us),
            What::FirstSeen { live, attempt } if self.is_current(live, attempt) => self.first_seen(live, at_us),
            What::DoneSeen { live, attempt } if self.is_current(live, attempt) => self.done_seen(live, at_us),
            What::LossSeen { live, attempt } if self.is_current(live, attempt) => self.loss_seen(live, at_us),
            What::Again { live } => self.dispatch(live, at_us),
            What::RegionLost { outage } => {
                self.region_lost(outage, at_us);
                return false;
            }
            What::RegionBack { outage } => {
                self.each_of(outage, |engine, _| engine.is_up = true);
                self.at(at_us + self.world.detection_us, What::Noticed { outage, is_up: true });
                return false;
            }
            What::Noticed { outage, is_up } => {
                self.each_of(outage, |_, seen| seen.is_up = is_up);
                return false;
            }
            _ => return false,
        }
        true
    }

    fn arrive(&mut self, request: u32, at_us: u64) {
        let drawn = |salt: u64| unit(mixed(self.world.seed ^ mixed((u64::from(request) << 2) | salt)));
        let origin = self.origin(drawn(0));
        let live = Live {
            request,
            origin: origin as u32,
            is_bound: drawn(1) < self.world.regions[origin].bound_share,
            attempt: 0,
            replica: 0,
            sent_us: at_us,
            prefill_us: 0,
            decode_us: 0,
            cached_tokens: 0,
            first_seen: false,
            is_held: false,
        };
        let place = self.free.pop().unwrap_or(self.live.len() as u32);
        match self.live.get_mut(place as usize) {
            // Attempts go on counting, so that an event of an earlier request of this place speaks of nobody.
            Some(old) => *old = Live { attempt: old.attempt.wrapping_add(1), ..live },
            None => self.live.push(live),
        }
        self.dispatch(place, at_us);
    }

    fn origin(&self, drawn: f64) -> usize {
        let total: f64 = self.world.regions.iter().map(|region| region.clients).sum();
        let mut left = drawn * total;
        let found = self.world.regions.iter().position(|region| {
            left -= region.clients;
            left < 0.0
        });
        found.unwrap_or(self.world.regions.len() - 1)
    }

    fn dispatch(&mut self, place: u32, at_us: u64) {
        let live = self.live[place as usize];
        let request = self.request(place);
        for (seen, replica) in self.seen.iter_mut().zip(&self.world.replicas) {
            let (home, there) = (&self.world.regions[live.origin as usize], &self.world.regions[replica.region]);
            seen.is_resident = !live.is_bound || home.jurisdiction == there.jurisdiction;
            let memory_tokens = u64::from(replica.kv_blocks) * u64::from(self.world.block_tokens);
            seen.fits = u64::from(request.input_tokens) <= memory_tokens;
            seen.network_seconds = 2.0 * self.world.one_way_us[live.origin as usize][replica.region] as f64 / US;
        }
        let mut allowed = self.seen.iter().filter(|seen| seen.is_resident).peekable();
        if allowed.peek().is_some() && allowed.all(|seen| !seen.fits) {
            self.run.too_large += 1;
            self.forget(place);
            return;
        }
        let blocks = self.requests.blocks(&request);
        let asked = Asked { at_us, input_tokens: request.input_tokens, blocks };
        let Some(chosen) = self.policy.choose(&asked, &self.seen) else {
            if at_us + RETRY_US > request.at_us + self.world.patience_us {
                self.run.unserved += 1;
                self.forget(place);
            } else {
                self.at(at_us + RETRY_US, What::Again { live: place });
            }
            return;
        };
        self.policy.placed(chosen, place);
        if self.keep_decisions {
            self.run.decisions.push((live.request, chosen as u32));
        }
        self.seen[chosen].in_flight += 1;
        let live = &mut self.live[place as usize];
        (live.replica, live.sent_us, live.is_held) = (chosen as u32, at_us, true);
        let attempt = live.attempt;
        let way = self.way_us(place);
        self.at(at_us + way, What::Reach { live: place, attempt });
    }

    fn reach(&mut self, place: u32, at_us: u64) {
        let replica = self.live[place as usize].replica as usize;
        if self.engines[replica].is_up {
            self.engines[replica].queue.push_back(place);
            self.start(replica, at_us);
        } else {
            self.lose(place, at_us);
        }
    }

    /// Starts what can start in a replica.
    fn start(&mut self, replica: usize, at_us: u64) {
        loop {
            let (live, requests, block_tokens) = (&self.live, self.requests, self.world.block_tokens);
            let size = |place: u32| {
                let request = &requests.list()[live[place as usize].request as usize];
                Size {
                    input_tokens: request.input_tokens,
                    blocks: requests.blocks(request),
                    private: private(request, requests, block_tokens),
                }
            };
            match self.engines[replica].start(block_tokens, size) {
                Started::No => return,
                Started::Reading { request: place, prefill_us, matched } => {
                    let live = &mut self.live[place as usize];
                    live.prefill_us = prefill_us;
                    live.cached_tokens = matched.saturating_mul(self.world.block_tokens);
                    let attempt = live.attempt;
                    self.run.blocks_matched += u64::from(matched);
                    let request = self.request(place);
                    self.run.blocks_total += self.requests.blocks(&request).len() as u64;
                    self.at(at_us + prefill_us, What::Read { live: place, attempt });
                    return;
                }
                Started::TooLarge { request: place } => {
                    self.run.too_large += 1;
                    self.seen[replica].in_flight -= 1;
                    self.policy.lost(replica, place);
                    self.forget(place);
                }
            }
        }
    }

    fn read(&mut self, place: u32, at_us: u64) {
        let live = self.live[place as usize];
        let request = self.request(place);
        let replica = live.replica as usize;
        let decode_us = self.engines[replica].read(live.prefill_us, request.output_tokens);
        self.live[place as usize].decode_us = decode_us;
        let way = self.way_us(place);
        self.at(at_us + way, What::FirstSeen { live: place, attempt: live.attempt });
        self.at(at_us + decode_us, What::Done { live: place, attempt: live.attempt });
        self.start(replica, at_us);
    }

    fn done(&mut self, place: u32, at_us: u64) {
        self.live[place as usize].is_held = false;
        let live = self.live[place as usize];
        let request = self.request(place);
        let replica = live.replica as usize;
        let private = private(&request, self.requests, self.world.block_tokens);
        self.engines[replica].finish(live.decode_us, self.requests.blocks(&request), private);
        let region = self.world.replicas[replica].region;
        if region != live.origin as usize {
            let gigabytes = f64::from(request.output_tokens) * BYTES_PER_TOKEN / 1e9;
            self.run.usd += gigabytes * self.world.egress_usd_per_gb[region][live.origin as usize];
        }
        let way = self.way_us(place);
        self.at(at_us + way, What::DoneSeen { live: place, attempt: live.attempt });
        self.start(replica, at_us);
    }

    fn first_seen(&mut self, place: u32, at_us: u64) {
        let live = self.live[place as usize];
        self.policy.first_token(live.replica as usize, place, at_us);
        if live.first_seen {
            return;
        }
        self.live[place as usize].first_seen = true;
        let ttft_us = at_us - self.request(place).at_us;
        let least_us = live.prefill_us + 2 * self.way_us(place);
        self.run.impossible += u64::from(ttft_us < least_us);
        self.run.ttft_s.push((ttft_us as f64 / US) as f32);
    }

    fn done_seen(&mut self, place: u32, at_us: u64) {
        let live = self.live[place as usize];
        let replica = live.replica as usize;
        let request = self.request(place);
        let said = Answered {
            prompt_tokens: Some(f64::from(request.input_tokens)),
            cached_tokens: Some(f64::from(live.cached_tokens.min(request.input_tokens.saturating_sub(1)))),
            output_tokens: f64::from(request.output_tokens),
        };
        self.policy.answered(replica, place, &said, at_us);
        self.seen[replica].in_flight -= 1;
        self.run.completed += 1;
        self.forget(place);
    }

    /// What is in the region is lost, and the gateway will notice.
    fn region_lost(&mut self, outage: u32, at_us: u64) {
        self.each_of(outage, |engine, _| engine.crash());
        self.at(at_us + self.world.detection_us, What::Noticed { outage, is_up: false });
        let Some(region) = self.world.outages.get(outage as usize).map(|outage| outage.region) else { return };
        for place in 0..self.live.len() as u32 {
            let live = self.live[place as usize];
            let is_there = self.world.replicas[live.replica as usize].region == region;
            // What still travels there will find nobody.
            if live.is_held && is_there && live.sent_us + self.way_us(place) <= at_us {
                self.lose(place, at_us);
            }
        }
    }

    /// What the replica held of this request is lost, which the gateway notices later.
    fn lose(&mut self, place: u32, at_us: u64) {
        let live = &mut self.live[place as usize];
        live.attempt = live.attempt.wrapping_add(1);
        live.is_held = false;
        let attempt = live.attempt;
        self.at(at_us + self.world.detection_us, What::LossSeen { live: place, attempt });
    }

    fn loss_seen(&mut self, place: u32, at_us: u64) {
        let replica = self.live[place as usize].replica as usize;
        self.seen[replica].in_flight -= 1;
        self.policy.lost(replica, place);
        self.run.resent += 1;
        self.dispatch(place, at_us);
    }

    fn each_of(&mut self, outage: u32, change: impl Fn(&mut Engine, &mut Seen)) {
        let Some(region) = self.world.outages.get(outage as usize).map(|outage| outage.region) else { return };
        let of_region = self.engines.iter_mut().zip(&mut self.seen).filter(|(engine, _)| engine.spec.region == region);
        of_region.for_each(|(engine, seen)| change(engine, seen));
    }

    fn at(&mut self, at_us: u64, what: What) {
        self.sequence += 1;
        self.events.push(Reverse((at_us, self.sequence, what)));
    }

    fn is_current(&self, place: u32, attempt: u32) -> bool {
        self.live[place as usize].attempt == attempt
    }

    fn request(&self, place: u32) -> Request {
        self.requests.list()[self.live[place as usize].request as usize]
    }

    fn way_us(&self, place: u32) -> u64 {
        let live = &self.live[place as usize];
        self.world.one_way_us[live.origin as usize][self.world.replicas[live.replica as usize].region]
    }

    /// The place is free for another request.
    fn forget(&mut self, place: u32) {
        self.live[place as usize].is_held = false;
        self.free.push(place);
    }
}

/// Blocks that a request needs beyond its named ones: the rest of its prompt, and its answer.
fn private(request: &Request, requests: &Requests, block_tokens: u32) -> u32 {
    let tokens = u64::from(request.input_tokens) + u64::from(request.output_tokens);
    let all = tokens.div_ceil(u64::from(block_tokens));
    all.saturating_sub(requests.blocks(request).len() as u64).min(u64::from(u32::MAX)) as u32
}

/// A number from 0 to 1 of a hash.
fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}
