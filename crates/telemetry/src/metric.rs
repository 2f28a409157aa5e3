//! The metric table: every metric of the product, named once.
//!
//! Names follow the OpenTelemetry `gen_ai_*` conventions where they exist; our own begin with `mastercontrol_`. Label
//! values come from bounded sets: model names that exist, sites, outcomes; never from request text.

use std::time::Duration;

use metrics::Unit;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// What a metric measures with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Instrument {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its name on `/metrics`.
    pub name: &'static str,
    /// How it measures.
    pub instrument: Instrument,
    /// What it says.
    pub help: &'static str,
}

const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Background tasks that panicked.
pub const TASK_PANICS: Metric = Metric {
    name: "mastercontrol_task_panics_total",
    instrument: Instrument::Counter,
    help: "Background tasks that panicked, by task.",
};
/// Log lines that were not written.
pub const LOG_LINES_DROPPED: Metric = Metric {
    name: "mastercontrol_log_lines_dropped_total",
    instrument: Instrument::Counter,
    help: "Log lines that were not written, by reason (queue, write, length, repeated).",
};
/// Journal entries removed for their age.
pub const STATE_ENTRIES_PRUNED: Metric = Metric {
    name: "mastercontrol_state_journal_entries_pruned_total",
    instrument: Instrument::Counter,
    help: "Journal entries removed because their journal is full.",
};
/// Requests that the gateway answered.
pub const INFERENCE_REQUESTS: Metric = Metric {
    name: "inference_requests_total",
    instrument: Instrument::Counter,
    help: "Requests for inference, by model, cloud provider and outcome.",
};
/// Seconds from request to first token.
pub const TIME_TO_FIRST_TOKEN: Metric = Metric {
    name: "gen_ai_server_time_to_first_token_seconds",
    instrument: Instrument::Histogram(SECONDS),
    help: "Seconds from the arrival of a request to its first generated token.",
};
/// Seconds that a request took.
pub const REQUEST_DURATION: Metric = Metric {
    name: "gen_ai_server_request_duration_seconds",
    instrument: Instrument::Histogram(SECONDS),
    help: "Seconds from the arrival of a request to the end of its answer.",
};

/// Connections of a listener.
pub const LISTENER_CONNECTIONS: Metric = Metric {
    name: "mastercontrol_listener_connections",
    instrument: Instrument::Gauge,
    help: "Open connections, by listener.",
};
/// Connections that a listener ended.
pub const LISTENER_ENDED: Metric = Metric {
    name: "mastercontrol_listener_ended_connections_total",
    instrument: Instrument::Counter,
    help: "Connections that a listener ended, by listener and reason (idle, head, body, stalled, overdue, crowded, drained).",
};
/// Connections that could not be accepted.
pub const LISTENER_ACCEPT_FAILURES: Metric = Metric {
    name: "mastercontrol_listener_accept_failures_total",
    instrument: Instrument::Counter,
    help: "Connections that could not be accepted, mostly for want of file descriptors, by listener.",
};

/// Requests that the gateway has in hand.
pub const GATEWAY_IN_FLIGHT: Metric = Metric {
    name: "mastercontrol_gateway_in_flight_requests",
    instrument: Instrument::Gauge,
    help: "Requests that the gateway has in hand.",
};
/// Attempts that failed and were made again on another replica.
pub const GATEWAY_RETRIES: Metric = Metric {
    name: "mastercontrol_gateway_retries_total",
    instrument: Instrument::Counter,
    help: "Attempts that failed and were made again, by model and reason.",
};
/// Replicas put aside for failing.
pub const GATEWAY_EJECTIONS: Metric = Metric {
    name: "mastercontrol_gateway_ejections_total",
    instrument: Instrument::Counter,
    help: "Replicas put aside because requests failed on them, by cloud provider.",
};
/// Tokens that went through.
pub const GATEWAY_TOKENS: Metric = Metric {
    name: "mastercontrol_gateway_tokens_total",
    instrument: Instrument::Counter,
    help: "Tokens read and generated, by model and type (input, output).",
};
/// Those of them that were estimated.
pub const GATEWAY_TOKENS_ESTIMATED: Metric = Metric {
    name: "mastercontrol_gateway_tokens_estimated_total",
    instrument: Instrument::Counter,
    help: "Tokens among those read and generated that are an estimate, since the stream ended before its replica told its usage, by model and type (input, output).",
};
/// Requests of which replicas die.
pub const GATEWAY_DEADLY: Metric = Metric {
    name: "mastercontrol_gateway_deadly_requests_total",
    instrument: Instrument::Counter,
    help: "Requests that ran on a replica when it died (suspected), that were found to be the cause (blamed), and that came again and were refused (refused), by model and action.",
};
/// Messages dropped to fit a context window.
pub const GATEWAY_CONTEXT_DROPPED: Metric = Metric {
    name: "mastercontrol_gateway_context_dropped_messages_total",
    instrument: Instrument::Counter,
    help: "Messages dropped so that a conversation fits its model's context window, by model.",
};
/// Tokens of prompts that replicas hold already.
pub const GATEWAY_PREFIX_TOKENS: Metric = Metric {
    name: "mastercontrol_gateway_prefix_tokens_total",
    instrument: Instrument::Counter,
    help: "Leading prompt tokens that the chosen replica was expected to hold, and that it found computed, by model and type (expected, found).",
};
/// What replicas were chosen by.
pub const GATEWAY_FORECAST: Metric = Metric {
    name: "mastercontrol_gateway_forecast_microseconds_total",
    instrument: Instrument::Counter,
    help: "What requests were expected to take on the replicas that answered them, by model and part (wait, prefill, sharing, network, cost, credit).",
};
/// The routing snapshot in use.
pub const GATEWAY_SNAPSHOT_VERSION: Metric = Metric {
    name: "mastercontrol_gateway_snapshot_version",
    instrument: Instrument::Gauge,
    help: "Version of the routing snapshot in use.",
};

