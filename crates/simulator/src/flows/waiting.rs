//! Who waits in a region, in order, with the latency that was foretold to them.
//!
//! A request is counted when a region takes it, with the wait that the region then foresees. When the region is lost before
//! it is served, that count must be taken back exactly, or whoever is sent again would be counted twice.

use std::collections::VecDeque;

use super::latency::Latencies;

/// Requests that were taken together.
#[derive(Debug, Clone, Copy)]
struct Parcel {
    seconds: f64,
    requests: f64,
}

/// A region's queue, oldest first. It holds no more than what patience lets gather.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    parcels: VecDeque<Parcel>,
    requests: f64,
}

impl Waiting {
    /// So many were taken and counted as taking so long.
    pub fn join(&mut self, seconds: f64, requests: f64) {
        if requests > 0.0 {
            self.parcels.push_back(Parcel { seconds, requests });
            self.requests += requests;
        }
    }

    /// The oldest are served until `requests` are left.
    pub fn keep(&mut self, requests: f64) {
        if requests <= 0.0 {
            *self = Self::default();
        }
        while let Some(oldest) = self.parcels.front_mut().filter(|_| self.requests > requests) {
            let served = oldest.requests.min(self.requests - requests);
            self.requests -= served;
            oldest.requests -= served;
            if oldest.requests > 0.0 {
                break;
            }
            self.parcels.pop_front();
        }
    }

    /// Nobody waits any more: takes back what was counted of them.
    pub fn take_back(&mut self, latencies: &mut Latencies) {
        for parcel in std::mem::take(self).parcels {
            latencies.add(parcel.seconds, -parcel.requests);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_served_first_and_the_rest_taken_back() {
        let (mut waiting, mut latencies) = (Waiting::default(), Latencies::default());
        for (seconds, requests) in [(1.0, 10.0), (2.0, 20.0), (3.0, 30.0)] {
            waiting.join(seconds, requests);
            latencies.add(seconds, requests);
        }
        waiting.keep(35.0);
        waiting.take_back(&mut latencies);
        // Ten of one second and fifteen of two were served.
        assert!((latencies.requests() - 25.0).abs() < 1e-9);
        assert!((latencies.mean() - 40.0 / 25.0).abs() < 1e-9);
        waiting.take_back(&mut latencies);
        assert!((latencies.requests() - 25.0).abs() < 1e-9);
    }
}
