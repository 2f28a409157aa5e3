//! Tiered prices, in whole bytes and whole nano-dollars, so that no amount falls between two tiers.

use domain::Money;

/// Bytes of a gigabyte as clouds bill it: 2³⁰.
const BYTES_PER_GB: i128 = 1 << 30;
/// Largest amount in gigabytes that is priced: ten exabytes, of which whole bytes are counted without overflow.
pub const MAX_GB: f64 = 1e10;

/// An amount of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bytes(pub u64);

impl Bytes {
    /// The nearest whole bytes to an amount in gigabytes of 2³⁰ bytes; nothing for what is negative, not finite or over
    /// [`MAX_GB`].
    #[must_use]
    pub fn from_gb(gb: f64) -> Option<Self> {
        ((0.0..=MAX_GB).contains(&gb)).then(|| Self((gb * BYTES_PER_GB as f64).round().min(u64::MAX as f64) as u64))
    }
}

/// The price of a gigabyte as the month's total grows: each entry holds up to its limit, the last one for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Limits in gigabytes, rising, each with the nano-dollars of a gigabyte below it and above the one before.
    pub tiers: &'static [(u64, i64)],
    /// Nano-dollars of a gigabyte above the last limit.
    pub beyond: i64,
}

impl Schedule {
    /// One price for every amount.
    #[must_use]
    pub const fn flat(nanos_per_gb: i64) -> Self {
        Self { tiers: &[], beyond: nanos_per_gb }
    }

    /// The price of `amount` in a month in which `before` has left already. Adding up is exact: the one rounding, to the
    /// nearest nano-dollar, is of the result.
    #[must_use]
    pub fn price(&self, before: Bytes, amount: Bytes) -> Money {
        let start = i128::from(before.0);
        let end = start + i128::from(amount.0);
        let scaled = self.scaled_total(end) - self.scaled_total(start);
        let nanos = (scaled + BYTES_PER_GB / 2) / BYTES_PER_GB;
        Money(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    /// The price of a month's first `bytes`, in nano-dollars times the bytes of a gigabyte.
    fn scaled_total(&self, bytes: i128) -> i128 {
        let (mut total, mut from) = (0, 0);
        for (limit_gb, nanos) in self.tiers {
            let limit = i128::from(*limit_gb) * BYTES_PER_GB;
            total += (bytes.min(limit) - from).max(0) * i128::from(*nanos);
            from = limit;
        }
        total + (bytes - from).max(0) * i128::from(self.beyond)
    }
}
