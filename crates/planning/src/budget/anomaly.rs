//! Spikes and drift in the spend, each with the dimension and value that explain it.
//!
//! The total and every value of every dimension are watched. A period whose robust z is above 3.5 is a spike (the threshold of
//! Iglewicz & Hoaglin, 1993), days whose CUSUM is above `h` are drift ([`super::cusum`]); where many series are watched, each has
//! a higher threshold, so that all together alarm about as often as one would. Only rises are told, and only such
//! as are at least [`WORTH_SHARE`] of what all spend costs: the rest does not matter to a budget.

use std::collections::BTreeMap;

use domain::Money;
use serde::Serialize;

use super::BudgetError;
use super::attribution::{Part, attribute};
use super::cusum::threshold;
use super::watch::Watched;

/// Most dimensions watched.
pub const DIMENSIONS_MAX: usize = 8;
/// Most values of a dimension watched by themselves; the rest are one value, [`OTHER`].
pub const VALUES_MAX: usize = 64;
/// The name of all values beyond the first [`VALUES_MAX`].
pub const OTHER: &str = "(other)";
/// The robust z above which a period of a single series is a spike.
pub const SPIKE_Z: f64 = 3.5;
/// Least rise worth a word, as a share of what is expected of all spend in the same time.
pub const WORTH_SHARE: f64 = 0.05;
/// Days for which the same spike is not told again, and the same drift.
const QUIET_DAYS: (usize, usize) = (1, 7);

/// What is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// One period costs far more than usual.
    Spike,
    /// Days have cost more than the days before them, and go on doing so.
    Drift,
}

/// Something unusual.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// The period at whose end it is found, counted from the first one observed.
    pub period: usize,
    /// The dimension that explains it; `None` when all values rose alike.
    pub dimension: Option<String>,
    /// The value of it that explains most.
    pub value: Option<String>,
    /// That value's part of the rise; above 1 where others fell.
    pub share: Option<f64>,
    /// What the period (or the days since the drift began) cost.
    pub actual: Money,
    /// What it was expected to cost.
    pub expected: Money,
    /// Robust z of a spike, CUSUM of a drift.
    pub score: f64,
    /// Days that a drift has lasted; 0 of a spike.
    pub days: usize,
}

/// Spend of one period with one value for each dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpendRow<'a> {
    /// How much.
    pub spend: Money,
    /// In order of the dimensions; what is missing is the empty name.
    pub values: &'a [String],
}

/// A dimension and a value of it, where one explains a rise.
type Name = Option<(String, String)>;

/// Watches the spend by dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct SpendWatch {
    period_s: f64,
    period: usize,
    total: Watched,
    names: Vec<String>,
    dimensions: Vec<BTreeMap<String, Watched>>,
    /// What was told lately, by kind and name, and until which period it is not told again.
    quiet: Vec<(FindingKind, Name, usize)>,
}

impl SpendWatch {
    /// One that has seen nothing, of periods of `period_s` seconds.
    ///
    /// # Errors
    /// When the period makes no sense or there are more than [`DIMENSIONS_MAX`] dimensions.
    pub fn new(period_s: f64, dimensions: &[String]) -> Result<Self, BudgetError> {
        if dimensions.len() > DIMENSIONS_MAX {
            return Err(BudgetError::Dimensions(dimensions.len()));
        }
        Ok(Self {
            period_s,
            period: 0,
            total: Watched::new(period_s, 0)?,
            names: dimensions.to_vec(),
            dimensions: vec![BTreeMap::new(); dimensions.len()],
            quiet: Vec::new(),
        })
    }

    /// All spend, period by period.
    #[must_use]
    pub fn total(&self) -> &super::SpendSeries {
        self.total.series()
    }

