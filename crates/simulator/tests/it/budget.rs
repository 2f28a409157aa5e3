//! Budgets on drawn spend: the limit is kept, the future is not seen, findings name their cause, files are refused with
//! their line.

// The figures that are measured here are shown with --nocapture.
#![allow(clippy::print_stdout)]

use std::fs;

use crate::line::simulate;
use domain::Money;
use planning::budget::FindingKind;
use proptest::prelude::*;
use simulator::budget::{Budget, Change, Spend, SpendWorld, coverage, csv, read_spend, replay};

fn world(days: u32, spike: Option<&str>, drift: Option<&str>) -> SpendWorld {
    let change = |text: Option<&str>| text.map(|text| text.parse::<Change>().unwrap());
    SpendWorld { days, period_hours: 1, mean_usd_per_day: 1_000.0, spike: change(spike), drift: change(drift) }
}

fn budget(limit_usd: f64, spend: &Spend) -> Budget {
    let periods = (30.0 * 86_400.0 / spend.period_s) as usize;
    Budget { limit: Money::from_dollars(limit_usd), periods, level: 0.95, downgrade_saving: 0.3 }
}

/// Worlds of a kind; figures are measured with the optimiser, which can afford more.
const WORLDS: u64 = if cfg!(debug_assertions) { 3 } else { 20 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn no_decision_depends_on_what_comes_after(seed in any::<u64>(), cut in 1_usize..1_100, limit in 10_000.0..40_000.0_f64) {
        let spend = world(46, Some("tenant=mill@20*3"), Some("region=us@22*1.5")).generate(seed);
        let mut other = spend.clone();
        other.periods[cut..].iter_mut().flatten().for_each(|row| row.spend = row.spend.times(3));
        let mut short = spend.clone();
        short.periods.truncate(cut);
        let [seen, unseen, known] = [&spend, &other, &short].map(|spend| replay(spend, &budget(limit, spend)).unwrap());
        for run in [&seen, &unseen] {
            prop_assert_eq!(&run.projections[..cut], &known.projections[..]);
            let findings: Vec<_> = run.findings.iter().filter(|finding| finding.period < cut).cloned().collect();
            prop_assert_eq!(&findings, &known.findings);
            let ladder: Vec<_> = run.ladder.iter().filter(|moved| moved.period <= cut).cloned().collect();
            prop_assert_eq!(&ladder, &known.ladder);
        }
    }

    #[test]
    fn the_limit_is_kept_and_no_dollar_is_lost(seed in any::<u64>(), limit in 1_000.0..40_000.0_f64) {
        let spend = world(62, Some("tenant=mill@20*3"), Some("region=us@22*2")).generate(seed);
        let run = replay(&spend, &budget(limit, &spend)).unwrap();
        prop_assert_eq!(run.spent.len(), 3);
        for spent in run.spent {
            prop_assert!(spent.spent <= Money::from_dollars(limit), "{} of {}", spent.spent, limit);
            prop_assert_eq!(spent.asked, spent.spent + spent.refused + spent.waiting + spent.saved);
        }
    }
}

/// The first 30 days have nothing before them; the next 30 have.
#[test]
fn intervals_hold_about_as_often_as_they_say() {
    for (level, spike, drift, least) in [
        (0.8, None, None, 0.7),
        (0.95, None, None, 0.88),
        (0.95, Some("tenant=mill@40*3"), None, 0.88),
        (0.95, None, Some("region=us@40*1.5"), 0.6),
    ] {
        let (mut covered, mut width) = (0.0, 0.0);
        for seed in 0..WORLDS {
            let spend = SpendWorld { period_hours: 6, ..world(60, spike, drift) }.generate(seed);
            let budget = Budget { level, ..budget(40_000.0, &spend) };
            let found = coverage(&replay(&spend, &budget).unwrap(), &budget).unwrap();
            covered += found.0 / WORLDS as f64;
            width += found.1 / WORLDS as f64;
        }
        println!("seeds 0..{WORLDS}, spike {spike:?}, drift {drift:?}: {covered:.3} at {level}, width {width:.3}");
        assert!(covered >= least, "seeds 0..{WORLDS}, {spike:?} {drift:?}: {covered} at {level}");
    }
}

