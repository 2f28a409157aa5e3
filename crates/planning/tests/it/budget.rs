//! Budgets: the projection is sane and its interval honest, findings name their cause, and the limit is kept.

// The figures that are measured here are shown with --nocapture.
#![allow(clippy::print_stdout)]

use domain::Money;
use planning::budget::{
    Account, Admission, Ask, FindingKind, Ladder, LadderSituation, RequestClass, Rung, SpendRow, SpendSeries,
    SpendWatch, project,
};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const HOUR_S: f64 = 3_600.0;
/// Worlds of a kind; figures are measured with the optimiser, which can afford more.
const WORLDS: u64 = if cfg!(debug_assertions) { 8 } else { 40 };

fn series(dollars: impl IntoIterator<Item = f64>) -> SpendSeries {
    let mut series = SpendSeries::new(HOUR_S).unwrap();
    dollars.into_iter().for_each(|dollars| {
        series.push(dollars);
    });
    series
}

/// Roughly normal, mean 0 and variance 1.
fn noise(rng: &mut StdRng) -> f64 {
    (0..12).map(|_| rng.random_range(0.0..1.0_f64)).sum::<f64>() - 6.0
}

/// Hours with a daily and a weekly season, a common noise of days and a noise of hours.
fn world(days: usize, seed: u64) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let phase = rng.random_range(0..7);
    let mut hours = Vec::with_capacity(days * 24);
    for day in 0..days {
        let weekend = if (day + phase) % 7 >= 5 { 0.7 } else { 1.0 };
        let of_day = 1.0 + 0.04 * noise(&mut rng);
        for hour in 0..24 {
            let wave = 1.0 + 0.4 * (hour as f64 / 24.0 * std::f64::consts::TAU).sin();
            hours.push(100.0 * weekend * of_day * wave * (1.0 + 0.1 * noise(&mut rng)).max(0.0));
        }
    }
    hours
}

fn spent(hours: &[f64]) -> Money {
    Money::from_dollars(hours.iter().sum())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_projection_is_sane(
        hours in proptest::collection::vec(0.0..1_000.0_f64, 48..600),
        spent in 0_i64..1_000_000_000_000,
        left in 0_usize..1_000,
        level in 0.01..0.999_f64,
    ) {
        let history = series(hours);
        let seen = project(&history, Money(spent), left, level).unwrap();
        prop_assert!(Money(spent) <= seen.low && seen.low <= seen.expected && seen.expected <= seen.high);
        let longer = project(&history, Money(spent), left + 1, level).unwrap();
        prop_assert!(longer.high - longer.expected >= seen.high - seen.expected - Money(2));
        let surer = project(&history, Money(spent), left, (1.0 + level) / 2.0).unwrap();
        prop_assert!(surer.high >= seen.high && surer.low <= seen.low);
        prop_assert_eq!(seen.on_top_of(Money(spent + 7)).high, seen.high + Money(7));
    }

    #[test]
    fn constant_spend_is_projected_exactly(dollars in 0.0..1e6_f64, days in 14_usize..70, left in 0_usize..1_000) {
        let history = series((0..days * 24).map(|_| dollars));
        let seen = project(&history, Money::ZERO, left, 0.95).unwrap();
        let expected = dollars * left as f64;
        for end in [seen.low, seen.expected, seen.high] {
            prop_assert!((end.dollars() - expected).abs() <= 1e-6 * expected + 1e-6, "{} {}", end, expected);
        }
    }

    #[test]
    fn admitted_requests_never_cost_more_than_the_limit(
        limit in 0_i64..10_000,
        asks in proptest::collection::vec((0_u8..5, any::<bool>(), -5_i64..500, 0_i64..300, 0_i64..1_000), 0..400),
    ) {
        let rungs = [Rung::Serve, Rung::Notify, Rung::Downgrade, Rung::FreezeBatch, Rung::Refuse];
        let mut account = Account::new(Money(limit));
        let mut running: Vec<Money> = Vec::new();
        for (rung, batch, worst, cheaper, share) in asks {
            let class = if batch { RequestClass::Batch } else { RequestClass::Interactive };
            let ask = Ask { class, worst_case: Money(worst), cheaper_worst_case: (cheaper > 100).then_some(Money(cheaper)) };
            if let Admission::Serve(promised) | Admission::Downgrade(promised) = account.admit(rungs[rung as usize], &ask) {
                running.push(promised);
            }
            prop_assert!(account.spent() + account.reserved() <= account.limit());
            if share % 3 == 0 && !running.is_empty() {
                let promised = running.swap_remove(share as usize % running.len());
                account.settle(promised, Money(promised.0 * share / 1_000));
            }
            prop_assert!(account.spent() + account.reserved() <= account.limit());
        }
    }

    #[test]
    fn a_ladder_goes_down_at_most_one_rung_a_day(highs in proptest::collection::vec(50.0..150.0_f64, 1..400)) {
        let mut ladder = Ladder::default();
        let mut last_down_s = f64::NEG_INFINITY;
        let history = series((0..48).map(|_| 1.0));
        for (hour, high) in highs.into_iter().enumerate() {
            let now_s = hour as f64 * HOUR_S;
            let seen = project(&history, Money::ZERO, 0, 0.9).unwrap();
            let dollars = Money::from_dollars;
            let projection = planning::budget::Projection {
                low: dollars(high - 30.0), expected: dollars(high - 15.0), high: dollars(high), ..seen
            };
            let situation = LadderSituation {
                now_s, limit: dollars(100.0), spent: dollars(10.0), reserved: Money::ZERO, usual_ask: dollars(1.0),
                projection: Some(projection),
            };
            let (next, moved) = ladder.step(&situation);
            if let Some(moved) = moved.filter(|moved| moved.to < moved.from) {
                prop_assert!(now_s - last_down_s >= 86_400.0, "{moved:?} at {now_s}");
                last_down_s = now_s;
            }
            ladder = next;
        }
    }
}