    /// Takes in the next period. At most one spike and one drift are found in each.
    ///
    /// # Errors
    /// Never after [`Self::new`] has accepted the period's length.
    pub fn observe(&mut self, rows: &[SpendRow<'_>]) -> Result<Vec<Finding>, BudgetError> {
        let ends_day = self.total.observe(rows.iter().map(|row| row.spend).sum::<Money>().dollars());
        for at in 0..self.dimensions.len() {
            self.observe_dimension(at, rows)?;
        }
        let spike = self.spike();
        let drift = if ends_day { self.drift() } else { None };
        self.period += 1;
        let period = self.period;
        self.quiet.retain(|(_, _, until)| *until > period);
        Ok(spike.into_iter().chain(drift).collect())
    }

    fn observe_dimension(&mut self, at: usize, rows: &[SpendRow<'_>]) -> Result<(), BudgetError> {
        let mut sums: BTreeMap<&str, Money> = BTreeMap::new();
        let values = &mut self.dimensions[at];
        for row in rows {
            let name = row.values.get(at).map_or("", String::as_str);
            if !values.contains_key(name) && values.len() < VALUES_MAX {
                values.insert(name.to_owned(), Watched::new(self.period_s, self.period)?);
            }
            let name = if values.contains_key(name) { name } else { OTHER };
            let sum = sums.entry(name).or_default();
            *sum = *sum + row.spend;
        }
        if sums.contains_key(OTHER) && !values.contains_key(OTHER) {
            values.insert(OTHER.to_owned(), Watched::new(self.period_s, self.period)?);
        }
        for (name, watched) in values {
            watched.observe(sums.get(name.as_str()).copied().unwrap_or_default().dollars());
        }
        Ok(())
    }

    /// How many series are watched.
    fn series(&self) -> usize {
        1 + self.dimensions.iter().map(BTreeMap::len).sum::<usize>()
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Watched> {
        std::iter::once(&mut self.total).chain(self.dimensions.iter_mut().flat_map(BTreeMap::values_mut))
    }

    /// A spike in the period just seen, if any series has one that it did not have within the last day.
    fn spike(&mut self) -> Option<Finding> {
        // The tail of a normal distribution falls as exp(−z²/2): this divides it by the number of series.
        let least = (SPIKE_Z * SPIKE_Z + 2.0 * (self.series() as f64).ln()).sqrt();
        let worth = WORTH_SHARE * self.total.last.usual;
        let (period, day) = (self.period, self.total.series().per_day());
        let (mut score, mut begins) = (0.0_f64, false);
        for watched in self.all() {
            let rise = watched.last.dollars - watched.last.usual;
            if let Some(z) = watched.last.z.filter(|z| *z > least && rise >= worth) {
                begins |= watched.spiked.is_none_or(|last| period - last > QUIET_DAYS.0 * day);
                watched.spiked = Some(period);
                score = score.max(z);
            }
        }
        let (actual, expected) = (self.total.last.dollars, self.total.last.usual);
        if !begins {
            return None;
        }
        let seen = |watched: &Watched| Part { expected: watched.last.usual, actual: watched.last.dollars };
        let named = self.named(seen);
        let finding = Finding { score, ..blank(FindingKind::Spike, period, actual, expected) };
        self.told(finding, named, QUIET_DAYS.0 * day)
    }

    /// Drift at the end of a day. Series that are on their way to the same alarm begin anew with those that have it.
    fn drift(&mut self) -> Option<Finding> {
        let least = threshold(self.series());
        let total = self.total.cusum.clone();
        let (mut score, mut days) = (0.0_f64, 0);
        for watched in self.all() {
            let cusum = &watched.cusum;
            let (actual, expected) = cusum.last(cusum.days());
            let worth = WORTH_SHARE * total.last(cusum.days()).1;
            if cusum.sum() > least && actual - expected >= worth && cusum.sum() > score {
                (score, days) = (cusum.sum(), cusum.days());
            }
        }
        let (actual, expected) = total.last(days);
        // While one value's rise is another's fall, the budget is none the worse.
        if days == 0 || actual - expected < WORTH_SHARE * expected {
            return None;
        }
        let named = self.named(|watched| {
            let (actual, expected) = watched.cusum.last(days);
            Part { expected, actual }
        });
        let (today, day) = (self.total.series().today(), self.total.series().per_day());
        for watched in self.all() {
            if watched.cusum.sum() > least / 2.0 {
                watched.cusum.begin_anew(today);
            }
        }
        let finding = Finding { score, days, ..blank(FindingKind::Drift, self.period, actual, expected) };
        self.told(finding, named, QUIET_DAYS.1 * day)
    }

    /// The dimension and value that explain a rise of the total, and the value's part in it.
    fn named(&self, part: impl Fn(&Watched) -> Part) -> Option<(String, String, f64)> {
        let parts: Vec<Vec<Part>> = self.dimensions.iter().map(|values| values.values().map(&part).collect()).collect();
        let found = attribute(&parts)?;
        let value = self.dimensions.get(found.dimension)?.keys().nth(found.value)?;
        Some((self.names.get(found.dimension)?.clone(), value.clone(), found.share))
    }

    /// The finding with its name, unless the same was told within the last `quiet` periods.
    fn told(&mut self, finding: Finding, named: Option<(String, String, f64)>, quiet: usize) -> Option<Finding> {
        let name = named.as_ref().map(|(dimension, value, _)| (dimension.clone(), value.clone()));
        let known = self.quiet.iter().any(|(kind, told, _)| *kind == finding.kind && *told == name);
        if known {
            return None;
        }
        // Bounded: each period adds at most two, and all are dropped after a week.
        self.quiet.push((finding.kind, name, self.period + quiet));
        let (dimension, value, share) = match named {
            Some((dimension, value, share)) => (Some(dimension), Some(value), Some(share)),
            None => (None, None, None),
        };
        Some(Finding { dimension, value, share, ..finding })
    }
}

fn blank(kind: FindingKind, period: usize, actual: f64, expected: f64) -> Finding {
    let money = Money::from_dollars;
    let (actual, expected) = (money(actual), money(expected));
    Finding { kind, period, dimension: None, value: None, share: None, actual, expected, score: 0.0, days: 0 }
}
