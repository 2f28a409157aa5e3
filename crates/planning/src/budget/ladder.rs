//! The ladder: notify, downgrade, freeze batch, refuse.
//!
//! Up it goes at once, and as far as the situation asks; down one rung at a time, and only after the situation has been
//! better by a margin for a day, so that the swing of a day cannot make it flap. [`Rung`] says whom each rung touches.
//! A new budget period begins with a new ladder. The limit itself is held by [`super::account`], whatever the rung.

use domain::Money;
use serde::{Deserialize, Serialize};

use super::projection::Projection;

/// A lower rung must have been enough at a limit smaller by this share …
pub const MARGIN_SHARE: f64 = 0.02;
/// … for this long, before one rung is left: a day, since spend swings by the day.
pub const CALM_S: f64 = 86_400.0;
/// Refusing ends sooner, since promises that were not used come back within minutes.
pub const REFUSE_CALM_S: f64 = 300.0;
/// Shares of the limit at which notify, downgrade and freeze batch begin while nothing can be projected yet.
pub const SHARES: [f64; 3] = [0.8, 0.9, 0.95];
/// With more than the limit expected, batch is frozen at this share of it even if the interval still reaches below.
pub const FREEZE_SHARE: f64 = 0.9;

/// How far it has come. Each rung does all that the ones below it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// Every request is served.
    #[default]
    Serve,
    /// Every request is served; people are told.
    Notify,
    /// Interactive and batch requests get a cheaper model where there is one.
    Downgrade,
    /// Batch waits, interactive requests get a cheaper model.
    FreezeBatch,
    /// Batch waits, interactive requests are refused.
    Refuse,
}

impl Rung {
    const ALL: [Self; 5] = [Self::Serve, Self::Notify, Self::Downgrade, Self::FreezeBatch, Self::Refuse];

    fn below(self) -> Self {
        Self::ALL[(self as usize).saturating_sub(1)]
    }
}

/// Why a rung is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LadderReason {
    /// The upper end of the interval is over the limit.
    MayExceed,
    /// More than the limit is expected.
    ExpectedToExceed,
    /// Even the lower end of the interval is over the limit.
    SureToExceed,
    /// More than the limit is expected and nine tenths of it are gone.
    NearlySpent,
    /// So much of the limit is gone, and nothing can be projected yet.
    ShareSpent,
    /// There is no room for another usual request.
    Spent,
    /// It has been better for long enough.
    Calm,
}

/// What the ladder decides from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LadderSituation {
    /// Seconds from any origin; must not fall.
    pub now_s: f64,
    /// The most that the budget period may cost.
    pub limit: Money,
    /// Spent since its beginning.
    pub spent: Money,
    /// Promised to admitted requests that have not ended, at their worst case.
    pub reserved: Money,
    /// The worst case of a usual request: with less room than that, nothing is begun.
    pub usual_ask: Money,
    /// What the period will come to, when that can be said.
    pub projection: Option<Projection>,
}

/// From one rung to another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LadderMove {
    /// Before.
    pub from: Rung,
    /// From now on.
    pub to: Rung,
    /// Why.
    pub reason: LadderReason,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Ladder {
    rung: Rung,
    /// Since when a lower rung would have been enough.
    calm_since_s: Option<f64>,
}

impl Ladder {
    /// The rung in force.
    #[must_use]
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// The ladder from now on, and the move if there is one.
    #[must_use]
    pub fn step(self, situation: &LadderSituation) -> (Self, Option<LadderMove>) {
        let (asked, reason) = warranted(situation, false);
        if asked > self.rung {
            let up = LadderMove { from: self.rung, to: asked, reason };
            return (Self { rung: asked, calm_since_s: None }, Some(up));
        }
        if warranted(situation, true).0 >= self.rung {
            return (Self { calm_since_s: None, ..self }, None);
        }
        let since_s = self.calm_since_s.unwrap_or(situation.now_s);
        let wait_s = if self.rung == Rung::Refuse { REFUSE_CALM_S } else { CALM_S };
        if situation.now_s - since_s < wait_s {
            return (Self { calm_since_s: Some(since_s), ..self }, None);
        }
        let down = LadderMove { from: self.rung, to: self.rung.below(), reason: LadderReason::Calm };
        (Self { rung: down.to, calm_since_s: Some(situation.now_s) }, Some(down))
    }
}

