//! Room for one more: bounds on requests in hand and on the bytes of their bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use metrics::Gauge;

use crate::config::GatewayConfig;
use crate::refusal::Refusal;

/// What is in hand.
#[derive(Debug)]
pub(crate) struct Admission {
    requests: AtomicU32,
    requests_max: u32,
    bytes: AtomicU64,
    bytes_max: u64,
    gauge: Gauge,
}

/// One request's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    bytes: u64,
}

impl Admission {
    pub(crate) fn new(config: &GatewayConfig, gauge: Gauge) -> Self {
        Self {
            requests: AtomicU32::new(0),
            requests_max: config.in_flight_max,
            bytes: AtomicU64::new(0),
            bytes_max: config.body_bytes_in_hand_max,
            gauge,
        }
    }

    /// Takes a place, or says that there is none.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Admitted, Refusal> {
        if self.requests.fetch_add(1, Ordering::Relaxed) >= self.requests_max {
            self.requests.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::overloaded("too many requests"));
        }
        self.gauge.increment(1.0);
        Ok(Admitted { admission: Arc::clone(self), bytes: 0 })
    }
}

impl Admitted {
    /// Takes room for more of the body.
    pub(crate) fn hold_bytes(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.bytes += bytes;
        let before = self.admission.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.admission.bytes_max {
            let mut refusal = Refusal::overloaded("too many large requests");
            refusal.close = true;
            return Err(refusal);
        }
        Ok(())
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.requests.fetch_sub(1, Ordering::Relaxed);
        self.admission.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.admission.gauge.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_bytes_come_back() {
        let config = GatewayConfig { in_flight_max: 1, body_bytes_in_hand_max: 10, ..GatewayConfig::default() };
        let admission = Arc::new(Admission::new(&config, Gauge::noop()));
        let mut first = admission.admit().expect("a place");
        assert_eq!(admission.admit().expect_err("no second place").status, 429);
        first.hold_bytes(10).expect("room");
        assert_eq!(first.hold_bytes(1).expect_err("no room").status, 429);
        drop(first);
        admission.admit().expect("the place came back").hold_bytes(10).expect("so did the room");
    }
}
