//! Offers at the prices of a day, from a log of price changes.

use planning::placement::Problem;
use planning::placement::problem::Market;
use serde::Serialize;

use crate::prices::{Date, PriceHistory};
use crate::problem::SimulationError;

/// The cloud whose prices the log holds.
const CLOUD: &str = "gcp";

/// An offer whose price was replaced.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Repriced {
    /// Its name.
    pub offer: String,
    /// Dollars for an instance and hour that the problem said.
    pub before_usd_per_hour: f64,
    /// What the log says.
    pub usd_per_hour: f64,
    /// The day of the log's row, like `2026-07-22`.
    pub since: String,
}

/// Gives each offer of the cloud `gcp` that names an instance the price of its market on a day.
///
/// # Errors
/// When the log has no price of one of them on that day, or none for its market.
pub fn reprice(problem: &mut Problem, history: &PriceHistory, date: Date) -> Result<Vec<Repriced>, SimulationError> {
    let mut repriced = Vec::new();
    let offers = problem.offers.iter_mut();
    for offer in offers.filter(|offer| offer.cloud == CLOUD && !offer.instance.is_empty()) {
        let log = history.price(&offer.instance, &offer.region, date);
        let (market, price) = match offer.market {
            Market::OnDemand => ("on-demand", log.map(|price| (price.on_demand, price.since))),
            Market::Spot => ("spot", log.and_then(|price| Some((price.spot?, price.since)))),
        };
        let (usd_per_hour, since) = price.ok_or_else(|| {
            let cause = format!(
                "offer {:?}: the price history has no {market} price of {} in {} on {date}",
                offer.name, offer.instance, offer.region
            );
            SimulationError::argument("date", cause)
        })?;
        let before_usd_per_hour = std::mem::replace(&mut offer.usd_per_hour, usd_per_hour);
        repriced.push(Repriced {
            offer: offer.name.clone(),
            before_usd_per_hour,
            usd_per_hour,
            since: since.to_string(),
        });
    }
    Ok(repriced)
}
