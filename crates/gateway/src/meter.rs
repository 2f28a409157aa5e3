//! Metric handles, made when a snapshot is taken over, so that a request only increments.

use domain::Name;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use planning::balance::ForecastWeights;
use telemetry::metric;

use crate::choose::Chosen;
use crate::relay::Usage;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Answered to its end.
    Ok,
    /// The request was at fault.
    Rejected,
    /// Nobody had room for it.
    Overloaded,
    /// Attempts failed before any content.
    Failed,
    /// The replica was lost after content had begun.
    Cut,
    /// The client left.
    Cancelled,
}

impl Outcome {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Ok, "ok"),
        (Self::Rejected, "rejected"),
        (Self::Overloaded, "overloaded"),
        (Self::Failed, "failed"),
        (Self::Cut, "cut"),
        (Self::Cancelled, "cancelled"),
    ];
}

/// Why an attempt was made again elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryReason {
    Busy,
    Refused,
    Lost,
    Status,
    Stalled,
    Exhausted,
}

impl RetryReason {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Busy, "busy"),
        (Self::Refused, "refused"),
        (Self::Lost, "lost"),
        (Self::Status, "status"),
        (Self::Stalled, "stalled"),
        (Self::Exhausted, "exhausted"),
    ];
}

/// What is done about a request of which replicas die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeadlyAction {
    /// A replica died while it ran there.
    Suspected,
    /// Replicas died of it: it is refused from now on.
    Blamed,
    /// It came again, and was refused.
    Refused,
}

impl DeadlyAction {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Suspected, "suspected"), (Self::Blamed, "blamed"), (Self::Refused, "refused")];
}

/// Requests of one model on one cloud, by outcome.
#[derive(Debug)]
pub(crate) struct OutcomeCounters([Counter; Outcome::ALL.len()]);

impl OutcomeCounters {
    /// `model` and `cloud` are names from the snapshot, or `none`.
    pub(crate) fn new(model: &str, cloud: &str) -> Self {
        Self(Outcome::ALL.map(|(_, outcome)| {
            counter!(metric::INFERENCE_REQUESTS.name, "model" => model.to_owned(), "cloud_provider" => cloud.to_owned(), "outcome" => outcome)
        }))
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        self.0[outcome as usize].increment(1);
    }
}

/// Handles of one model.
#[derive(Debug)]
pub(crate) struct ModelMeter {
    pub(crate) nowhere: OutcomeCounters,
    pub(crate) clouds: Vec<(Name, OutcomeCounters)>,
    pub(crate) first_token: Histogram,
    pub(crate) duration: Histogram,
    tokens_in: Counter,
    tokens_out: Counter,
    estimated_in: Counter,
    estimated_out: Counter,
    pub(crate) dropped_messages: Counter,
    retries: [Counter; RetryReason::ALL.len()],
    deadly: [Counter; DeadlyAction::ALL.len()],
    prefix_expected: Counter,
    prefix_found: Counter,
    forecast: [Counter; FORECAST_PARTS.len()],
}

/// The parts of a forecast, in the order of [`ModelMeter::forecast`].
const FORECAST_PARTS: [&str; 6] = ["wait", "prefill", "sharing", "network", "cost", "credit"];

impl ModelMeter {
    /// Handles for `model`, whose replicas are on `clouds`.
    pub(crate) fn new(model: &str, clouds: impl IntoIterator<Item = Name>) -> Self {
        let label = || model.to_owned();
        Self {
            nowhere: OutcomeCounters::new(model, "none"),
            clouds: clouds
                .into_iter()
                .map(|cloud| (cloud.clone(), OutcomeCounters::new(model, cloud.as_str())))
                .collect(),
            first_token: histogram!(metric::TIME_TO_FIRST_TOKEN.name, "model" => label()),
            duration: histogram!(metric::REQUEST_DURATION.name, "model" => label()),
            tokens_in: counter!(metric::GATEWAY_TOKENS.name, "model" => label(), "type" => "input"),
            tokens_out: counter!(metric::GATEWAY_TOKENS.name, "model" => label(), "type" => "output"),
            estimated_in: counter!(metric::GATEWAY_TOKENS_ESTIMATED.name, "model" => label(), "type" => "input"),
            estimated_out: counter!(metric::GATEWAY_TOKENS_ESTIMATED.name, "model" => label(), "type" => "output"),
            deadly: DeadlyAction::ALL
                .map(|(_, action)| counter!(metric::GATEWAY_DEADLY.name, "model" => label(), "action" => action)),
            dropped_messages: counter!(metric::GATEWAY_CONTEXT_DROPPED.name, "model" => label()),
            retries: RetryReason::ALL
                .map(|(_, reason)| counter!(metric::GATEWAY_RETRIES.name, "model" => label(), "reason" => reason)),
            prefix_expected: counter!(metric::GATEWAY_PREFIX_TOKENS.name, "model" => label(), "type" => "expected"),
            prefix_found: counter!(metric::GATEWAY_PREFIX_TOKENS.name, "model" => label(), "type" => "found"),
            forecast: FORECAST_PARTS
                .map(|part| counter!(metric::GATEWAY_FORECAST.name, "model" => label(), "part" => part)),
        }
    }

    /// Leading tokens of a prompt that a replica was expected to hold, and those that it said it found.
    pub(crate) fn prefix(&self, expected: u64, found: Option<u64>) {
        self.prefix_expected.increment(expected);
        self.prefix_found.increment(found.unwrap_or_default());
    }

    /// What a request was expected to take on the replica that answered it.
    pub(crate) fn forecast(&self, chosen: &Chosen, weights: &ForecastWeights) {
        let forecast = &chosen.choice.forecast;
        let parts = [
            forecast.wait_seconds,
            forecast.prefill_seconds,
            forecast.sharing_seconds,
            forecast.network_seconds,
            weights.seconds_per_dollar * forecast.dollars,
            forecast.credit_seconds,
        ];
        for (counter, seconds) in self.forecast.iter().zip(parts) {
            // None of them is below zero, and the cast saturates.
            counter.increment((seconds * 1e6) as u64);
        }
    }

    /// Tokens of a request that has ended.
    pub(crate) fn tokens(&self, usage: &Usage, is_estimate: bool) {
        self.tokens_in.increment(usage.prompt_tokens);
        self.tokens_out.increment(usage.completion_tokens);
        if is_estimate {
            self.estimated_in.increment(usage.prompt_tokens);
            self.estimated_out.increment(usage.completion_tokens);
        }
    }

    pub(crate) fn deadly(&self, action: DeadlyAction) {
        self.deadly[action as usize].increment(1);
    }

    pub(crate) fn retried(&self, reason: RetryReason) {
        self.retries[reason as usize].increment(1);
    }
}

/// Handles of the gateway itself.
#[derive(Debug)]
pub(crate) struct GatewayMeter {
    /// Requests refused before their model was known.
    pub(crate) unrouted: OutcomeCounters,
    pub(crate) in_flight: Gauge,
    pub(crate) snapshot_version: Gauge,
}

impl GatewayMeter {
    pub(crate) fn new() -> Self {
        Self {
            unrouted: OutcomeCounters::new("none", "none"),
            in_flight: gauge!(metric::GATEWAY_IN_FLIGHT.name),
            snapshot_version: gauge!(metric::GATEWAY_SNAPSHOT_VERSION.name),
        }
    }
}