#[test]
fn what_was_drawn_is_found_and_little_else() {
    let (mut spikes, mut drifts, mut others) = (0, 0, 0_u64);
    for seed in 100..100 + WORLDS {
        let spend = world(60, Some("tenant=mill@24.5*3"), Some("region=us@40*1.5")).generate(seed);
        let run = replay(&spend, &budget(60_000.0, &spend)).unwrap();
        let (mut spike, mut drift) = (false, false);
        for finding in &run.findings {
            let (day, value) = (finding.period / 24, finding.value.as_deref());
            match finding.kind {
                FindingKind::Spike if day == 24 && value == Some("mill") => spike = true,
                FindingKind::Drift if (40..50).contains(&day) && value == Some("us") => drift = true,
                // While it rises, hours of it are spikes too.
                FindingKind::Spike if (40..50).contains(&day) && value == Some("us") => {}
                _ => others += 1,
            }
        }
        spikes += u64::from(spike);
        drifts += u64::from(drift);
    }
    println!("{WORLDS} seeds from 100, 60 days each: {spikes} spikes, {drifts} drifts, {others} others");
    assert!(spikes + 1 >= WORLDS && drifts + 2 >= WORLDS && others <= 3 * WORLDS, "{spikes} {drifts} {others}");
}

#[test]
fn calm_spend_is_seldom_called_unusual() {
    let (mut spikes, mut drifts) = (0, 0);
    for seed in 200..200 + WORLDS {
        let spend = world(60, None, None).generate(seed);
        for finding in replay(&spend, &budget(60_000.0, &spend)).unwrap().findings {
            match finding.kind {
                FindingKind::Spike => spikes += 1,
                FindingKind::Drift => drifts += 1,
            }
        }
    }
    println!("{WORLDS} seeds from 200, 60 days each: {spikes} spikes and {drifts} drifts where there are none");
    assert!(spikes <= 2 * WORLDS && drifts <= WORLDS, "seeds from 200: {spikes} {drifts}");
}

#[test]
fn a_budget_that_is_too_small_climbs_the_ladder() {
    let folder = tempfile::tempdir().unwrap();
    simulate("generate spend --out DIR/s.csv --days 30 --period-hours 6 --seed 4", folder.path()).unwrap();
    let line = "budget --spend DIR/s.csv --limit-usd";
    let tight = simulate(&format!("{line} 20000"), folder.path()).unwrap();
    let rungs: Vec<&str> =
        tight["ladder"].as_array().unwrap().iter().map(|moved| moved["to"].as_str().unwrap()).collect();
    assert!(rungs.contains(&"freeze-batch") && rungs.last() == Some(&"refuse"), "{rungs:?}");
    assert!(tight["spent_usd"].as_f64().unwrap() <= 20_000.0 && tight["refused_usd"].as_f64().unwrap() > 0.0);
    assert!(
        tight["waiting_usd"].as_f64().unwrap() > 0.0 && tight["ladder"][0]["why"].as_str().unwrap().contains("$20000")
    );
    let ample = simulate(&format!("{line} 60000"), folder.path()).unwrap();
    assert_eq!((&ample["refused_usd"], &ample["waiting_usd"]), (&0.0.into(), &0.0.into()));
    assert_eq!(ample["projected_low_usd"], ample["projected_high_usd"], "it is over");
    let half = simulate(&format!("{line} 60000 --until-days 15"), folder.path()).unwrap();
    let end = ample["asked_usd"].as_f64().unwrap();
    assert!(half["projected_low_usd"].as_f64().unwrap() < end && end < half["projected_high_usd"].as_f64().unwrap());
    assert_eq!((&half["coverage"], &half["days"]), (&serde_json::Value::Null, &15.0.into()));
    let early = simulate(&format!("{line} 60000 --until-days 1"), folder.path()).unwrap();
    assert_eq!(early["projected_usd"], serde_json::Value::Null);
}

