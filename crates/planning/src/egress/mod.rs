//! What it costs to move bytes out of a region, to the nano-dollar.
//!
//! A price list ([`prices`]) gives tiers for a pair of places; [`tier`] prices an amount on top of what has left already this
//! month; [`ledger`] remembers that per source region and destination class; [`relay`] looks for a cheaper way through
//! one other region. Storage requests, private links and the time of a transfer are not priced here.

pub mod ledger;
pub mod place;
pub mod prices;
pub mod relay;
pub mod tier;

pub use ledger::Ledger;
pub use place::{Cloud, EgressError, Place};
pub use prices::{DestinationClass, destination_class, known_regions, schedule};
pub use relay::{Route, cheapest_route};
pub use tier::{Bytes, Schedule};
