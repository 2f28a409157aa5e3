//! What a budget will come to, what is unusual in the spend, and what is done before the money runs out.
//!
//! [`series`] keeps the spend of equal periods and learns the season of day and week; [`projection`] says what a budget will
//! have cost at its end, with an interval; [`anomaly`] finds spikes ([`series`]' seasonal medians) and drift ([`cusum`]),
//! and [`attribution`] names the dimension and value that explain each; [`ladder`] goes from notifying over downgrading and
//! holding batch to refusing, and [`account`] sees to it that admitted requests never cost more than the limit.
//! [`explain`] says each in a sentence.
//!
//! Money that is promised or compared with a limit is `domain::Money`, exact; statistics are in dollars as `f64`.

pub mod account;
pub mod anomaly;
pub mod attribution;
pub mod cusum;
pub mod explain;
pub mod ladder;
pub mod projection;
pub mod series;
mod smoothing;
mod statistics;
mod watch;

pub use account::{Account, Admission, Ask, RequestClass};
pub use anomaly::{Finding, FindingKind, SpendRow, SpendWatch};
pub use explain::{explain_admission, explain_finding, explain_move, explain_projection};
pub use ladder::{Ladder, LadderMove, LadderReason, LadderSituation, Rung};
pub use projection::{Projection, project};
pub use series::SpendSeries;
pub use statistics::student_quantile;

/// What is wrong with the input of a budget.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BudgetError {
    /// The length of a period makes no sense.
    #[error("a period of {0} s is not between {min} s and a year", min = series::PERIOD_MIN_S)]
    Period(f64),
    /// More dimensions than are kept.
    #[error("{0} dimensions are more than {max}", max = anomaly::DIMENSIONS_MAX)]
    Dimensions(usize),
}
