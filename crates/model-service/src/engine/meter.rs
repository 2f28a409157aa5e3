//! The engine's rows in the metric table, set where things happen.

use telemetry::metric;

/// Counts a request that ended with `outcome`.
pub fn count_request(outcome: &'static str) {
    metrics::counter!(metric::ENGINE_REQUESTS.name, "outcome" => outcome).increment(1);
}

/// Notes that a request's first token came after `seconds`.
pub fn first_token(seconds: f64) {
    metrics::histogram!(metric::TIME_TO_FIRST_TOKEN.name).record(seconds);
}
