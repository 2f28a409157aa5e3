//! What a routing policy sees, and the policies: the product's own and three rivals.
//!
//! A policy is shown a request as it arrives, without the length of its answer, and the gateway's own counts: what it
//! sent and what it has seen come back. It is never shown a replica's queue, its cache, or a later request.

use planning::balance::{
    Answered, Ask, Candidate, Fleet, ForecastWeights, Health, Ledger, Offer, Outlook, Prompt, Report, Sent,
    choose_replica,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// One request as it arrives.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Now.
    pub at_us: u64,
    /// Tokens of its prompt.
    pub input_tokens: u32,
    /// The names of its prompt's blocks.
    pub blocks: &'a [u64],
}

/// One replica as the gateway sees it at a request.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// The request may be served there, by law.
    pub is_resident: bool,
    /// It was not noticed that the replica is lost.
    pub is_up: bool,
    /// Its memory could take the prompt.
    pub fits: bool,
    /// Requests sent there that have not come back.
    pub in_flight: u32,
    /// Seconds there and back from the client's region.
    pub network_seconds: f64,
    /// What the replica says of itself.
    pub slots: u32,
    /// Dollars an hour.
    pub usd_per_hour: f64,
    /// Blocks of its memory.
    pub kv_blocks: u32,
    /// Tokens a block.
    pub block_tokens: u32,
}

impl Seen {
    fn may_serve(&self) -> bool {
        self.is_resident && self.is_up && self.fits
    }
}

/// Who decides where a request goes, and what he is told of it later.
pub trait RoutePolicy {
    /// The replica for a request; nothing when none may serve it.
    fn choose(&mut self, request: &Asked<'_>, seen: &[Seen]) -> Option<usize>;
    /// The first token of a request came back.
    fn first_token(&mut self, _replica: usize, _request: u32, _at_us: u64) {}
    /// An answer came back whole, and what the replica said of its tokens.
    fn answered(&mut self, _replica: usize, _request: u32, _said: &Answered, _at_us: u64) {}
    /// What was sent under `request` is lost.
    fn lost(&mut self, _replica: usize, _request: u32) {}
    /// The number under which the world will speak of the request just placed.
    fn placed(&mut self, _replica: usize, _request: u32) {}
}

/// `planning::balance::choose_replica`, with the bookkeeping that the gateway does.
#[derive(Debug)]
pub struct Ours {
    weights: ForecastWeights,
    rng: SmallRng,
    fleet: Fleet,
    ledgers: Vec<Ledger>,
    /// The request being placed, and those placed, by number.
    placing: Option<Sent>,
    sent: Vec<Option<Sent>>,
    offers: Vec<Offer>,
}

impl Ours {
    /// With these weights; ties are drawn from `seed`.
    #[must_use]
    pub fn new(weights: ForecastWeights, seed: u64) -> Self {
        Self {
            weights,
            rng: SmallRng::seed_from_u64(seed),
            fleet: Fleet::default(),
            ledgers: Vec::new(),
            placing: None,
            sent: Vec::new(),
            offers: Vec::new(),
        }
    }

    fn of(&mut self, replica: usize, request: u32) -> Option<(&mut Ledger, &mut Sent, &mut Fleet)> {
        let sent = self.sent.get_mut(request as usize)?.as_mut()?;
        Some((self.ledgers.get_mut(replica)?, sent, &mut self.fleet))
    }
}

fn offer(seen: &Seen, ledger: &Ledger, prompt: &Prompt<'_>, fleet: &Fleet, now: f64) -> Offer {
    Offer {
        candidate: Candidate {
            health: if seen.is_up { Health::Up } else { Health::Down },
            report: Some(Report { parallel: seen.slots, ..Report::default() }),
            in_flight: seen.in_flight,
            service_seconds: ledger.service_seconds(),
            network_seconds: seen.network_seconds,
            dollars_per_hour: seen.usd_per_hour,
            ..Candidate::default()
        },
        outlook: Outlook {
            is_resident: seen.is_resident,
            window_tokens: Some(seen.kv_blocks.saturating_mul(seen.block_tokens)),
            ..ledger.outlook(prompt, fleet, now)
        },
    }
}

impl RoutePolicy for Ours {
    fn choose(&mut self, request: &Asked<'_>, seen: &[Seen]) -> Option<usize> {
        for replica in seen.iter().skip(self.ledgers.len()) {
            self.ledgers.push(Ledger::new(replica.kv_blocks as usize));
        }
        let now = seconds(request.at_us);
        let prompt = Prompt {
            tokens: request.input_tokens,
            blocks: request.blocks,
            block_tokens: seen.first().map_or(0.0, |replica| f64::from(replica.block_tokens)),
            reuses: true,
            streams: true,
        };
        self.offers.clear();
        let offers = seen.iter().zip(&self.ledgers);
        self.offers.extend(offers.map(|(seen, ledger)| offer(seen, ledger, &prompt, &self.fleet, now)));
        let ask = Ask { input_tokens: request.input_tokens, output_tokens: self.fleet.output_tokens() };
        let choice = choose_replica(&self.offers, &ask, &self.weights, &mut self.rng).ok()?;
        if choice.despite.is_some() {
            return None;
        }
        let ledger = self.ledgers.get_mut(choice.index)?;
        self.placing = Some(ledger.send(&prompt, &self.offers[choice.index], now));
        Some(choice.index)
    }

