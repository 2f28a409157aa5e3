//! Spend of the project's own seeded generator: seasons of day and week, noise of days and hours, and on request a spike
//! or a drift in one value of one dimension.

use std::fmt::Write as _;
use std::str::FromStr;

use domain::Money;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::spend::{Row, Spend};

/// The dimensions drawn, with the weight of each value.
const DIMENSIONS: [(&str, &[(&str, f64)]); 4] = [
    ("tenant", &[("harbour", 0.5), ("mill", 0.3), ("quay", 0.2)]),
    ("model", &[("large", 0.7), ("small", 0.3)]),
    ("region", &[("eu", 0.6), ("us", 0.4)]),
    ("class", &[("interactive", 0.8), ("batch", 0.2)]),
];
/// How long a drawn spike lasts, and how long a drift takes to its full height.
const SPIKE_DAYS: f64 = 0.25;
const DRIFT_DAYS: f64 = 5.0;

/// A change of one value's spend, as `tenant=mill@12*3`: from day 12 on, three times as much.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its dimension.
    pub dimension: String,
    /// The value.
    pub value: String,
    /// Days from the beginning.
    pub day: f64,
    /// What it is of its usual.
    pub factor: f64,
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not like tenant=mill@12*3");
        let (name, rest) = text.split_once('@').ok_or_else(wrong)?;
        let (dimension, value) = name.split_once('=').ok_or_else(wrong)?;
        let (day, factor) = rest.split_once('*').ok_or_else(wrong)?;
        let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
        let (day, factor) = number(day).zip(number(factor)).ok_or_else(wrong)?;
        let values = DIMENSIONS.iter().find(|(known, _)| *known == dimension).map(|(_, values)| *values);
        let Some(values) = values else {
            return Err(format!("{dimension:?} is not one of {}", names(DIMENSIONS.iter().map(|(name, _)| *name))));
        };
        if values.iter().all(|(known, _)| *known != value) {
            return Err(format!("{value:?} is not one of {}", names(values.iter().map(|(name, _)| *name))));
        }
        Ok(Self { dimension: dimension.to_owned(), value: value.to_owned(), day, factor })
    }
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// The shape of a world of spend.
#[derive(Debug, Clone, PartialEq)]
pub struct SpendWorld {
    /// Days.
    pub days: u32,
    /// Hours of a period; a divisor of 24.
    pub period_hours: u32,
    /// Dollars a day, roughly the mean.
    pub mean_usd_per_day: f64,
    /// For six hours.
    pub spike: Option<Change>,
    /// Reached within five days and kept.
    pub drift: Option<Change>,
}

impl SpendWorld {
    /// The spend that this shape gives with `seed`. Nights and weekends are cheaper; all spend strays together by 3 % from
    /// day to day with a memory of about two days, and each row by 10 %.
    #[must_use]
    pub fn generate(&self, seed: u64) -> Spend {
        let mut rng = StdRng::seed_from_u64(seed);
        let per_day = 24 / self.period_hours.clamp(1, 24);
        let (mut common, combinations) = (0.0_f64, combinations());
        let mut periods = Vec::new();
        for period in 0..self.days * per_day {
            let day = f64::from(period) / f64::from(per_day);
            if period % per_day == 0 {
                common = 0.6 * common + 0.8 * 0.03 * noise(&mut rng);
            }
            let weekend = if (day as u32) % 7 >= 5 { 0.7 } else { 1.07 };
            let wave = 1.0 + 0.4 * ((day - 0.3) * std::f64::consts::TAU).sin();
            let dollars = self.mean_usd_per_day / f64::from(per_day) * weekend * wave * (1.0 + common).max(0.1);
            let row = |(values, weight): &(Vec<String>, f64)| {
                let own = (1.0 + 0.1 * noise(&mut rng)).max(0.0) * self.factor(values, day);
                let micro = (dollars * weight * own * 1e6).round();
                Row { spend: Money::from_dollars(micro / 1e6), values: values.clone() }
            };
            periods.push(combinations.iter().map(row).collect());
        }
        let dimensions = DIMENSIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
        Spend { period_s: f64::from(86_400 / per_day), dimensions, periods }
    }

    /// The spike and the drift, where they would change nothing: they begin after the last period, or a spike ends before one begins.
    #[must_use]
    pub fn unseen(&self) -> [Option<&Change>; 2] {
        let period_days = f64::from(self.period_hours) / 24.0;
        let last_day = f64::from(self.days) - period_days;
        let is_unseen = |change: &&Change| {
            let first_day = (change.day / period_days).ceil() * period_days;
            first_day > last_day || first_day - change.day >= SPIKE_DAYS
        };
        // A drift begins with nothing.
        let is_late = |change: &&Change| change.day >= last_day;
        [self.spike.as_ref().filter(is_unseen), self.drift.as_ref().filter(is_late)]
    }

    /// What spend with `values` is of its usual on `day`.
    fn factor(&self, values: &[String], day: f64) -> f64 {
        let touches = |change: &Change| {
            let at = DIMENSIONS.iter().position(|(name, _)| *name == change.dimension);
            at.and_then(|at| values.get(at)) == Some(&change.value)
        };
        let spike =
            self.spike.as_ref().filter(|change| touches(change) && (0.0..SPIKE_DAYS).contains(&(day - change.day)));
        let drift = self
            .drift
            .as_ref()
            .filter(|change| touches(change))
            .map_or(1.0, |change| 1.0 + (change.factor - 1.0) * ((day - change.day) / DRIFT_DAYS).clamp(0.0, 1.0));
        spike.map_or(1.0, |change| change.factor) * drift
    }
}

/// All combinations of values with their weights.
fn combinations() -> Vec<(Vec<String>, f64)> {
    DIMENSIONS.iter().fold(vec![(Vec::new(), 1.0)], |known, (_, values)| {
        let with = |(before, weight): &(Vec<String>, f64)| {
            let (before, weight) = (before.clone(), *weight);
            values.iter().map(move |(value, share)| {
                (before.iter().cloned().chain([(*value).to_owned()]).collect(), weight * share)
            })
        };
        known.iter().flat_map(with).collect()
    })
}

/// Nearly normal, mean 0 and variance 1: twelve uniform numbers less six.
fn noise(rng: &mut StdRng) -> f64 {
    (0..12).map(|_| rng.random_range(0.0..1.0_f64)).sum::<f64>() - 6.0
}

/// The file of a world.
#[must_use]
pub fn csv(spend: &Spend) -> String {
    let mut text = format!("t_seconds,usd,{}\n", spend.dimensions.join(","));
    for (number, rows) in spend.periods.iter().enumerate() {
        let seconds = number as f64 * spend.period_s;
        for row in rows {
            let _ = writeln!(text, "{seconds},{:.6},{}", row.spend.dollars(), row.values.join(","));
        }
    }
    text
}