#[test]
fn too_little_is_not_projected() {
    assert_eq!(project(&series([1.0; 47]), Money(5), 10, 0.95), None);
    assert!(project(&series([1.0; 48]), Money(5), 10, 0.95).is_some());
    assert_eq!(project(&series([1.0; 48]), Money(5), usize::MAX, 0.95), None);
    assert_eq!(project(&series([]), Money(5), 0, 0.95).unwrap().high, Money(5));
}

/// Share of moments and worlds at which the end lay in the interval, from `first_day` of a budget of 30 days with
/// `before` days known before it.
fn coverage(before: usize, days: std::ops::Range<usize>, level: f64, worlds: u64) -> (f64, f64) {
    let (mut within, mut all, mut width) = (0.0, 0.0, 0.0);
    for seed in 0..worlds {
        let hours = world(before + 30, 1_000 + seed);
        let last = spent(&hours[before * 24..]);
        for day in days.clone() {
            let now = (before + day) * 24 + 7;
            let seen = project(
                &series(hours[..now].iter().copied()),
                spent(&hours[before * 24..now]),
                hours.len() - now,
                level,
            );
            let seen = seen.unwrap();
            all += 1.0;
            within += f64::from(u8::from(seen.low <= last && last <= seen.high));
            width += (seen.high - seen.low).dollars() / last.dollars();
        }
    }
    (within / all, width / all)
}

#[test]
fn the_interval_covers_about_as_often_as_it_says() {
    for (before, days, level, least) in [
        (0, 2..14, 0.8, 0.75),
        (0, 2..14, 0.95, 0.9),
        (0, 14..29, 0.8, 0.72),
        (0, 14..29, 0.95, 0.9),
        (56, 0..29, 0.8, 0.72),
        (56, 0..29, 0.95, 0.9),
    ] {
        let (covered, width) = coverage(before, days.clone(), level, WORLDS);
        println!(
            "{WORLDS} seeds from 1000, {before} days before, days {days:?}, {level}: {covered:.3}, width {width:.3}"
        );
        assert!(covered >= least, "{before} {days:?} {level}: {covered}");
    }
}

const TENANTS: [(&str, f64); 3] = [("harbour", 0.5), ("mill", 0.3), ("quay", 0.2)];
const REGIONS: [(&str, f64); 2] = [("eu", 0.6), ("us", 0.4)];

/// What is found in a world of tenants and regions; `factor` says what a tenant's or region's hour is of its usual.
fn found(days: usize, seed: u64, factor: impl Fn(usize, &str, &str) -> f64) -> Vec<planning::budget::Finding> {
    let mut rng = StdRng::seed_from_u64(seed);
    let names = ["tenant".to_owned(), "region".to_owned()];
    let mut watch = SpendWatch::new(HOUR_S, &names).unwrap();
    let mut findings = Vec::new();
    for (hour, dollars) in world(days, seed).into_iter().enumerate() {
        let mut rows: Vec<(Money, [String; 2])> = Vec::new();
        for (tenant, weight) in TENANTS {
            for (region, share) in REGIONS {
                let own = (1.0 + 0.05 * noise(&mut rng)) * factor(hour, tenant, region);
                rows.push((
                    Money::from_dollars(dollars * weight * share * own),
                    [tenant.to_owned(), region.to_owned()],
                ));
            }
        }
        let rows: Vec<SpendRow<'_>> = rows.iter().map(|(spend, values)| SpendRow { spend: *spend, values }).collect();
        findings.extend(watch.observe(&rows).unwrap());
    }
    findings
}

