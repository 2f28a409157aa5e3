//! The replicas of one region: on demand and on spot, serving and loading, with what they cost.
//!
//! How many are wanted is told; spot comes first, up to the share allowed, and on-demand makes up for spot that is not
//! ready, by what is ready and not by what was launched (SkyServe's rule, skypilot 0.14.1 `sky/serve/autoscalers.py`).

use std::collections::VecDeque;

use super::world::{Region, World};

/// Replicas of one market.
#[derive(Debug, Clone, Default)]
struct Market {
    ready: u32,
    /// Seconds at which so many will be ready, in order.
    loading: VecDeque<(f64, u32)>,
}

impl Market {
    fn held(&self) -> u32 {
        self.ready + self.loading()
    }

    fn loading(&self) -> u32 {
        self.loading.iter().map(|(_, count)| count).sum()
    }

    fn finish(&mut self, now_s: f64) {
        while let Some((_, count)) = self.loading.front().filter(|(ready_s, _)| *ready_s <= now_s) {
            self.ready += count;
            self.loading.pop_front();
        }
    }

    /// Launches, or gives back: the latest launched first.
    fn resize(&mut self, wanted: u32, ready_s: f64) {
        let held = self.held();
        if wanted > held {
            self.loading.push_back((ready_s, wanted - held));
            return;
        }
        let mut surplus = held - wanted;
        while let Some((_, count)) = self.loading.back_mut().filter(|_| surplus > 0) {
            let dropped = surplus.min(*count);
            *count -= dropped;
            surplus -= dropped;
            if *count == 0 {
                self.loading.pop_back();
            }
        }
        self.ready -= surplus;
    }
}

/// All replicas of a region.
#[derive(Debug, Clone)]
pub struct Fleet {
    on_demand: Market,
    spot: Market,
    on_demand_usd_per_second: f64,
    spot_usd_per_second: f64,
    replicas_max: u32,
    spot_max: u32,
    spot_share: f64,
    cold_start_s: f64,
    no_spot_until_s: f64,
    wanted: u32,
}

/// For how long a region has no spot capacity once it was taken.
const SPOT_GAP_SECONDS: f64 = 1_800.0;

impl Fleet {
    /// An empty one.
    #[must_use]
    pub fn new(world: &World, region: &Region) -> Self {
        Self {
            on_demand: Market::default(),
            spot: Market::default(),
            on_demand_usd_per_second: region.usd_per_hour / 3_600.0,
            spot_usd_per_second: region.spot_usd_per_hour / 3_600.0,
            replicas_max: region.replicas_max,
            spot_max: region.spot_replicas_max,
            spot_share: world.spot_share,
            cold_start_s: world.cold_start_seconds,
            no_spot_until_s: 0.0,
            wanted: 0,
        }
    }

    /// Replicas that serve.
    #[must_use]
    pub fn ready(&self) -> u32 {
        self.on_demand.ready + self.spot.ready
    }

    /// Replicas that load and will add to those that serve. Spot for which on-demand stands in does not.
    #[must_use]
    pub fn loading(&self) -> u32 {
        (self.on_demand.loading() + self.spot.loading()).min(self.wanted.saturating_sub(self.ready()))
    }

    /// Replicas that were last asked for, as far as there are any.
    #[must_use]
    pub const fn wanted(&self) -> u32 {
        self.wanted
    }

    /// Replicas paid for.
    #[must_use]
    pub fn held(&self) -> u32 {
        self.on_demand.held() + self.spot.held()
    }

    /// Lets those come in whose loading has ended.
    pub fn finish(&mut self, now_s: f64) {
        self.on_demand.finish(now_s);
        self.spot.finish(now_s);
    }

    /// Holds `wanted` replicas from `now_s` on, as far as there are any.
    pub fn hold(&mut self, wanted: u32, now_s: f64) {
        let wanted = wanted.min(self.replicas_max);
        self.wanted = wanted;
        let spot = if now_s < self.no_spot_until_s {
            0
        } else {
            ((f64::from(wanted) * self.spot_share) as u32).min(self.spot_max)
        };
        let ready_s = now_s + self.cold_start_s;
        self.spot.resize(spot, ready_s);
        // What is not wanted any more need not be made up for.
        self.on_demand.resize(wanted - self.spot.ready.min(spot), ready_s);
    }

    /// All that was launched is ready at once: how a day begins.
    pub fn warm(&mut self) {
        self.finish(f64::INFINITY);
        // On-demand that stood in for spot is not needed then.
        let surplus = self.spot.ready.min(self.on_demand.ready);
        self.on_demand.ready -= surplus;
    }

    /// The provider takes all spot capacity. Of one type in one zone it goes within three minutes in more than nine cases
    /// of ten ("Spot-and-Scoot", 2026), so it goes at once here. False when none was held.
    pub fn lose_spot(&mut self, now_s: f64) -> bool {
        self.no_spot_until_s = now_s + SPOT_GAP_SECONDS;
        std::mem::take(&mut self.spot).held() > 0
    }

    /// The region is lost, with everything in it.
    pub fn lose_all(&mut self) {
        self.on_demand = Market::default();
        self.spot = Market::default();
        self.wanted = 0;
    }

    /// Dollars for so many seconds of all replicas, loading ones among them.
    #[must_use]
    pub fn usd(&self, seconds: f64) -> f64 {
        let of = |market: &Market, usd: f64| f64::from(market.held()) * usd * seconds;
        of(&self.on_demand, self.on_demand_usd_per_second) + of(&self.spot, self.spot_usd_per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet() -> Fleet {
        let world = World { cold_start_seconds: 100.0, ..World::generated(1, 100_000.0) };
        Fleet::new(&world, &world.regions[0])
    }

    #[test]
    fn spot_takes_its_share_and_on_demand_stands_in_until_it_is_ready() {
        let mut fleet = fleet();
        fleet.hold(100, 0.0);
        assert_eq!((fleet.spot.held(), fleet.on_demand.held(), fleet.ready()), (30, 100, 0));
        fleet.finish(100.0);
        fleet.hold(100, 100.0);
        assert_eq!((fleet.spot.ready, fleet.on_demand.held(), fleet.ready()), (30, 70, 100));
        fleet.lose_spot(200.0);
        fleet.hold(100, 200.0);
        assert_eq!((fleet.ready(), fleet.loading()), (70, 30));
        fleet.lose_all();
        assert_eq!((fleet.ready(), fleet.loading(), fleet.usd(10.0)), (0, 0, 0.0));
    }

    #[test]
    fn a_warm_start_holds_what_is_wanted_and_no_more() {
        let mut fleet = fleet();
        fleet.hold(100, 0.0);
        fleet.warm();
        assert_eq!((fleet.spot.ready, fleet.ready(), fleet.loading()), (30, 100, 0));
        fleet.hold(40, 10.0);
        assert_eq!((fleet.spot.ready, fleet.ready()), (12, 40));
    }
}
