//! Room for one more: bounds on requests in hand and on the bytes of their bodies, in all and for each key.
//!
//! A key may hold as much as is still free, times a factor. So one key alone gets half of all, and however many keys fill
//! the gateway, one that holds nothing finds room (dynamic thresholds: Choudhury and Hahne, IEEE/ACM Transactions on
//! Networking 6(2), 1998).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use access::api_key::KeyHash;
use metrics::Gauge;
use parking_lot::Mutex;

use crate::config::GatewayConfig;
use crate::refusal::Refusal;

/// What is in hand.
#[derive(Debug)]
pub(crate) struct Admission {
    held: Mutex<Held>,
    limits: Use,
    key_share: f64,
    gauge: Gauge,
}

#[derive(Debug, Default)]
struct Held {
    all: Use,
    /// Keys that hold something.
    keys: HashMap<KeyHash, Use>,
}

/// Requests and bytes of bodies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Use {
    requests: u64,
    bytes: u64,
}

/// One request's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    key: KeyHash,
    bytes: u64,
}

impl Admission {
    pub(crate) fn new(config: &GatewayConfig, gauge: Gauge) -> Self {
        // Below a place for each key, nobody could do anything.
        let key_share = if config.key_share > 0.0 { config.key_share } else { 1.0 };
        let limits = Use { requests: config.in_flight_max.into(), bytes: config.body_bytes_in_hand_max };
        Self { held: Mutex::default(), limits, key_share, gauge }
    }

    /// Takes a place for this key, or says that there is none.
    pub(crate) fn admit(self: &Arc<Self>, key: KeyHash) -> Result<Admitted, Refusal> {
        let mut held = self.held.lock();
        let Held { all, keys } = &mut *held;
        let free = self.limits.requests.saturating_sub(all.requests);
        if free == 0 {
            return Err(Refusal::overloaded("too many requests"));
        }
        match keys.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(Use { requests: 1, bytes: 0 });
            }
            Entry::Occupied(mut own) => {
                if !self.is_share(own.get().requests + 1, free) {
                    return Err(Refusal::key_overloaded("too many requests"));
                }
                own.get_mut().requests += 1;
            }
        }
        all.requests += 1;
        drop(held);
        self.gauge.increment(1.0);
        Ok(Admitted { admission: Arc::clone(self), key, bytes: 0 })
    }

    /// Whether a key may hold this much while so much is free. One request alone may always have what is there.
    fn is_share(&self, wanted: u64, free: u64) -> bool {
        wanted as f64 <= (free as f64 * self.key_share).max(1.0)
    }
}

impl Admitted {
    /// Takes room for more of the body.
    pub(crate) fn hold_bytes(&mut self, bytes: u64) -> Result<(), Refusal> {
        let admission = &self.admission;
        let mut held = admission.held.lock();
        let Held { all, keys } = &mut *held;
        let free = admission.limits.bytes.saturating_sub(all.bytes);
        if bytes > free {
            return Err(Refusal::overloaded("too many large requests").closing());
        }
        let Some(own) = keys.get_mut(&self.key) else { return Ok(()) };
        let is_alone = own.bytes == self.bytes;
        if !is_alone && !admission.is_share(own.bytes + bytes, free) {
            return Err(Refusal::key_overloaded("too many large requests").closing());
        }
        own.bytes += bytes;
        all.bytes += bytes;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut held = self.admission.held.lock();
        let Held { all, keys } = &mut *held;
        all.requests = all.requests.saturating_sub(1);
        all.bytes = all.bytes.saturating_sub(self.bytes);
        if let Some(own) = keys.get_mut(&self.key) {
            own.requests = own.requests.saturating_sub(1);
            own.bytes = own.bytes.saturating_sub(self.bytes);
            if own.requests == 0 {
                keys.remove(&self.key);
            }
        }
        drop(held);
        self.admission.gauge.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(requests: u32, bytes: u64) -> Arc<Admission> {
        let config =
            GatewayConfig { in_flight_max: requests, body_bytes_in_hand_max: bytes, ..GatewayConfig::default() };
        Arc::new(Admission::new(&config, Gauge::noop()))
    }

    fn key(name: &str) -> KeyHash {
        KeyHash::of(name)
    }

    #[test]
    fn places_and_bytes_come_back() {
        let admission = admission(1, 10);
        let mut first = admission.admit(key("a")).expect("a place");
        assert_eq!(admission.admit(key("b")).expect_err("no second place").status, 429);
        first.hold_bytes(10).expect("room");
        assert_eq!(first.hold_bytes(1).expect_err("no room").status, 429);
        drop(first);
        admission.admit(key("a")).expect("the place came back").hold_bytes(10).expect("so did the room");
        assert_eq!(admission.held.lock().all, Use::default());
        assert!(admission.held.lock().keys.is_empty());
    }

    #[test]
    fn whoever_holds_nothing_finds_a_place_however_many_others_fill_the_gateway() {
        let admission = admission(2_048, 1 << 30);
        let mut held = Vec::new();
        for hostile in 0..8 {
            let key = key(&format!("hostile-{hostile}"));
            while let Ok(place) = admission.admit(key) {
                held.push(place);
            }
            if hostile == 0 {
                assert_eq!(held.len(), 1_024, "one key alone gets half");
            }
        }
        assert!(held.len() < 2_048, "{}", held.len());
        let mut newcomer = admission.admit(key("newcomer")).expect("a place");
        newcomer.hold_bytes(1 << 20).expect("room");
        let refused = admission.admit(key("hostile-0")).expect_err("it has its share");
        assert_eq!((refused.status.as_u16(), refused.code), (429, "key_overloaded"));
    }

    #[test]
    fn bytes_are_shared_like_places() {
        let admission = admission(100, 1_000);
        let mut large: Vec<_> = (0..20).map(|_| admission.admit(key("large")).expect("a place")).collect();
        let taken = large.iter_mut().filter_map(|request| request.hold_bytes(100).ok()).count();
        assert_eq!(taken, 5, "half of all");
        admission.admit(key("other")).expect("a place").hold_bytes(500).expect("room");
    }
}
