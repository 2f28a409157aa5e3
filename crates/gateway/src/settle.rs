//! What is settled and recorded when a request ends, however it ends: the ticket is dropped with it.

use std::sync::Arc;

use tokio::time::Instant;

use crate::admit::Admitted;
use crate::meter::{GatewayMeter, Outcome};
use crate::relay::{Usage, Used};
use crate::table::Model;

/// One request's record.
pub(crate) struct Ticket {
    meter: Arc<GatewayMeter>,
    began: Instant,
    model: Option<Arc<Model>>,
    cloud: Option<usize>,
    outcome: Option<Outcome>,
    /// Its first content has come.
    has_begun: bool,
    used: Used,
    /// Holds its place until the end.
    pub(crate) admitted: Option<Admitted>,
}

impl Ticket {
    pub(crate) fn new(meter: Arc<GatewayMeter>) -> Self {
        Self {
            meter,
            began: Instant::now(),
            model: None,
            cloud: None,
            outcome: None,
            has_begun: false,
            used: Used::default(),
            admitted: None,
        }
    }

    /// The model is known: everything is recorded under its name.
    pub(crate) fn for_model(&mut self, model: &Arc<Model>) {
        model.demand.arrived();
        self.model = Some(Arc::clone(model));
    }

    /// A replica on that cloud answered.
    pub(crate) fn answered_on(&mut self, cloud: usize) {
        self.cloud = Some(cloud);
    }

    /// The first content came.
    pub(crate) fn first_token(&mut self) {
        if self.has_begun {
            return;
        }
        self.has_begun = true;
        if let Some(model) = &self.model {
            model.demand.began();
            model.meter.first_token.record(self.began.elapsed().as_secs_f64());
        }
    }

    /// What it used, as its replica told it or as it was counted until it was lost.
    pub(crate) fn used(&mut self, used: Used) {
        self.used = used;
    }

    pub(crate) fn ended(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    /// When the request came.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Nobody said how it ended: the client left, and the future or the body was dropped.
        let outcome = self.outcome.unwrap_or(Outcome::Cancelled);
        let Some(model) = &self.model else {
            self.meter.unrouted.count(outcome);
            return;
        };
        let Used { usage, is_estimate } = self.used;
        // An estimate is no answer to learn from.
        let told = if is_estimate { Usage::default() } else { usage };
        model.demand.ended(!self.has_begun, outcome == Outcome::Overloaded, told);
        let meter = &model.meter;
        meter.duration.record(self.began.elapsed().as_secs_f64());
        meter.tokens(&usage, is_estimate);
        let on_cloud = self.cloud.and_then(|cloud| meter.clouds.get(cloud));
        on_cloud.map_or(&meter.nowhere, |(_, counters)| counters).count(outcome);
    }
}