    fn placed(&mut self, _replica: usize, request: u32) {
        let at = request as usize;
        if self.sent.len() <= at {
            self.sent.resize(at + 1, None);
        }
        self.sent[at] = self.placing.take();
    }

    fn first_token(&mut self, replica: usize, request: u32, at_us: u64) {
        if let Some((ledger, sent, _)) = self.of(replica, request) {
            ledger.first_token(sent, seconds(at_us));
        }
    }

    fn answered(&mut self, replica: usize, request: u32, said: &Answered, at_us: u64) {
        if let Some((ledger, sent, fleet)) = self.of(replica, request) {
            ledger.answered(sent, said, fleet, seconds(at_us));
        }
    }

    fn lost(&mut self, replica: usize, request: u32) {
        if let Some((ledger, sent, _)) = self.of(replica, request) {
            ledger.settle(sent);
            ledger.forget();
        }
    }
}

fn seconds(at_us: u64) -> f64 {
    at_us as f64 / 1e6
}

/// One after the other.
#[derive(Debug, Default)]
pub struct RoundRobin {
    next: usize,
}

impl RoutePolicy for RoundRobin {
    fn choose(&mut self, _: &Asked<'_>, seen: &[Seen]) -> Option<usize> {
        let count = seen.len();
        let chosen = (self.next..self.next + count).map(|at| at % count).find(|at| seen[*at].may_serve())?;
        self.next = (chosen + 1) % count;
        Some(chosen)
    }
}

/// The one with the fewest requests in flight, of equals the nearest, of those one at random.
#[derive(Debug)]
pub struct LeastOutstanding(pub SmallRng);

impl RoutePolicy for LeastOutstanding {
    fn choose(&mut self, _: &Asked<'_>, seen: &[Seen]) -> Option<usize> {
        let may = seen.iter().enumerate().filter(|(_, replica)| replica.may_serve());
        may.min_by(|(_, a), (_, b)| {
            let order = a.in_flight.cmp(&b.in_flight).then(a.network_seconds.total_cmp(&b.network_seconds));
            order.then_with(|| if self.0.random() { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater })
        })
        .map(|(index, _)| index)
    }
}

/// Hashes a prompt's beginning to a replica, and goes on to the next by hash where that has more than its share of load:
/// consistent hashing with bounded loads (Mirrokni et al., 2018), as gateways for language models use it.
#[derive(Debug, Clone, Copy)]
pub struct PrefixHash {
    /// Leading blocks that are hashed.
    pub blocks: usize,
    /// A replica may have so many times the mean of what is in flight.
    pub load_factor: f64,
}

impl RoutePolicy for PrefixHash {
    fn choose(&mut self, request: &Asked<'_>, seen: &[Seen]) -> Option<usize> {
        let may = || seen.iter().enumerate().filter(|(_, replica)| replica.may_serve());
        let (count, in_flight) =
            may().fold((0_u32, 0_u64), |(count, sum), (_, replica)| (count + 1, sum + u64::from(replica.in_flight)));
        let bound = (self.load_factor * (in_flight + 1) as f64 / f64::from(count.max(1))).ceil();
        let beginning = request.blocks.iter().take(self.blocks.max(1));
        let key = beginning.fold(0, |hash, block| mixed(hash ^ mixed(*block)));
        // Highest random weight: each prefix has its own order of all replicas.
        let by_weight = |(index, _): &(usize, &Seen)| mixed(key ^ mixed(*index as u64 + 1));
        let has_room = |(_, replica): &(usize, &Seen)| f64::from(replica.in_flight + 1) <= bound;
        may().filter(has_room).max_by_key(by_weight).or_else(|| may().max_by_key(by_weight)).map(|(index, _)| index)
    }
}

/// The finaliser of SplitMix64 (Steele et al., 2014).
pub fn mixed(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A generator of ties.
#[must_use]
pub fn chance(seed: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed)
}
