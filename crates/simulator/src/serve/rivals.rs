//! Published policies, re-implemented to be compared with.

use planning::spot::ServingSituation;

use super::world::{Fleet, ServingPolicy};

/// SpotHedge: Mao et al., "SkyServe: Serving AI Models across Regions and Clouds with Spot Instances", arXiv 2411.01438.
///
/// Zones are active or preempted; a missing spot replica goes to the active zone with the fewest; a preemption or a failed
/// launch makes a zone preempted, and when fewer than two are active all are again (skypilot 0.14.1,
/// `sky/serve/spot_placer.py`). On-demand replaces what is not ready (`sky/serve/autoscalers.py`).
#[derive(Debug)]
pub struct SpotHedge {
    replicas: u32,
    spot_target: u32,
    active: Vec<bool>,
    held: Vec<u32>,
}

impl SpotHedge {
    /// For `replicas` wanted and `extra` spare ones over `zones` zones.
    #[must_use]
    pub fn new(replicas: u32, extra: u32, zones: usize) -> Self {
        Self { replicas, spot_target: replicas + extra, active: vec![true; zones], held: vec![0; zones] }
    }

    fn set_preempted(&mut self, zone: usize) {
        self.active[zone] = false;
        if self.active.iter().filter(|active| **active).count() < 2 {
            self.active.fill(true);
        }
    }
}

impl ServingPolicy for SpotHedge {
    fn observe(&mut self, _capacity: &[u32], _short_s: f64, _elapsed_s: f64) {}

    fn decide(&mut self, situation: &ServingSituation<'_>) -> Fleet {
        let mut spot: Vec<u32> = situation.zones.iter().map(|zone| zone.ready + zone.loading).collect();
        for (zone, now) in spot.iter().enumerate() {
            if *now < self.held[zone] {
                self.set_preempted(zone);
            }
        }
        // Each try either launches one or marks one zone; a bound of both together ends the loop.
        for _ in 0..(self.spot_target as usize + 2 * spot.len()) {
            if spot.iter().sum::<u32>() >= self.spot_target {
                break;
            }
            let Some(zone) = (0..spot.len()).filter(|zone| self.active[*zone]).min_by_key(|zone| spot[*zone]) else {
                break;
            };
            if spot[zone] < situation.zones[zone].capacity {
                spot[zone] += 1;
            } else {
                self.set_preempted(zone);
            }
        }
        self.held.clone_from(&spot);
        let ready: u32 = situation.zones.iter().map(|zone| zone.ready).sum();
        Fleet { spot, on_demand: self.spot_target.saturating_sub(ready).min(self.replicas) }
    }
}

/// Spot replicas spread evenly over all zones, wanted in each whether it has capacity or not; no on-demand.
#[derive(Debug)]
pub struct Spread {
    /// Spot replicas over all zones.
    pub replicas: u32,
}

impl ServingPolicy for Spread {
    fn observe(&mut self, _capacity: &[u32], _short_s: f64, _elapsed_s: f64) {}

    fn decide(&mut self, situation: &ServingSituation<'_>) -> Fleet {
        let zones = situation.zones.len() as u32;
        let share = |zone: u32| self.replicas / zones + u32::from(zone < self.replicas % zones);
        Fleet { spot: (0..zones).map(share).collect(), on_demand: 0 }
    }
}
