//! Admission: what is spent and promised never exceeds the limit.
//!
//! A request is admitted only if its worst case fits beside what is spent and what is promised to others; its worst case is
//! promised until it ends ([`Account::settle`]). If no request costs more than its worst case, the budget is kept exactly,
//! whatever was projected.

use domain::Money;
use serde::{Deserialize, Serialize};

use super::ladder::Rung;

/// Who waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestClass {
    /// Somebody; it is answered now or refused.
    Interactive,
    /// Nobody; it may wait.
    Batch,
}

/// A request that wants to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Who waits.
    pub class: RequestClass,
    /// The most that it can cost. Below zero counts as zero.
    pub worst_case: Money,
    /// The most that it can cost on a cheaper model, where one would do.
    pub cheaper_worst_case: Option<Money>,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It begins; so much is promised to it.
    Serve(Money),
    /// It begins on the cheaper model; so much is promised to it.
    Downgrade(Money),
    /// It waits until the rung is left or the next period begins.
    Wait,
    /// It is refused.
    Refuse,
}

/// A budget's money in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    limit: Money,
    spent: Money,
    reserved: Money,
}

impl Account {
    /// A fresh period with `limit`.
    #[must_use]
    pub fn new(limit: Money) -> Self {
        Self { limit, spent: Money::ZERO, reserved: Money::ZERO }
    }

    /// The most that the period may cost.
    #[must_use]
    pub fn limit(&self) -> Money {
        self.limit
    }

    /// What ended requests cost.
    #[must_use]
    pub fn spent(&self) -> Money {
        self.spent
    }

    /// What is promised to requests that have not ended.
    #[must_use]
    pub fn reserved(&self) -> Money {
        self.reserved
    }

    /// Admits a request or not. What is admitted is promised its worst case; give that back with [`Self::settle`].
    pub fn admit(&mut self, rung: Rung, ask: &Ask) -> Admission {
        let full = ask.worst_case.max(Money::ZERO);
        let cheaper = ask.cheaper_worst_case.map(|worst| worst.max(Money::ZERO));
        let turned_away = match ask.class {
            RequestClass::Interactive => Admission::Refuse,
            RequestClass::Batch => Admission::Wait,
        };
        let frozen = rung == Rung::FreezeBatch && ask.class == RequestClass::Batch;
        if rung == Rung::Refuse || frozen {
            return turned_away;
        }
        // From downgrade on the cheaper model is taken where there is one; before that only when the full one does not fit.
        let serve_full = rung < Rung::Downgrade || cheaper.is_none();
        let admission = match cheaper {
            _ if serve_full && self.fits(full) => Admission::Serve(full),
            Some(cheaper) if self.fits(cheaper) => Admission::Downgrade(cheaper),
            _ => return turned_away,
        };
        if let Admission::Serve(promised) | Admission::Downgrade(promised) = admission {
            self.reserved = self.reserved + promised;
        }
        admission
    }

    /// A request ended: `promised` is free again, and `cost` is spent. A cost above the promise is owed all the same.
    pub fn settle(&mut self, promised: Money, cost: Money) {
        self.reserved = (self.reserved - promised).max(Money::ZERO);
        self.spent = self.spent + cost.max(Money::ZERO);
    }

    /// Exact, also where a sum of money would saturate.
    fn fits(&self, amount: Money) -> bool {
        i128::from(self.spent.0) + i128::from(self.reserved.0) + i128::from(amount.0) <= i128::from(self.limit.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(class: RequestClass, worst: i64, cheaper: Option<i64>) -> Ask {
        Ask { class, worst_case: Money(worst), cheaper_worst_case: cheaper.map(Money) }
    }

    #[test]
    fn each_class_at_each_rung() {
        use Admission::{Downgrade, Refuse, Serve, Wait};
        use RequestClass::{Batch, Interactive};
        let expected = [
            (Rung::Serve, Serve(Money(8)), Serve(Money(8))),
            (Rung::Notify, Serve(Money(8)), Serve(Money(8))),
            (Rung::Downgrade, Downgrade(Money(3)), Downgrade(Money(3))),
            (Rung::FreezeBatch, Downgrade(Money(3)), Wait),
            (Rung::Refuse, Refuse, Wait),
        ];
        for (rung, interactive, batch) in expected {
            let account = Account::new(Money(100));
            assert_eq!(account.clone().admit(rung, &ask(Interactive, 8, Some(3))), interactive, "{rung:?}");
            assert_eq!(account.clone().admit(rung, &ask(Batch, 8, Some(3))), batch, "{rung:?}");
        }
        let mut account = Account::new(Money(100));
        assert_eq!(
            account.admit(Rung::Downgrade, &ask(Interactive, 8, None)),
            Serve(Money(8)),
            "there is no cheaper one"
        );
    }

    #[test]
    fn what_does_not_fit_is_not_begun() {
        let mut account = Account::new(Money(10));
        assert_eq!(account.admit(Rung::Serve, &ask(RequestClass::Interactive, 8, None)), Admission::Serve(Money(8)));
        let small = ask(RequestClass::Interactive, 3, Some(2));
        assert_eq!(account.admit(Rung::Serve, &small), Admission::Downgrade(Money(2)));
        assert_eq!(account.admit(Rung::Serve, &small), Admission::Refuse);
        account.settle(Money(8), Money(5));
        assert_eq!(account.admit(Rung::Serve, &small), Admission::Serve(Money(3)));
        assert_eq!((account.spent(), account.reserved()), (Money(5), Money(5)));
        let huge = ask(RequestClass::Batch, i64::MAX, None);
        assert_eq!(Account::new(Money(i64::MAX - 1)).admit(Rung::Serve, &huge), Admission::Wait);
    }
}
