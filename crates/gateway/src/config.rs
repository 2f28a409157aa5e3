//! The gateway's section of the configuration. Its field docs are its manual.

use std::path::PathBuf;

use domain::Problem;
use planning::balance::{EjectionPolicy, ForecastWeights};
use serde::{Deserialize, Serialize};

use crate::cors;

/// What the gateway bounds, and how it fails over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Its id among gateways that share a store.
    pub id: String,
    /// Where the last good routing snapshot is kept; without it a restart needs the store.
    pub snapshot_file: Option<PathBuf>,
    /// Further names by which clients call it (the `host` header). On loopback, only loopback's own names and these are
    /// answered, so that a page in a browser cannot reach it under a name of its own. Part of no section: all servers of a
    /// process share it.
    #[serde(skip)]
    pub hosts: Vec<String>,
    /// Origins of pages that may call it from a browser (CORS), such as `https://console.example` or
    /// `http://localhost:3000`; `*` allows all. None by default: browsers then keep answers from pages.
    pub cors_origins: Vec<String>,
    /// Most connections at once. When as many are open, those that have been idle longest make room for new ones; while
    /// none is idle, new ones wait in the kernel's queue.
    pub connections_max: usize,
    /// Most requests in hand; more get 429.
    pub in_flight_max: u32,
    /// How much one API key may hold, of requests in hand and of bytes of bodies: this many times what is still free. With
    /// 1, a key alone gets half of all, two busy keys a third each, and a newcomer always finds room.
    pub key_share: f64,
    /// Most bytes of request bodies held at once; more get 429.
    pub body_bytes_in_hand_max: u64,
    /// Largest request body; larger gets 413.
    pub body_bytes_max: u64,
    /// Largest answer that is not a stream.
    pub answer_bytes_max: usize,
    /// Milliseconds that a client may take to send a request's head, and each part of its body.
    pub client_idle_ms: u64,
    /// Milliseconds that a client may take to send a request's body in all.
    pub body_ms: u64,
    /// Milliseconds that a connection may be idle between requests.
    pub connection_idle_ms: u64,
    /// Milliseconds for which a client may take nothing of its answer while there is something to take.
    pub client_stall_ms: u64,
    /// Milliseconds that counting one long conversation may take; then it is passed on, and its replica judges.
    pub fitting_ms: u64,
    /// Most replicas asked for one request (and never more than the model has, plus one).
    pub attempts_max: u32,
    /// Milliseconds that a request waits for a replica when none is up.
    pub patience_ms: u64,
    /// Milliseconds to connect to a replica.
    pub connect_ms: u64,
    /// Milliseconds that a replica may take to its first content, waiting in its queue included.
    pub first_content_ms: u64,
    /// Milliseconds without a byte after which a stream counts as dead.
    pub stream_idle_ms: u64,
    /// Milliseconds that a request may take in all.
    pub request_ms: u64,
    /// Milliseconds for which the head of a stream waits for its first content; then the head goes out with comments
    /// that keep the connection alive, and failover goes on behind it.
    pub hold_ms: u64,
    /// Milliseconds between those comments.
    pub keep_alive_ms: u64,
    /// Connections kept open to each replica while they are idle.
    pub idle_connections_max: usize,
    /// Milliseconds between health probes of a replica.
    pub probe_interval_ms: u64,
    /// Milliseconds after which a probe has failed.
    pub probe_timeout_ms: u64,
    /// Probes in a row that must fail before a replica counts as down.
    pub probe_failures: u32,
    /// Failures in a row that put a replica aside.
    pub ejection_failures: u32,
    /// Milliseconds for which a replica is put aside the first time; each further time doubles it.
    pub ejection_first_ms: u64,
    /// Milliseconds for which it is put aside at most.
    pub ejection_max_ms: u64,
    /// Seconds of waiting that one dollar of a request's cost is worth when replicas are compared; 0 looks at time alone.
    pub seconds_per_dollar: f64,
    /// What a second counts that a replica saves by holding the beginning of a prompt, while it is idle; 0 looks away.
    pub prefix_credit: f64,
    /// Milliseconds that running requests get to finish when the gateway stops.
    pub drain_ms: u64,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        let (ejection, weights) = (EjectionPolicy::default(), ForecastWeights::default());
        Self {
            id: "gateway".to_owned(),
            snapshot_file: None,
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            connections_max: 8_192,
            in_flight_max: 2_048,
            key_share: 1.0,
            body_bytes_in_hand_max: 512 << 20,
            body_bytes_max: 32 << 20,
            answer_bytes_max: 64 << 20,
            client_idle_ms: 30_000,
            body_ms: 120_000,
            connection_idle_ms: 120_000,
            client_stall_ms: 30_000,
            fitting_ms: 5_000,
            attempts_max: 3,
            patience_ms: 3_000,
            connect_ms: 1_000,
            first_content_ms: 300_000,
            stream_idle_ms: 60_000,
            request_ms: 600_000,
            hold_ms: 5_000,
            keep_alive_ms: 5_000,
            idle_connections_max: 256,
            probe_interval_ms: 1_000,
            probe_timeout_ms: 2_000,
            probe_failures: 2,
            ejection_failures: ejection.consecutive_failures,
            ejection_first_ms: ejection.first_ms,
            ejection_max_ms: ejection.max_ms,
            seconds_per_dollar: weights.seconds_per_dollar,
            prefix_credit: weights.credit,
            drain_ms: 30_000,
        }
    }
}

impl GatewayConfig {
    /// What must hold of it, whatever was set: an origin is one that a browser can send.
    pub fn check(&self) -> Result<(), Problem> {
        match self.cors_origins.iter().find(|origin| !cors::is_origin(origin)) {
            None => Ok(()),
            Some(origin) => Err(Problem::invalid(format!("{origin:?} is no origin"))
                .next("write scheme, host and port, such as \"https://console.example\", or \"*\" for all")
                .at("gateway.cors_origins")),
        }
    }

    /// When failures put a replica aside.
    #[must_use]
    pub fn ejection(&self) -> EjectionPolicy {
        EjectionPolicy {
            consecutive_failures: self.ejection_failures.max(1),
            first_ms: self.ejection_first_ms,
            max_ms: self.ejection_max_ms,
        }
    }

    /// What replicas are compared by.
    #[must_use]
    pub fn weights(&self) -> ForecastWeights {
        ForecastWeights {
            // Below zero would send requests where they cost most; no number counts as zero too.
            seconds_per_dollar: self.seconds_per_dollar.max(0.0),
            credit: self.prefix_credit.max(0.0),
            ..ForecastWeights::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_is_the_default_and_an_unknown_field_is_an_error() {
        assert_eq!(serde_json::from_str::<GatewayConfig>("{}").expect("all fields default"), GatewayConfig::default());
        let error = serde_json::from_str::<GatewayConfig>(r#"{"atempts_max":3}"#).expect_err("a typing error");
        assert!(error.to_string().contains("atempts_max"), "{error}");
    }
}
