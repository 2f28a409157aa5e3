//! What has left each region this month, since the price of the next byte depends on it.

use std::collections::BTreeMap;

use super::place::{EgressError, Place};
use super::prices::{DestinationClass, destination_class, schedule};
use super::tier::Bytes;
use domain::Money;

/// Month-to-date bytes of one account, by source region and destination class. The caller starts a new one each month.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    left: BTreeMap<(Place, DestinationClass), Bytes>,
}

impl Ledger {
    /// What has left `from` towards the class of `to`.
    #[must_use]
    pub fn month_to_date(&self, from: &Place, to: &Place) -> Bytes {
        self.left.get(&(from.clone(), destination_class(from, to))).copied().unwrap_or_default()
    }

    /// What sending `amount` would cost now.
    ///
    /// # Errors
    /// When a place has no price.
    pub fn quote(&self, from: &Place, to: &Place, amount: Bytes) -> Result<Money, EgressError> {
        Ok(schedule(from, to)?.price(self.month_to_date(from, to), amount))
    }

    /// Records that `amount` was sent and returns what it cost.
    ///
    /// # Errors
    /// When a place has no price; nothing is recorded then.
    pub fn record(&mut self, from: &Place, to: &Place, amount: Bytes) -> Result<Money, EgressError> {
        let price = self.quote(from, to, amount)?;
        let left = self.left.entry((from.clone(), destination_class(from, to))).or_default();
        left.0 = left.0.saturating_add(amount.0);
        Ok(price)
    }
}