#[test]
fn what_is_written_is_read_again() {
    let spend = world(2, None, None).generate(5);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), csv(&spend)).unwrap();
    assert_eq!(read_spend(file.path()).unwrap(), spend);
    // A period that is left out cost nothing, and no dimension is needed.
    fs::write(file.path(), "t_seconds,usd\n7200,1\n10800,2\n10800,3\n18000,4\n").unwrap();
    let spend = read_spend(file.path()).unwrap();
    assert_eq!((spend.period_s, spend.periods.iter().map(Vec::len).collect::<Vec<_>>()), (3_600.0, vec![1, 2, 0, 1]));
}

#[test]
fn a_malformed_file_is_refused_with_its_line() {
    let header = "t_seconds,usd,tenant";
    let file = tempfile::NamedTempFile::new().unwrap();
    for (text, said) in [
        (String::new(), "first line"),
        ("usd,t_seconds\n0,1\n".to_owned(), "first line"),
        ("t_seconds,usd,\n0,1,a\n".to_owned(), "first line"),
        ("t_seconds,usd,a,a\n0,1,b,c\n".to_owned(), "a second column \"a\""),
        ("t_seconds,usd,1,2,3,4,5,6,7,8,9\n".to_owned(), "9 dimensions are more than 8"),
        (format!("{header}\n"), "fewer than two times"),
        (format!("{header}\n0,1,a\n0,1,b\n"), "fewer than two times"),
        (format!("{header}\n0,1,a\n3600,-1,a\n"), "line 3: usd is \"-1\""),
        (format!("{header}\n0,1,a\n3600,1e12,a\n"), "line 3: usd is 1e12, over"),
        (format!("{header}\n0,NaN,a\n"), "line 2: usd is \"NaN\""),
        (format!("{header}\n-5,1,a\n"), "line 2: t_seconds is \"-5\""),
        (format!("{header}\n3600,1,a\n0,1,a\n"), "line 3: t_seconds 0 comes before"),
        (format!("{header}\n0,1\n"), "line 2: 2 columns instead of 3"),
        (format!("{header}\n0,1,a\n30,1,a\n"), "30 s apart"),
        (format!("{header}\n0,1,a\n3600,1,a\n9000,1,a\n"), "line 4: t_seconds 9000 is not a whole number"),
        (format!("{header}\n0,1,a\n60,1,a\n6e12,1,a\n"), "line 4: over 1000000 periods"),
    ] {
        fs::write(file.path(), &text).unwrap();
        let cause = read_spend(file.path()).unwrap_err().to_string();
        assert!(cause.contains(said), "{text:?}: {cause}");
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    simulate("generate spend --out DIR/s.csv --days 2 --period-hours 24 --seed 4", folder.path()).unwrap();
    for (line, said) in [
        ("budget --spend DIR/none.csv --limit-usd 5", "none.csv"),
        ("budget --spend DIR/s.csv --limit-usd -5", "--limit-usd"),
        ("budget --spend DIR/s.csv --limit-usd 1e10", "--limit-usd"),
        ("budget --spend DIR/s.csv --limit-usd 5 --level 1", "--level"),
        ("budget --spend DIR/s.csv --limit-usd 5 --period-days 0.3", "--period-days"),
        ("budget --spend DIR/s.csv --limit-usd 5 --until-days -1", "--until-days"),
        ("budget --spend DIR/s.csv --limit-usd 5 --downgrade-saving 2", "--downgrade-saving"),
        ("generate spend --out DIR/s.csv", "is there already"),
        ("generate spend --out DIR/t.csv --period-hours 5", "--period-hours"),
        ("generate spend --out DIR/t.csv --mean-usd-per-day 0", "--mean-usd-per-day"),
        ("generate spend --out DIR/t.csv --spike tenant=nobody@1*2", "\"nobody\" is not one of harbour, mill, quay"),
        ("generate spend --out DIR/t.csv --drift cloud=a@1*2", "\"cloud\" is not one of tenant, model"),
        ("generate spend --out DIR/t.csv --drift region=us", "is not like tenant=mill@12*3"),
    ] {
        let cause = simulate(line, folder.path()).unwrap_err();
        assert!(cause.contains(said), "{line}: {cause}");
    }
}
