//! From what gateways tell to what is asked of each model: differences of counts that survive restarts on both sides.

use std::collections::{BTreeMap, BTreeSet};

use domain::{GatewayStatus, ModelDemand, Timestamp};
use planning::autoscale::{Counted, LoadMeter};

/// A gateway that runs tells something within this time, in milliseconds.
const FRESH_MS: i64 = 10_000;
/// One that is silent for longer serves nobody, in milliseconds. Until then it may go on serving by the snapshot on its
/// disk, and nobody knows what.
const GONE_MS: i64 = 300_000;

/// What was heard of all gateways. A successor begins with what is told next.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    gateways: BTreeMap<String, Heard>,
    meters: BTreeMap<String, LoadMeter>,
}

#[derive(Debug)]
struct Heard {
    status: GatewayStatus,
    /// When the word was first seen here. The gateway's own times are of its own clock, and tell nothing of ours.
    at: Timestamp,
    /// Whether it was seen to come; the first word may have been written long ago.
    came: bool,
}

/// What is asked of one model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub meter: &'a LoadMeter,
    pub in_flight: u32,
    pub waiting: u32,
    /// A gateway is silent and may have more.
    pub partial: bool,
}

impl Observer {
    /// Takes in what every gateway last said.
    pub(crate) fn observe(&mut self, statuses: Vec<GatewayStatus>, now: Timestamp) {
        let named: BTreeSet<String> = statuses.iter().map(|status| status.gateway.clone()).collect();
        for status in statuses {
            let known = self.gateways.get(&status.gateway);
            if known.is_some_and(|known| known.status.at == status.at) {
                continue;
            }
            for model in status.demand.keys() {
                self.meters.entry(model.clone()).or_default();
            }
            if let Some(known) = known {
                count(&mut self.meters, known, &status, now);
            }
            let came = known.is_some();
            self.gateways.insert(status.gateway.clone(), Heard { status, at: now, came });
        }
        self.gateways.retain(|gateway, _| named.contains(gateway));
        let models: BTreeSet<&String> = self.gateways.values().flat_map(|heard| heard.status.demand.keys()).collect();
        self.meters.retain(|model, _| models.contains(model));
    }

    /// What is asked of `model`; nothing while no gateway tells it. The first word of each is where its counts begin.
    pub(crate) fn asked(&self, model: &str, now: Timestamp) -> Option<Asked<'_>> {
        let fresh = || self.gateways.values().filter(|heard| heard.came && age_ms(heard, now) < FRESH_MS);
        let serves = |heard: &&Heard| age_ms(heard, now) < if heard.came { GONE_MS } else { FRESH_MS };
        let demand = || fresh().filter_map(|heard| heard.status.demand.get(model));
        demand().next()?;
        Some(Asked {
            meter: self.meters.get(model)?,
            in_flight: demand().map(|demand| demand.in_flight).sum(),
            waiting: demand().map(|demand| demand.waiting).sum(),
            partial: fresh().count() < self.gateways.values().filter(serves).count(),
        })
    }
}

fn age_ms(heard: &Heard, now: Timestamp) -> i64 {
    now.micros_since(heard.at) / 1_000
}

/// Adds what a gateway counted between two of its words to the meters.
fn count(meters: &mut BTreeMap<String, LoadMeter>, known: &Heard, after: &GatewayStatus, now: Timestamp) {
    let before = &known.status;
    let is_same_run = before.started_at == after.started_at;
    // One that was started meanwhile has counted for as long as it says, and not longer than since its last word.
    let elapsed_s = seconds(now) - seconds(known.at);
    let runs_s = seconds(after.at) - seconds(after.started_at);
    let span_s = if is_same_run || runs_s <= 0.0 { elapsed_s } else { runs_s.min(elapsed_s) };
    for (model, demand) in &after.demand {
        let from = match before.demand.get(model) {
            Some(from) if is_same_run && from.arrived <= demand.arrived => *from,
            // Told for the first time: what was counted before is of another time.
            None if is_same_run => continue,
            // The gateway, or its counts, began anew at zero.
            _ => ModelDemand::default(),
        };
        let meter = meters.entry(model.clone()).or_default();
        meter.observe(seconds(now), span_s, &difference(&from, demand));
    }
}

fn difference(from: &ModelDemand, to: &ModelDemand) -> Counted {
    // Counts stay far below 2⁵³, up to which a float is exact.
    let grown = |from: u64, to: u64| to.saturating_sub(from) as f64;
    Counted {
        arrived: grown(from.arrived, to.arrived),
        answered: grown(from.answered, to.answered),
        prompt_tokens: grown(from.prompt_tokens, to.prompt_tokens),
        generated_tokens: grown(from.generated_tokens, to.generated_tokens),
    }
}