/// Requests that run on an engine.
pub const ENGINE_REQUESTS_RUNNING: Metric = Metric {
    name: "mastercontrol_engine_requests_running",
    instrument: Instrument::Gauge,
    help: "Requests that the model service is computing.",
};
/// Requests that wait for an engine.
pub const ENGINE_REQUESTS_WAITING: Metric = Metric {
    name: "mastercontrol_engine_requests_waiting",
    instrument: Instrument::Gauge,
    help: "Requests that wait for a free sequence of the model service.",
};
/// Share of an engine's cache in use.
pub const ENGINE_KV_USAGE: Metric = Metric {
    name: "mastercontrol_engine_kv_usage_ratio",
    instrument: Instrument::Gauge,
    help: "Share of the key-value cache that running requests use, 0 to 1.",
};
/// Prompt tokens per second.
pub const ENGINE_PROMPT_RATE: Metric = Metric {
    name: "mastercontrol_engine_prompt_tokens_per_second",
    instrument: Instrument::Gauge,
    help: "Prompt tokens computed per second, over ten seconds.",
};
/// Generated tokens per second.
pub const ENGINE_GENERATION_RATE: Metric = Metric {
    name: "mastercontrol_engine_generation_tokens_per_second",
    instrument: Instrument::Gauge,
    help: "Tokens generated per second, over ten seconds.",
};
/// Prompt tokens computed.
pub const ENGINE_PROMPT_TOKENS: Metric = Metric {
    name: "mastercontrol_engine_prompt_tokens_total",
    instrument: Instrument::Counter,
    help: "Prompt tokens computed; those found in the cache are not counted.",
};
/// Tokens generated.
pub const ENGINE_GENERATION_TOKENS: Metric = Metric {
    name: "mastercontrol_engine_generation_tokens_total",
    instrument: Instrument::Counter,
    help: "Tokens generated.",
};
/// Requests that an engine ended.
pub const ENGINE_REQUESTS: Metric = Metric {
    name: "mastercontrol_engine_requests_total",
    instrument: Instrument::Counter,
    help: "Requests that the model service ended, by outcome.",
};

/// Tool calls that a cloud's server answered.
pub const CLOUD_TOOL_CALLS: Metric = Metric {
    name: "mastercontrol_cloud_tool_calls_total",
    instrument: Instrument::Counter,
    help: "Calls of a cloud's tools, by tool and outcome.",
};

/// Every metric, grouped by room.
pub const TABLE: &[Metric] = &[
    TASK_PANICS,
    LOG_LINES_DROPPED,
    STATE_ENTRIES_PRUNED,
    INFERENCE_REQUESTS,
    TIME_TO_FIRST_TOKEN,
    REQUEST_DURATION,
    LISTENER_CONNECTIONS,
    LISTENER_ENDED,
    LISTENER_ACCEPT_FAILURES,
    GATEWAY_IN_FLIGHT,
    GATEWAY_RETRIES,
    GATEWAY_EJECTIONS,
    GATEWAY_TOKENS,
    GATEWAY_TOKENS_ESTIMATED,
    GATEWAY_DEADLY,
    GATEWAY_CONTEXT_DROPPED,
    GATEWAY_PREFIX_TOKENS,
    GATEWAY_FORECAST,
    GATEWAY_SNAPSHOT_VERSION,
    ENGINE_REQUESTS_RUNNING,
    ENGINE_REQUESTS_WAITING,
    ENGINE_KV_USAGE,
    ENGINE_PROMPT_RATE,
    ENGINE_GENERATION_RATE,
    ENGINE_PROMPT_TOKENS,
    ENGINE_GENERATION_TOKENS,
    ENGINE_REQUESTS,
    CLOUD_TOOL_CALLS,
];

/// How often observations are folded into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Installs the process's recorder, with the table's help texts and buckets; renders `/metrics`.
/// Fails when a recorder is installed already.
pub fn install() -> Result<PrometheusHandle, String> {
    let mut builder = PrometheusBuilder::new();
    for metric in TABLE {
        if let Instrument::Histogram(buckets) = metric.instrument {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
                .map_err(|e| e.to_string())?;
        }
    }
    let handle = builder.install_recorder().map_err(|e| e.to_string())?;
    keep_up(handle.clone())?;
    for metric in TABLE {
        match metric.instrument {
            Instrument::Counter => metrics::describe_counter!(metric.name, Unit::Count, metric.help),
            Instrument::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Instrument::Histogram(_) => metrics::describe_histogram!(metric.name, Unit::Seconds, metric.help),
        }
    }
    Ok(handle)
}

/// Folds observations for as long as the process lives: a histogram that nobody scrapes would grow with each of them.
/// A thread and not a task, because a recorder may be installed before there is a runtime.
fn keep_up(handle: PrometheusHandle) -> Result<(), String> {
    let fold = move || {
        loop {
            std::thread::park_timeout(UPKEEP);
            handle.run_upkeep();
        }
    };
    let thread = std::thread::Builder::new().name("metrics upkeep".to_owned()).spawn(fold);
    thread.map(drop).map_err(|e| format!("the thread for metrics does not start: {e}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_well_formed() {
        let names: BTreeSet<_> = TABLE.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), TABLE.len());
        for metric in TABLE {
            assert!(metric.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
            assert_eq!(metric.instrument == Instrument::Counter, metric.name.ends_with("_total"), "{}", metric.name);
        }
    }
}
