//! Money as a whole number of nano-dollars, so that sums never drift.

use std::iter::Sum;
use std::ops::{Add, Sub};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An amount of US dollars in nano-dollars (10⁻⁹ $). Reaches ± 9.2 billion dollars; sums saturate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Money(pub i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The nearest amount to a decimal number of dollars, as price lists give it.
    #[must_use]
    pub fn from_dollars(dollars: f64) -> Self {
        // A float-to-integer `as` saturates and maps NaN to zero, which is what a price wants.
        #[allow(clippy::cast_possible_truncation)]
        let nanos = (dollars * 1e9).round() as i64;
        Self(nanos)
    }

    /// The amount in dollars, for display and for scores; not for sums.
    #[must_use]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The amount `count` times over.
    #[must_use]
    pub const fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(count as i64))
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "${:.4}", self.dollars())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_are_exact(cents in proptest::collection::vec(-1_000_000_i64..1_000_000, 0..50)) {
            let total: Money = cents.iter().map(|cent| Money(cent * 10_000_000)).sum();
            prop_assert_eq!(total.0, cents.iter().sum::<i64>() * 10_000_000);
        }
    }

    #[test]
    fn price_list_numbers_round_to_the_nearest_nano_dollar() {
        assert_eq!(Money::from_dollars(0.085).0, 85_000_000);
        assert_eq!(Money::from_dollars(f64::NAN), Money::ZERO);
        assert_eq!(Money::from_dollars(0.0416).to_string(), "$0.0416");
    }
}