/// Seconds since the Unix epoch; a float holds them to a microsecond until the year 2242.
pub(crate) fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use planning::autoscale::ReplicaCapacity;

    use super::*;

    const REPLICA: ReplicaCapacity = ReplicaCapacity {
        requests_per_second: 1.0,
        prompt_tokens_per_second: f64::INFINITY,
        generation_tokens_per_second: f64::INFINITY,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp(1_700_000_000_000_000).plus_millis(second * 1_000)
    }

    fn status(gateway: &str, started: i64, second: i64, arrived: u64) -> GatewayStatus {
        let demand = ModelDemand { arrived, in_flight: 2, waiting: 1, ..ModelDemand::default() };
        GatewayStatus {
            gateway: gateway.to_owned(),
            started_at: at(started),
            at: at(second),
            demand: BTreeMap::from([("demo:1.0".to_owned(), demand)]),
            ..GatewayStatus::default()
        }
    }

    fn load(observer: &Observer, second: i64) -> Option<f64> {
        observer.asked("demo:1.0", at(second)).map(|asked| asked.meter.load(&REPLICA, 9))
    }

    #[test]
    fn the_first_word_is_where_counting_begins() {
        let mut observer = Observer::default();
        observer.observe(vec![status("a", 0, 100, 1_000_000)], at(100));
        assert_eq!(load(&observer, 100), None, "it may have been written long ago");
        observer.observe(vec![status("a", 0, 103, 1_000_030)], at(103));
        assert_eq!(load(&observer, 103), Some(10.0));
        // The same word again is no news.
        observer.observe(vec![status("a", 0, 103, 1_000_030)], at(104));
        assert_eq!(load(&observer, 104), Some(10.0));
    }

    #[test]
    fn a_gateway_that_was_restarted_counts_from_zero() {
        let mut observer = Observer::default();
        observer.observe(vec![status("a", 0, 100, 500)], at(100));
        observer.observe(vec![status("a", 101, 104, 30)], at(104));
        assert_eq!(load(&observer, 104), Some(10.0));
        // The model was out of the snapshot for a while: its counts began anew.
        observer.observe(vec![status("a", 101, 105, 10)], at(105));
        assert_eq!(load(&observer, 105), Some(10.0));
    }

    #[test]
    fn several_gateways_add_up_and_a_silent_one_is_missed_until_it_is_gone() {
        let mut observer = Observer::default();
        let both = |second: i64| vec![status("a", 0, second, second as u64), status("b", 0, second, 2 * second as u64)];
        observer.observe(both(100), at(100));
        observer.observe(both(110), at(110));
        let asked = observer.asked("demo:1.0", at(110)).expect("heard of");
        assert_eq!((asked.in_flight, asked.waiting, asked.partial), (4, 2, false));
        assert_eq!(load(&observer, 110), Some(3.0));
        let only_a = |second: i64| vec![status("a", 0, second, second as u64), status("b", 0, 110, 220)];
        observer.observe(only_a(125), at(125));
        let asked = observer.asked("demo:1.0", at(125)).expect("heard of");
        assert_eq!((asked.in_flight, asked.partial), (2, true));
        observer.observe(only_a(420), at(420));
        assert!(!observer.asked("demo:1.0", at(420)).expect("heard of").partial);
        assert!(observer.asked("demo:1.0", at(440)).is_none(), "nobody is heard of");
    }

    #[test]
    fn a_word_that_was_written_long_ago_says_nothing_of_now() {
        let mut observer = Observer::default();
        observer.observe(vec![status("dead", 0, 100, 500)], at(5_000));
        observer.observe(vec![status("dead", 0, 100, 500), status("a", 0, 5_000, 7)], at(5_001));
        observer.observe(vec![status("dead", 0, 100, 500), status("a", 0, 5_002, 9)], at(5_003));
        let asked = observer.asked("demo:1.0", at(5_003)).expect("heard of");
        assert_eq!((asked.in_flight, asked.partial), (2, true), "it may live");
        observer.observe(vec![status("dead", 0, 100, 500), status("a", 0, 5_012, 9)], at(5_012));
        let asked = observer.asked("demo:1.0", at(5_012)).expect("heard of");
        assert_eq!((asked.in_flight, asked.partial), (2, false), "it has said nothing since");
    }

    #[test]
    fn a_gateway_whose_clock_is_off_or_steps_is_heard_all_the_same() {
        for off_s in [-3_600, 3_600] {
            let mut observer = Observer::default();
            observer.observe(vec![status("a", off_s, 100 + off_s, 0)], at(100));
            observer.observe(vec![status("a", off_s, 103 + off_s, 30)], at(103));
            assert_eq!(load(&observer, 103), Some(10.0), "{off_s}");
            // Its clock is set back to ours.
            observer.observe(vec![status("a", off_s, 106, 60)], at(106));
            assert_eq!(load(&observer, 106), Some(10.0), "{off_s}");
        }
    }
}
