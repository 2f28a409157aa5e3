//! Reads spend: amounts by time and dimension, laid on equal periods.

use std::path::Path;

use domain::Money;
use planning::budget::SpendRow;
use planning::budget::anomaly::DIMENSIONS_MAX;
use planning::budget::series::PERIOD_MIN_S;

use crate::problem::SimulationError;
use crate::trace::read_text;

/// Most periods from the first line to the last; bounds the replay.
const PERIODS_MAX: usize = 1_000_000;
const COLUMNS: [&str; 2] = ["t_seconds", "usd"];
/// Most dollars on a line, so that sums stay exact.
const USD_MAX: f64 = 1e6;

/// One amount.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it cost.
    pub spend: Money,
    /// In order of the dimensions.
    pub values: Vec<String>,
}

impl Row {
    /// As the watch sees it.
    #[must_use]
    pub fn seen(&self) -> SpendRow<'_> {
        SpendRow { spend: self.spend, values: &self.values }
    }
}

/// Spend of equal periods from the first line's on.
#[derive(Debug, Clone, PartialEq)]
pub struct Spend {
    /// Seconds of a period: the least gap between two times of the file.
    pub period_s: f64,
    /// Names of the dimensions.
    pub dimensions: Vec<String>,
    /// Rows of each period; periods that the file leaves out have none.
    pub periods: Vec<Vec<Row>>,
}

/// Reads a file of spend.
///
/// # Errors
/// When it is missing or malformed; with the line.
pub fn read_spend(path: &Path) -> Result<Spend, SimulationError> {
    let text = read_text(path)?;
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let header: Vec<&str> = lines.next().map(|(_, line)| line.split(',').map(str::trim).collect()).unwrap_or_default();
    let dimensions = dimensions(&header).map_err(|cause| SimulationError::malformed(path, cause))?;
    let mut rows: Vec<(f64, usize, Row)> = Vec::new();
    for (at, line) in lines {
        let wrong = |cause: String| SimulationError::malformed(path, format!("line {}: {cause}", at + 1));
        let (time_s, row) = row(line, header.len()).map_err(wrong)?;
        if rows.last().is_some_and(|(before_s, ..)| *before_s > time_s) {
            return Err(wrong(format!("t_seconds {time_s} comes before that of the line before")));
        }
        rows.push((time_s, at + 1, row));
    }
    laid_out(rows, dimensions).map_err(|cause| SimulationError::malformed(path, cause))
}

fn dimensions(header: &[&str]) -> Result<Vec<String>, String> {
    let [seconds, usd, names @ ..] = header else { return Err(expected(header)) };
    if [*seconds, *usd] != COLUMNS || names.iter().any(|name| name.is_empty()) {
        return Err(expected(header));
    }
    if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        return Err(format!("a second column {:?}", twice.1));
    }
    if names.len() > DIMENSIONS_MAX {
        return Err(format!("{} dimensions are more than {DIMENSIONS_MAX}", names.len()));
    }
    Ok(names.iter().map(|name| (*name).to_owned()).collect())
}

fn expected(header: &[&str]) -> String {
    let (columns, found) = (COLUMNS.join(","), header.join(","));
    format!("the first line must be {columns:?} and a name for each dimension, not {found:?}")
}

fn row(line: &str, columns: usize) -> Result<(f64, Row), String> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let [seconds, usd, values @ ..] = cells.as_slice() else { return Err(format!("{} columns", cells.len())) };
    if cells.len() != columns {
        return Err(format!("{} columns instead of {columns}", cells.len()));
    }
    let number = |cell: &str, column: &str| match cell.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err(format!("{column} is {cell:?}, not a number of at least zero")),
    };
    let (time_s, dollars) = (number(seconds, COLUMNS[0])?, number(usd, COLUMNS[1])?);
    if dollars > USD_MAX {
        return Err(format!("usd is {usd}, over {USD_MAX}: split the line"));
    }
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Ok((time_s, Row { spend: Money::from_dollars(dollars), values }))
}

/// Lays rows in order of time on periods as long as the least gap between two times.
fn laid_out(rows: Vec<(f64, usize, Row)>, dimensions: Vec<String>) -> Result<Spend, String> {
    let gaps = rows.windows(2).map(|pair| pair[1].0 - pair[0].0).filter(|gap| *gap > 0.0);
    let period_s = gaps.fold(f64::INFINITY, f64::min);
    let (Some(first_s), true) = (rows.first().map(|(time_s, ..)| *time_s), period_s.is_finite()) else {
        return Err("fewer than two times".to_owned());
    };
    if period_s < PERIOD_MIN_S {
        return Err(format!("two times are {period_s} s apart; a period lasts at least {PERIOD_MIN_S} s"));
    }
    let mut periods: Vec<Vec<Row>> = Vec::new();
    for (time_s, line, row) in rows {
        let number = (time_s - first_s) / period_s;
        if (number - number.round()).abs() > 1e-6 {
            let cause = format!("{time_s} is not a whole number of periods of {period_s} s after the first line");
            return Err(format!("line {line}: t_seconds {cause}"));
        }
        if number >= PERIODS_MAX as f64 {
            return Err(format!("line {line}: over {PERIODS_MAX} periods of {period_s} s"));
        }
        // Below the bound just checked.
        let number = number.round() as usize;
        if periods.len() <= number {
            periods.resize_with(number + 1, Vec::new);
        }
        periods[number].push(row);
    }
    Ok(Spend { period_s, dimensions, periods })
}
