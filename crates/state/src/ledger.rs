//! Double-entry postings: money and tokens move between accounts, and never appear or vanish.

use std::collections::BTreeMap;

use crate::error::StoreError;

/// What is counted, and where: `usd/tenant:default/spent`. The first segment is the unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account(pub String);

impl Account {
    /// The unit in which the account counts.
    #[must_use]
    pub fn unit(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}

/// One leg of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The account.
    pub account: Account,
    /// What is added to it; negative takes away. Money in nano-dollars.
    pub amount: i64,
}

/// Postings that sum to zero in every unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// A unique id: the same id is never posted twice.
    pub id: String,
    /// The legs.
    pub postings: Vec<Posting>,
}

impl Transaction {
    /// Says in which unit the legs do not sum to zero, if in any.
    #[must_use]
    pub fn unbalanced_unit(&self) -> Option<&str> {
        let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
        for posting in &self.postings {
            *sums.entry(posting.account.unit()).or_default() += i128::from(posting.amount);
        }
        sums.into_iter().find(|(_, sum)| *sum != 0).map(|(unit, _)| unit)
    }

    /// Refuses a transaction that moves nothing, or creates or destroys what it moves.
    pub fn validate(&self) -> Result<(), StoreError> {
        if self.postings.is_empty() {
            return Err(StoreError::Invalid(format!("transaction {:?} has no postings", self.id)));
        }
        match self.unbalanced_unit() {
            Some(unit) => {
                Err(StoreError::Invalid(format!("transaction {:?} does not sum to zero in {unit:?}", self.id)))
            }
            None => Ok(()),
        }
    }
}
