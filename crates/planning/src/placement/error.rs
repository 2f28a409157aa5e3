//! What can be wrong with a problem, and why it may have no solution.

use crate::egress::EgressError;

/// What is wrong with a problem, or why it has no solution.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlacementError {
    /// A number is out of its range.
    #[error("{field} is {value}: it must be {wanted}")]
    Number {
        /// Which, like `tasks[3].hours`.
        field: String,
        /// What it is.
        value: f64,
        /// What it must be.
        wanted: &'static str,
    },
    /// A place is not written like one.
    #[error(
        "{field} is {value:?}, which is no place: write cloud, cloud:region or cloud:region:zone, like aws:us-east-1"
    )]
    Place {
        /// Which, like `outages[2]`.
        field: String,
        /// What it is.
        value: String,
    },
    /// Two tasks, or two offers, share a name.
    #[error("{kind} {name:?} is there twice")]
    Twice {
        /// Task or offer.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A name refers to nothing.
    #[error("there is no {kind} {name:?}")]
    Unknown {
        /// Task or offer.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// There is nothing to place, or nothing to place it on.
    #[error("a problem needs at least one task and one offer")]
    Empty,
    /// There is more than is solved here.
    #[error("{count} {what} are more than the {most} allowed")]
    TooMany {
        /// Tasks, offers or edges.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// The edges go round.
    #[error("the edges form a cycle through task {0:?}")]
    Cycle(String),
    /// A pair of places has no price.
    #[error("no price from {from} to {to}: {cause}; add a row to `egress`")]
    Unpriced {
        /// Where the data leaves.
        from: String,
        /// Where it goes.
        to: String,
        /// What the price list says.
        cause: EgressError,
    },
    /// Every offer was filtered out for a task.
    #[error("no offer can run task {task:?}: {reasons}")]
    NoOffer {
        /// Its name.
        task: String,
        /// How many offers fell to each reason.
        reasons: String,
    },
    /// The cheapest plan costs more than the budget.
    #[error("the cheapest plan costs ${cheapest_usd:.4} and the budget is ${budget_usd:.4}")]
    OverBudget {
        /// Dollars of the cheapest plan.
        cheapest_usd: f64,
        /// Dollars allowed.
        budget_usd: f64,
    },
    /// No plan keeps the quotas.
    #[error("no plan keeps the quotas {names}: raise one, or put tasks in order so that fewer run at once")]
    OverQuota {
        /// Those that tasks draw on together.
        names: String,
    },
    /// The search was stopped before it found a plan.
    #[error(
        "no plan within the quotas and the budget was found in {nodes} steps: loosen one, or make the problem smaller"
    )]
    GaveUp {
        /// Subproblems looked at.
        nodes: usize,
    },
}
