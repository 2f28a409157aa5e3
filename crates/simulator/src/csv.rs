//! Comma-separated files, row by row, with the line's number in every refusal. Quoted cells are not read: the sets that the
//! simulator takes have none.

use std::path::Path;

use crate::problem::SimulationError;
use crate::trace::BYTE_ORDER_MARK;

/// One line, cut at its commas.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a, const N: usize> {
    path: &'a Path,
    columns: &'static [&'static str; N],
    line: usize,
    cells: [&'a str; N],
}

impl<'a, const N: usize> Row<'a, N> {
    /// The line is at fault.
    #[must_use]
    pub fn wrong(&self, cause: impl std::fmt::Display) -> SimulationError {
        SimulationError::malformed(self.path, format!("line {}: {cause}", self.line))
    }

    /// A cell, which may be empty.
    #[must_use]
    pub const fn cell(&self, column: usize) -> &'a str {
        self.cells[column]
    }

    /// A cell that holds something.
    ///
    /// # Errors
    /// When it is empty.
    pub fn text(&self, column: usize) -> Result<&'a str, SimulationError> {
        match self.cells[column] {
            "" => Err(self.wrong(format_args!("{} is empty", self.columns[column]))),
            text => Ok(text),
        }
    }

    /// A cell that holds a number of at least `least`.
    ///
    /// # Errors
    /// When it holds anything else.
    pub fn number(&self, column: usize, least: f64) -> Result<f64, SimulationError> {
        let (name, cell) = (self.columns[column], self.cells[column]);
        match cell.parse::<f64>() {
            Ok(value) if value.is_finite() && value >= least => Ok(value),
            _ => Err(self.wrong(format_args!("{name} is {cell:?}, not a number of at least {least}"))),
        }
    }

    /// The same, or nothing where the cell is empty.
    ///
    /// # Errors
    /// When it holds anything else.
    pub fn number_if_any(&self, column: usize, least: f64) -> Result<Option<f64>, SimulationError> {
        if self.cells[column].is_empty() { Ok(None) } else { self.number(column, least).map(Some) }
    }
}

/// The rows under a first line that must name exactly `columns`. Blank lines are passed over.
///
/// # Errors
/// When the first line is another, and for each row of another width.
pub fn rows<'a, const N: usize>(
    path: &'a Path,
    text: &'a str,
    columns: &'static [&'static str; N],
) -> Result<impl Iterator<Item = Result<Row<'a, N>, SimulationError>>, SimulationError> {
    let mut lines = bare_rows(path, text, columns);
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    // Some publishers begin a file with a byte-order mark.
    let header: Vec<&str> = first.trim_start_matches(BYTE_ORDER_MARK).split(',').map(str::trim).collect();
    if header != columns {
        let cause = format!("the first line must be {:?}, not {:?}", columns.join(","), header.join(","));
        return Err(SimulationError::malformed(path, cause));
    }
    lines.next();
    Ok(lines)
}

/// The rows of a file without a line of names.
pub fn bare_rows<'a, const N: usize>(
    path: &'a Path,
    text: &'a str,
    columns: &'static [&'static str; N],
) -> impl Iterator<Item = Result<Row<'a, N>, SimulationError>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(move |(at, line)| {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let cells = cells.try_into().map_err(|cells: Vec<&str>| {
            SimulationError::malformed(path, format!("line {}: {} columns instead of {N}", at + 1, cells.len()))
        })?;
        Ok(Row { path, columns, line: at + 1, cells })
    })
}
