//! A world of the project's own: regions of the atlas with people, machines and prices after their part of the world.

use super::atlas::{Part, REGIONS};
use super::world::{RTT_MS_PER_1000_KM, Region, World};

impl World {
    /// The first `regions` of the atlas with people, machines and prices after their part of the world: accelerators
    /// for two dollars an hour that hold 32 requests of two seconds each, on spot for two fifths of that.
    #[must_use]
    pub fn generated(regions: usize, requests_per_second: f64) -> Self {
        let (service_seconds, slots, busy_target) = (2.0, 32.0, 0.8);
        let rows = &REGIONS[..regions.min(REGIONS.len())];
        let all: f64 = rows.iter().map(|row| row.3.demand()).sum();
        let region = |(name, latitude, longitude, part): &(&str, f64, f64, Part)| {
            let mean = requests_per_second * part.demand() / all * service_seconds / (slots * busy_target);
            Region {
                name: (*name).to_owned(),
                latitude: *latitude,
                longitude: *longitude,
                clients: part.demand(),
                usd_per_hour: 2.0 * part.price(),
                spot_usd_per_hour: 0.8 * part.price(),
                // Twice what its own people need at their peak: nobody finds all machines of a region free.
                replicas_max: (3.0 * mean).ceil() as u32,
                spot_replicas_max: mean.ceil() as u32,
                spot_losses_per_day: 2.0,
                egress_usd_per_gb: Some(0.05 * part.price()),
            }
        };
        Self {
            seed: 7,
            requests_per_second,
            service_seconds,
            slots,
            busy_target,
            cold_start_seconds: 183.0,
            detection_seconds: 10.0,
            patience_seconds: 30.0,
            gb_per_million_requests: 6.0,
            spot_share: 0.3,
            local_rtt_ms: 2.0,
            rtt_ms_per_1000_km: RTT_MS_PER_1000_KM,
            day_swing: 0.5,
            burst_share: 0.05,
            crowds_per_day: 2.0,
            regions: rows.iter().map(region).collect(),
            links: Vec::new(),
            outages: Vec::new(),
            egress_pairs: Vec::new(),
        }
    }
}
