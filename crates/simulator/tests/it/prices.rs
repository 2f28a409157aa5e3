//! Logs of price changes: carried on from row to row, and refused with the line.

use std::path::Path;

use proptest::prelude::*;
use simulator::prices::{Date, Price, PriceHistory};

const LOG: &str = "date,machine_type,region,hour,hour_spot\n\
    2024-03-01,a2,us-east1,4.0,1.0\n\
    2024-01-01,a2,us-east1,4.0,\n\
    2024-02-01,a2,us-east1,4.0,2.0\n\
    \n\
    2024-02-01,a2,us-west1,5.0,1.5\r\n\
    2024-02-15,a2,us-west1,5.0,\n";

fn history(text: &str) -> Result<PriceHistory, String> {
    PriceHistory::parse(Path::new("log.csv"), text).map_err(|error| error.to_string())
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn a_price_holds_until_the_next_row_of_the_same_machine_and_region() {
    let log = history(LOG).unwrap();
    assert_eq!(log.days(), (day("2024-01-01"), day("2024-03-01")));
    let spot = |region: &str, date: &str| log.price("a2", region, day(date)).map(|price| price.spot);
    for (region, date, expected) in [
        ("us-east1", "2023-12-31", None),
        ("us-east1", "2024-01-31", Some(None)),
        ("us-east1", "2024-02-01", Some(Some(2.0))),
        ("us-east1", "2024-02-29", Some(Some(2.0))),
        ("us-east1", "2030-01-01", Some(Some(1.0))),
        ("us-west1", "2024-02-14", Some(Some(1.5))),
        ("us-west1", "2024-02-15", Some(None)),
        ("us-west2", "2024-02-15", None),
    ] {
        assert_eq!(spot(region, date), expected, "{region} {date}");
    }
    let price = log.price("a2", "us-west1", day("2024-02-10")).unwrap();
    assert_eq!(price, Price { since: day("2024-02-01"), on_demand: 5.0, spot: Some(1.5) });
}

#[test]
fn a_series_changes_at_midnight_and_has_gaps_where_nothing_is_known() {
    let log = history(LOG).unwrap();
    let spot = |region: &str, from: &str, tick_s: f64| -> Vec<Option<f64>> {
        let prices = log.series("a2", region, day(from), 4, tick_s).unwrap();
        prices.into_iter().map(|price| price.and_then(|price| price.spot)).collect()
    };
    assert_eq!(spot("us-east1", "2024-01-31", 43_200.0), [None, None, Some(2.0), Some(2.0)]);
    // 86,400 s are not a whole number of these ticks: the first tick after midnight has the new price.
    assert_eq!(spot("us-west1", "2024-02-14", 50_000.0), [Some(1.5), Some(1.5), None, None]);
    assert!(log.series("a2", "us-east1", day("2023-01-01"), 3, 60.0).unwrap().iter().all(Option::is_none));
    for (machine_type, region, tick_s, said) in [
        ("a3", "us-east1", 60.0, "\"a3\"; there are a2"),
        ("a2", "mars", 60.0, "\"mars\"; there are us-east1, us-west1"),
        ("a2", "us-east1", 0.0, "ticks of 0 s"),
        ("a2", "us-east1", f64::NAN, "ticks of NaN s"),
    ] {
        let cause = log.series(machine_type, region, day("2024-01-01"), 3, tick_s).unwrap_err().to_string();
        assert!(cause.contains("log.csv") && cause.contains(said), "{cause}");
    }
    assert!(log.series("a2", "us-east1", day("2024-01-01"), usize::MAX, 1.0).is_err());
}

#[test]
fn what_is_wrong_with_a_log_is_said_with_its_line() {
    let head = "date,machine_type,region,hour,hour_spot";
    for (rows, said) in [
        ("", "holds no price"),
        ("2024-02-30,a2,r,1,1", "line 2: date \"2024-02-30\" is no date"),
        ("yesterday,a2,r,1,1", "line 2: date \"yesterday\""),
        ("2024-02-01,,r,1,1", "line 2: machine_type is empty"),
        ("2024-02-01,a2,,1,1", "line 2: region is empty"),
        ("2024-02-01,a2,r,,1", "line 2: hour is \"\""),
        ("2024-02-01,a2,r,0,1", "line 2: hour is \"0\""),
        ("2024-02-01,a2,r,1,-1", "line 2: hour_spot is \"-1\""),
        ("2024-02-01,a2,r,1,inf", "line 2: hour_spot is \"inf\""),
        ("2024-02-01,a2,r,1,1\n2024-02-01,a2,r,1", "line 3: 4 columns instead of 5"),
    ] {
        let cause = history(&format!("{head}\n{rows}")).unwrap_err();
        assert!(cause.contains("log.csv") && cause.contains(said), "{rows}: {cause}");
    }
    // Two commits of one day: the line further down counts.
    let twice = history(&format!("{head}\n2024-02-02,a2,r,3,1\n2024-02-01,a2,r,1,1\n2024-02-01,a2,r,2,1\n")).unwrap();
    let price = |date: &str| twice.price("a2", "r", day(date)).map(|price| price.on_demand);
    assert_eq!([price("2024-02-01"), price("2024-02-02")], [Some(2.0), Some(3.0)]);
    for text in ["", "date,machine_type\n", "2024-02-01,a2,r,1,1\n"] {
        assert!(history(text).unwrap_err().contains("the first line must be"), "{text:?}");
    }
    assert!(history(&format!("\u{feff}{head}\n2024-02-01,a2,r,1,1\n")).is_ok());
    assert!(PriceHistory::read(Path::new("/nowhere/log.csv")).is_err());
}

proptest! {
    /// Whatever order the rows come in, a tick shows the price of its day.
    #[test]
    fn a_series_is_the_price_of_each_day(
        changes in prop::collection::btree_map(0_i64..400, (1.0..9.0_f64, prop::option::of(0.0..9.0_f64)), 1..20),
        from in 0_i64..400,
        hours in 1_u32..60,
        shuffle in any::<u64>(),
    ) {
        let date = |days: i64| day("2024-01-01").checked_add(jiff::SignedDuration::from_hours(24 * days)).unwrap();
        let mut rows: Vec<String> = changes
            .iter()
            .map(|(days, (hour, spot))| {
                format!("{},m,r,{hour},{}", date(*days), spot.map(|spot| spot.to_string()).unwrap_or_default())
            })
            .collect();
        let len = rows.len();
        rows.rotate_left(shuffle as usize % len);
        let log = history(&format!("date,machine_type,region,hour,hour_spot\n{}", rows.join("\n"))).unwrap();
        let tick_s = f64::from(hours) * 3_600.0;
        for (tick, seen) in log.series("m", "r", date(from), 50, tick_s).unwrap().into_iter().enumerate() {
            let days = (tick as f64 * tick_s / 86_400.0) as i64;
            let price = log.price("m", "r", date(from + days));
            prop_assert_eq!(seen, price);
        }
    }
}