/// The rung that the situation asks for by itself; with `leaving`, at a limit that is smaller by the margin.
fn warranted(situation: &LadderSituation, leaving: bool) -> (Rung, LadderReason) {
    let LadderSituation { limit, spent, reserved, usual_ask, .. } = *situation;
    let committed = spent + reserved;
    let asks = if leaving { 2 } else { 1 };
    if committed >= limit || committed + usual_ask.times(asks) > limit {
        return (Rung::Refuse, LadderReason::Spent);
    }
    let dollars = limit.dollars() * if leaving { 1.0 - MARGIN_SHARE } else { 1.0 };
    let over = |amount: Money| amount.dollars() > dollars;
    let share = committed.dollars() / dollars;
    match situation.projection {
        Some(seen) if over(seen.low) => (Rung::FreezeBatch, LadderReason::SureToExceed),
        Some(seen) if over(seen.expected) && share >= FREEZE_SHARE => (Rung::FreezeBatch, LadderReason::NearlySpent),
        Some(seen) if over(seen.expected) => (Rung::Downgrade, LadderReason::ExpectedToExceed),
        Some(seen) if over(seen.high) => (Rung::Notify, LadderReason::MayExceed),
        Some(_) => (Rung::Serve, LadderReason::Calm),
        None => {
            let passed = SHARES.iter().filter(|least| share >= **least).count();
            (Rung::ALL[passed], if passed > 0 { LadderReason::ShareSpent } else { LadderReason::Calm })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dollars(amount: f64) -> Money {
        Money::from_dollars(amount)
    }

    /// A limit of $100, $10 spent, and a projection.
    fn seen(now_s: f64, low: f64, expected: f64, high: f64) -> LadderSituation {
        let projection = Projection {
            spent: dollars(10.0),
            expected: dollars(expected),
            low: dollars(low),
            high: dollars(high),
            level: 0.95,
            periods_left: 10,
            knows_week: true,
        };
        LadderSituation {
            now_s,
            limit: dollars(100.0),
            spent: dollars(10.0),
            reserved: Money::ZERO,
            usual_ask: dollars(1.0),
            projection: Some(projection),
        }
    }

    #[test]
    fn each_rung_has_its_reason() {
        let nearly = LadderSituation { spent: dollars(85.0), reserved: dollars(6.0), ..seen(0.0, 95.0, 101.0, 110.0) };
        let unknown = |spent| LadderSituation { projection: None, spent: dollars(spent), ..seen(0.0, 0.0, 0.0, 0.0) };
        for (situation, rung, reason) in [
            (seen(0.0, 80.0, 90.0, 99.0), Rung::Serve, LadderReason::Calm),
            (seen(0.0, 80.0, 90.0, 101.0), Rung::Notify, LadderReason::MayExceed),
            (seen(0.0, 80.0, 101.0, 120.0), Rung::Downgrade, LadderReason::ExpectedToExceed),
            (seen(0.0, 101.0, 110.0, 120.0), Rung::FreezeBatch, LadderReason::SureToExceed),
            (nearly, Rung::FreezeBatch, LadderReason::NearlySpent),
            (
                LadderSituation { reserved: dollars(89.5), ..seen(0.0, 1.0, 2.0, 3.0) },
                Rung::Refuse,
                LadderReason::Spent,
            ),
            (unknown(79.0), Rung::Serve, LadderReason::Calm),
            (unknown(80.0), Rung::Notify, LadderReason::ShareSpent),
            (unknown(95.0), Rung::FreezeBatch, LadderReason::ShareSpent),
            (LadderSituation { limit: Money::ZERO, ..unknown(0.0) }, Rung::Refuse, LadderReason::Spent),
        ] {
            assert_eq!(warranted(&situation, false), (rung, reason), "{situation:?}");
            assert_eq!(Ladder::default().step(&situation).0.rung(), rung);
        }
    }

    #[test]
    fn down_one_rung_a_calm_day_and_not_within_the_margin() {
        let (mut ladder, _) = Ladder::default().step(&seen(0.0, 101.0, 110.0, 120.0));
        let mut left = Vec::new();
        for hour in 1..=100 {
            let now_s = f64::from(hour) * 3_600.0;
            // An evening in between is not calm: 99 is over the limit less its margin.
            let high = if hour == 10 { 99.0 } else { 90.0 };
            let low = if hour == 10 { 99.0 } else { 50.0 };
            let (next, moved) = ladder.step(&seen(now_s, low, high, high));
            left.extend(moved.map(|moved| (hour, moved.to)));
            ladder = next;
        }
        assert_eq!(left, [(35, Rung::Downgrade), (59, Rung::Notify), (83, Rung::Serve)]);
    }

    #[test]
    fn refusing_ends_when_promises_come_back() {
        let full = LadderSituation { reserved: dollars(90.0), ..seen(0.0, 20.0, 30.0, 40.0) };
        let (ladder, moved) = Ladder::default().step(&full);
        assert_eq!(moved.unwrap().to, Rung::Refuse);
        let (ladder, _) = ladder.step(&seen(60.0, 20.0, 30.0, 40.0));
        assert_eq!(ladder.rung(), Rung::Refuse);
        let (ladder, moved) = ladder.step(&seen(400.0, 20.0, 30.0, 40.0));
        assert_eq!((ladder.rung(), moved.unwrap().reason), (Rung::FreezeBatch, LadderReason::Calm));
    }
}
