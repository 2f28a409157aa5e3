//! The price of one transfer, from `planning::egress`.

use clap::Args;
use planning::egress::tier::MAX_GB;
use planning::egress::{Bytes, EgressError, Place, cheapest_route, known_regions, schedule};
use planning::egress::{Ledger, Route};
use serde::Serialize;

use crate::problem::SimulationError;

/// `simulate egress`.
#[derive(Debug, Clone, Args)]
pub struct EgressArgs {
    /// Where the data is, like aws:us-east-1.
    #[arg(long)]
    pub from: String,
    /// Where it goes, like gcp:us-central1, or internet.
    #[arg(long)]
    pub to: String,
    /// Gigabytes (2³⁰ bytes).
    #[arg(long)]
    pub gb: f64,
    /// Gigabytes that left the same region for the same class of destination this month.
    #[arg(long, default_value_t = 0.0)]
    pub month_to_date_gb: f64,
    /// Also consider going through one other region.
    #[arg(long)]
    pub allow_relay: bool,
}

/// What it costs.
#[derive(Debug, Clone, Serialize)]
pub struct EgressReport {
    /// Dollars of the way chosen.
    pub usd: f64,
    /// Dollars of the direct way.
    pub direct_usd: f64,
    /// The region in between, when a relay is cheaper and allowed.
    pub via: Option<String>,
}

/// Prices one transfer.
pub fn egress(args: &EgressArgs) -> Result<EgressReport, SimulationError> {
    let (from, to) = (place("from", &args.from)?, place("to", &args.to)?);
    let (amount, before) = (bytes("gb", args.gb)?, bytes("month-to-date-gb", args.month_to_date_gb)?);
    let mut ledger = Ledger::default();
    ledger.record(&from, &to, before).map_err(|error| unpriced(&error, &from))?;
    let relays = if args.allow_relay { known_regions() } else { Vec::new() };
    let Route { via, price } =
        cheapest_route(&from, &to, amount, &ledger, &relays).map_err(|error| unpriced(&error, &from))?;
    let direct = schedule(&from, &to).map_err(|error| unpriced(&error, &from))?.price(before, amount);
    Ok(EgressReport { usd: price.dollars(), direct_usd: direct.dollars(), via: via.map(|place| place.to_string()) })
}

fn place(flag: &'static str, text: &str) -> Result<Place, SimulationError> {
    text.parse().map_err(|error: EgressError| SimulationError::argument(flag, error.to_string()))
}

fn bytes(flag: &'static str, gb: f64) -> Result<Bytes, SimulationError> {
    Bytes::from_gb(gb).ok_or_else(|| {
        let cause = if gb > MAX_GB {
            format!("{gb:e} is over the limit of {MAX_GB:e} gigabytes")
        } else {
            format!("{gb} is not an amount of gigabytes")
        };
        SimulationError::argument(flag, cause)
    })
}

fn unpriced(error: &EgressError, from: &Place) -> SimulationError {
    let source = *error == EgressError::FromInternet || *error == EgressError::Region(from.to_string());
    let flag = if source { "from" } else { "to" };
    SimulationError::argument(flag, error.to_string())
}
