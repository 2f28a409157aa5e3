//! What can be wrong with a simulation's input.

use std::path::PathBuf;

use domain::Problem;

/// Why a simulation was not run.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// A file or folder could not be read.
    #[error("{path}: {cause}", path = path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A file does not have the stated form.
    #[error("{path}: {cause}", path = path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong, and where.
        cause: String,
    },
    /// A placement problem has another form than it should, or no answer.
    #[error("{path}: {cause}", path = path.display())]
    Placement {
        /// The problem's file.
        path: PathBuf,
        /// What is wrong, or what cannot be kept.
        cause: String,
        /// What to do about it.
        next_step: &'static str,
    },
    /// A number on the command line makes no sense.
    #[error("--{flag}: {cause}")]
    Argument {
        /// The flag without its dashes.
        flag: &'static str,
        /// What is wrong.
        cause: String,
    },
}

impl SimulationError {
    /// An argument is at fault.
    pub fn argument(flag: &'static str, cause: impl Into<String>) -> Self {
        Self::Argument { flag, cause: cause.into() }
    }

    /// A file is at fault.
    pub fn malformed(path: &std::path::Path, cause: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), cause: cause.into() }
    }
}

impl From<SimulationError> for Problem {
    fn from(error: SimulationError) -> Self {
        let cause = error.to_string();
        match error {
            SimulationError::Unreadable { cause: source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Self::not_found(cause).next("see docs/data.md for where each data set comes from and how to lay it out")
            }
            SimulationError::Unreadable { .. } => Self::invalid(cause).next("check that the file may be read"),
            SimulationError::Malformed { .. } => {
                Self::invalid(cause).next("see docs/data.md for the form of each file")
            }
            SimulationError::Placement { next_step, .. } => Self::invalid(cause).next(next_step),
            SimulationError::Argument { flag, .. } => Self::invalid(cause).at(flag),
        }
    }
}

/// Refuses a number that is not finite or lies below `least`.
pub fn at_least(flag: &'static str, value: f64, least: f64) -> Result<f64, SimulationError> {
    if value.is_finite() && value >= least {
        Ok(value)
    } else {
        Err(SimulationError::argument(flag, format!("{value} is not a number of at least {least}")))
    }
}

/// Refuses a number that is not finite and above zero.
pub fn positive(flag: &'static str, value: f64) -> Result<f64, SimulationError> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(SimulationError::argument(flag, format!("{value} is not a number above zero")))
    }
}

/// Refuses a share outside 0 to 1.
pub fn share(flag: &'static str, value: f64) -> Result<f64, SimulationError> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(SimulationError::argument(flag, format!("{value} is not a share between 0 and 1")))
    }
}
