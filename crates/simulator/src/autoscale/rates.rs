//! Reads request rates and says what the rate is at any second.

use std::path::Path;

use clap::ValueEnum;

use crate::csv::rows;
use crate::problem::SimulationError;
use crate::trace::read_text;

/// What the rate does between two samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Between {
    /// It moves in a straight line from one to the next.
    Linear,
    /// It stays, and jumps at the next.
    Step,
}

/// Rates of one service.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    between: Between,
    /// Seconds and requests per second, in order of time.
    samples: Vec<(f64, f64)>,
}

/// Longest file, seconds from its first sample: 400 days. The world counts seconds one by one.
const SPAN_MAX_S: f64 = 400.0 * 86_400.0;
const COLUMNS: [&str; 4] = ["model", "t_seconds", "requests_per_second_total", "active_clients"];

impl Rates {
    /// From samples at increasing seconds; at least two.
    #[must_use]
    pub fn new(samples: Vec<(f64, f64)>, between: Between) -> Option<Self> {
        let ordered = samples.windows(2).all(|pair| pair[0].0 < pair[1].0);
        (samples.len() >= 2 && ordered).then_some(Self { between, samples })
    }

    /// Seconds from the first sample to one sample's length past the last.
    #[must_use]
    pub fn span_s(&self) -> f64 {
        match self.samples.as_slice() {
            [first, .., before, last] => last.0 - first.0 + (last.0 - before.0),
            [first, last] => 2.0 * (last.0 - first.0),
            _ => 0.0,
        }
    }

    /// The highest sample.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.samples.iter().map(|(_, rate)| *rate).fold(0.0, f64::max)
    }

    /// Requests per second, `at_s` seconds after the first sample; held at both ends.
    #[must_use]
    pub fn at(&self, at_s: f64) -> f64 {
        let (from, to, share) = self.around(at_s);
        match self.between {
            Between::Step => from,
            Between::Linear => from + share * (to - from),
        }
    }

    /// The highest rate from `at_s` to the end of the next sample's span.
    #[must_use]
    pub fn highest_through_next_sample(&self, at_s: f64) -> f64 {
        self.at(at_s).max(self.around(at_s).1)
    }

    /// The samples before and after a moment, and how far between them it lies.
    fn around(&self, at_s: f64) -> (f64, f64, f64) {
        let Some((first_s, _)) = self.samples.first() else { return (0.0, 0.0, 0.0) };
        let moment_s = at_s + first_s;
        let after = self.samples.partition_point(|(sample_s, _)| *sample_s <= moment_s);
        match (after.checked_sub(1).and_then(|before| self.samples.get(before)), self.samples.get(after)) {
            (Some(before), Some(next)) => (before.1, next.1, (moment_s - before.0) / (next.0 - before.0)),
            (Some(only), None) | (None, Some(only)) => (only.1, only.1, 0.0),
            (None, None) => (0.0, 0.0, 0.0),
        }
    }
}

/// Reads a file of rates for one model.
pub fn read_rates(path: &Path, between: Between) -> Result<Rates, SimulationError> {
    let text = read_text(path)?;
    let mut model: Option<&str> = None;
    let mut samples: Vec<(f64, f64)> = Vec::new();
    for row in rows(path, &text, &COLUMNS)? {
        let row = row?;
        let (name, seconds) = (row.cell(0), row.cell(1));
        if *model.get_or_insert(name) != name {
            return Err(row.wrong(format_args!("a second model, {name:?}; give each its own file")));
        }
        let sample = (row.number(1, 0.0)?, row.number(2, 0.0)?);
        if samples.last().is_some_and(|before| before.0 >= sample.0) {
            return Err(row.wrong(format_args!("t_seconds {seconds} does not come after the line before")));
        }
        if samples.first().is_some_and(|first| sample.0 - first.0 > SPAN_MAX_S) {
            let cause = "is over 400 days after the first sample, the longest that is taken";
            return Err(row.wrong(format_args!("t_seconds {seconds} {cause}")));
        }
        samples.push(sample);
    }
    Rates::new(samples, between).ok_or_else(|| SimulationError::malformed(path, "fewer than two samples"))
}