#[test]
fn calm_worlds_are_seldom_called_unusual() {
    let (mut spikes, mut drifts) = (0, 0);
    for seed in 0..WORLDS {
        let findings = found(60, 2_000 + seed, |_, _, _| 1.0);
        let count = |kind| findings.iter().filter(|finding| finding.kind == kind).count() as u64;
        spikes += count(FindingKind::Spike);
        drifts += count(FindingKind::Drift);
    }
    println!("{WORLDS} seeds from 2000, 60 days each: {spikes} spikes, {drifts} drifts found where there are none");
    assert!(spikes <= WORLDS && drifts <= WORLDS / 2, "{spikes} {drifts}");
}

#[test]
fn spikes_and_drift_are_found_and_named() {
    let (mut spikes, mut drifts, mut late) = (0, 0, 0);
    for seed in 0..WORLDS {
        let from = 30 * 24 + (seed as usize * 5) % 24;
        let spiked =
            found(
                32,
                3_000 + seed,
                |hour, tenant, _| {
                    if tenant == "mill" && (from..from + 3).contains(&hour) { 3.0 } else { 1.0 }
                },
            );
        spikes += u64::from(spiked.iter().any(|finding| {
            finding.kind == FindingKind::Spike
                && (from..from + 3).contains(&finding.period)
                && finding.value.as_deref() == Some("mill")
                && finding.share.is_some_and(|share| share > 0.67)
        }));
        let drifted = found(60, 4_000 + seed, |hour, _, region| {
            let days = (hour as f64 / 24.0 - 35.0).clamp(0.0, 5.0);
            if region == "us" { 1.0 + 0.1 * days } else { 1.0 }
        });
        let hit = drifted.iter().find(|finding| finding.kind == FindingKind::Drift && finding.period >= 35 * 24);
        if let Some(hit) = hit.filter(|hit| hit.value.as_deref() == Some("us")) {
            drifts += 1;
            late += hit.period / 24 + 1 - 35;
        }
    }
    println!("{WORLDS} seeds from 3000 and 4000: {spikes} spikes and {drifts} drifts found and named");
    println!("drift is found {:.1} days after it begins", f64::from(late as u32) / f64::from(drifts.max(1) as u32));
    assert!(spikes >= WORLDS * 9 / 10 && drifts >= WORLDS * 85 / 100, "{spikes} {drifts}");
}

#[test]
fn a_new_tenant_is_named() {
    let names = ["tenant".to_owned()];
    let mut watch = SpendWatch::new(HOUR_S, &names).unwrap();
    let mut findings = Vec::new();
    for (hour, dollars) in world(40, 9).into_iter().enumerate() {
        let (old, new) = (["old".to_owned()], ["new".to_owned()]);
        let mut rows = vec![SpendRow { spend: Money::from_dollars(dollars), values: &old }];
        if hour >= 30 * 24 + 13 {
            rows.push(SpendRow { spend: Money::from_dollars(60.0), values: &new });
        }
        findings.extend(watch.observe(&rows).unwrap());
    }
    let named = |kind| findings.iter().any(|f| f.kind == kind && f.value.as_deref() == Some("new"));
    assert!(named(FindingKind::Spike) && named(FindingKind::Drift), "{findings:?}");
}

#[test]
fn nonsense_is_refused_and_many_values_are_bounded() {
    assert!(SpendWatch::new(f64::NAN, &[]).is_err());
    let many: Vec<String> = (0..9).map(|at| at.to_string()).collect();
    assert!(SpendWatch::new(HOUR_S, &many).is_err());
    let mut watch = SpendWatch::new(HOUR_S, &many[..1]).unwrap();
    for hour in 0..300 {
        let values = [hour.to_string()];
        watch.observe(&[SpendRow { spend: Money(1_000_000_000), values: &values }]).unwrap();
    }
    assert!(format!("{watch:?}").contains("(other)"));
}
