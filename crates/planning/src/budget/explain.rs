//! Decisions and findings in a sentence, with their numbers.

use super::account::{Admission, Ask, RequestClass};
use super::anomaly::{Finding, FindingKind};
use super::ladder::{FREEZE_SHARE, LadderMove, LadderReason, LadderSituation, Rung};
use super::projection::Projection;

/// What the budget will come to.
#[must_use]
pub fn explain_projection(projection: &Projection) -> String {
    let Projection { spent, expected, low, high, level, periods_left, .. } = projection;
    let week = if projection.knows_week { "" } else { "; the days of the week are not told apart yet" };
    if *periods_left == 0 {
        return format!("{spent} is spent, and the period is over");
    }
    let per_cent = level * 100.0;
    format!(
        "{spent} is spent, and {expected} is expected at the end: between {low} and {high} at {per_cent:.0} %{week}"
    )
}

/// What is unusual, and what explains it.
#[must_use]
pub fn explain_finding(finding: &Finding) -> String {
    let Finding { actual, expected, score, days, .. } = finding;
    let cause = match (&finding.dimension, &finding.value, finding.share) {
        (Some(dimension), Some(value), Some(share)) => {
            format!("{dimension} {value:?} explains {:.0} % of the rise", share * 100.0)
        }
        _ => "no dimension explains it: what there is rose alike".to_owned(),
    };
    match finding.kind {
        FindingKind::Spike => {
            format!("a spike: {actual} in one period that usually costs {expected} (robust z {score:.1}); {cause}")
        }
        FindingKind::Drift => {
            format!("drift: {actual} in {days} days of which {expected} was expected (CUSUM {score:.1}); {cause}")
        }
    }
}

/// Why the rung is another one.
#[must_use]
pub fn explain_move(moved: &LadderMove, situation: &LadderSituation) -> String {
    let LadderSituation { limit, spent, reserved, usual_ask, .. } = situation;
    let seen = situation.projection.unwrap_or(Projection {
        spent: *spent,
        expected: *spent,
        low: *spent,
        high: *spent,
        level: 0.0,
        periods_left: 0,
        knows_week: false,
    });
    let Projection { expected, low, high, level, .. } = seen;
    let why = match moved.reason {
        LadderReason::MayExceed => {
            format!("{expected} is expected, but the interval at {:.0} % reaches {high}, over {limit}", level * 100.0)
        }
        LadderReason::ExpectedToExceed => format!("{expected} is expected at the end, over the limit of {limit}"),
        LadderReason::SureToExceed => {
            format!("even the interval's lower end, {low}, is over the limit of {limit}")
        }
        LadderReason::NearlySpent => {
            let share = FREEZE_SHARE * 100.0;
            format!("{expected} is expected, over the limit of {limit}, and more than {share:.0} % of it is gone")
        }
        LadderReason::ShareSpent => {
            format!("{spent} of {limit} is spent and {reserved} promised, too early to project the rest")
        }
        LadderReason::Spent => format!(
            "{spent} of {limit} is spent and {reserved} promised: no room for another request of up to {usual_ask}"
        ),
        LadderReason::Calm => format!("the rung has not been needed for long enough; {spent} of {limit} is spent"),
    };
    format!("{}: {why}", effect(moved.to))
}

/// What a rung does.
fn effect(rung: Rung) -> &'static str {
    match rung {
        Rung::Serve => "all requests are served",
        Rung::Notify => "people are told, all requests are served",
        Rung::Downgrade => "requests get a cheaper model where there is one",
        Rung::FreezeBatch => "batch waits, interactive requests get a cheaper model",
        Rung::Refuse => "batch waits, interactive requests are refused",
    }
}

/// Why a request begins or not.
#[must_use]
pub fn explain_admission(admission: &Admission, ask: &Ask, rung: Rung) -> String {
    let class = match ask.class {
        RequestClass::Interactive => "an interactive request",
        RequestClass::Batch => "a batch request",
    };
    let worst = ask.worst_case;
    match admission {
        Admission::Serve(promised) => format!("{class} begins with {promised} promised to it"),
        Admission::Downgrade(promised) => {
            format!("{class} begins on a cheaper model with {promised} promised to it instead of {worst}")
        }
        Admission::Wait if rung >= Rung::FreezeBatch => format!("{class} waits: {}", effect(rung)),
        Admission::Wait => format!("{class} waits: up to {worst} does not fit under the limit"),
        Admission::Refuse if rung == Rung::Refuse => format!("{class} is refused: the budget is spent"),
        Admission::Refuse => format!("{class} is refused: up to {worst} does not fit under the limit"),
    }
}

#[cfg(test)]
mod tests {
    use domain::Money;

    use super::*;

    #[test]
    fn sentences_hold_the_numbers() {
        let dollars = Money::from_dollars;
        let projection = Projection {
            spent: dollars(10.0),
            expected: dollars(105.0),
            low: dollars(90.0),
            high: dollars(120.0),
            level: 0.95,
            periods_left: 3,
            knows_week: true,
        };
        assert_eq!(
            explain_projection(&projection),
            "$10.0000 is spent, and $105.0000 is expected at the end: between $90.0000 and $120.0000 at 95 %"
        );
        let situation = LadderSituation {
            now_s: 0.0,
            limit: dollars(100.0),
            spent: dollars(10.0),
            reserved: Money::ZERO,
            usual_ask: dollars(1.0),
            projection: Some(projection),
        };
        let moved = LadderMove { from: Rung::Serve, to: Rung::Downgrade, reason: LadderReason::ExpectedToExceed };
        assert_eq!(
            explain_move(&moved, &situation),
            "requests get a cheaper model where there is one: $105.0000 is expected at the end, over the limit of $100.0000"
        );
        let finding = Finding {
            kind: FindingKind::Spike,
            period: 5,
            dimension: Some("tenant".to_owned()),
            value: Some("mill".to_owned()),
            share: Some(0.97),
            actual: dollars(30.0),
            expected: dollars(10.0),
            score: 12.34,
            days: 0,
        };
        let said = explain_finding(&finding);
        assert!(said.ends_with("(robust z 12.3); tenant \"mill\" explains 97 % of the rise"), "{said}");
        let ask = Ask { class: RequestClass::Batch, worst_case: dollars(2.0), cheaper_worst_case: None };
        assert_eq!(
            explain_admission(&Admission::Wait, &ask, Rung::FreezeBatch),
            "a batch request waits: batch waits, interactive requests get a cheaper model"
        );
    }
}
