//! Tables of the network: they fill what a world or a problem leaves open, and never what it says.

use std::fs;
use std::path::Path;

use crate::line::simulate;
use planning::placement::Problem;
use planning::placement::problem::EgressRow;
use proptest::prelude::*;
use simulator::network::{Filled, Network};
use simulator::{flows, route};

const HEAD: &str = "src,dst,rtt_min_ms,throughput_gbps_premium,egress_usd_gb";
const TABLE: &str = "aws:a,gcp:b,50,4,0.09\ngcp:b,aws:a,48,8,0.12\naws:a,aws:c,,,0.02\ngcp:b,aws:c,70,,\n";

fn table(rows: &str) -> Result<Network, String> {
    Network::parse(Path::new("net.csv"), &format!("{HEAD}\n{rows}")).map_err(|error| error.to_string())
}

#[test]
fn a_time_counts_both_ways_and_a_price_one_way() {
    let table = table(TABLE).unwrap();
    assert_eq!([table.rtt_ms("aws:a", "gcp:b"), table.rtt_ms("gcp:b", "aws:a")], [Some(48.0); 2]);
    assert_eq!(table.rtt_ms("aws:c", "gcp:b"), Some(70.0));
    assert_eq!((table.rtt_ms("aws:a", "aws:c"), table.rtt_ms("aws:a", "mars")), (None, None));
    let price = |from, to| table.pair(from, to).egress_usd_per_gb;
    assert_eq!([price("aws:a", "gcp:b"), price("gcp:b", "aws:a")], [Some(0.09), Some(0.12)]);
    assert_eq!([price("aws:a", "aws:c"), price("aws:c", "aws:a")], [Some(0.02), None]);
}

#[test]
fn what_is_wrong_with_a_table_is_said_with_its_line() {
    for (rows, said) in [
        ("", "holds no pair"),
        (",b,1,1,1", "line 2: src is empty"),
        ("a,,1,1,1", "line 2: dst is empty"),
        ("a,b,-1,1,1", "line 2: rtt_min_ms is \"-1\""),
        ("a,b,1,0,1", "line 2: throughput_gbps_premium is \"0\""),
        ("a,b,1,1,NaN", "line 2: egress_usd_gb is \"NaN\""),
        ("a,b,1e300,1,1", "line 2: rtt_min_ms is"),
        ("a,b,1,1,1\nb,a,1,1", "line 3: 4 columns instead of 5"),
        ("a,b,1,1,1\na,b,,,", "line 3: a to b is there twice"),
    ] {
        let cause = table(rows).unwrap_err();
        assert!(cause.contains("net.csv") && cause.contains(said), "{rows}: {cause}");
    }
    assert!(Network::parse(Path::new("n"), TABLE).unwrap_err().to_string().contains("the first line must be"));
}

const WORLD: &str = r#"
block_tokens = 512
local_rtt_ms = 2.0
[[regions]]
name = "aws:a"
clients = 1.0
[[regions]]
name = "gcp:b"
clients = 1.0
egress_usd_per_gb = 0.5
[[regions]]
name = "aws:c"
clients = 1.0
[[links]]
between = ["aws:a", "aws:c"]
rtt_ms = 10.0
[[replicas]]
region = "aws:a"
count = 1
prefill_tokens_per_second = 8000.0
decode_ms_per_token = 20.0
slots = 4
kv_blocks = 1000
usd_per_hour = 1.0
"#;

#[test]
fn what_a_world_says_goes_before_the_table() {
    let network = table(TABLE).unwrap();
    let world = route::parse_world(WORLD, Some(&network)).unwrap();
    // Half of the way there and back: the link's between a and c, the table's from b to both.
    assert_eq!(world.one_way_us, [[1_000, 24_000, 5_000], [24_000, 1_000, 35_000], [5_000, 35_000, 1_000]]);
    assert_eq!(world.egress_usd_per_gb, [[0.0, 0.09, 0.02], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0]]);
    assert_eq!(world.filled, Filled { rtt_pairs: 2, egress_pairs: 2 });
    assert_eq!(route::parse_world(WORLD, None).unwrap_err(), "no link between aws:a and gcp:b");
    let short = table("aws:a,gcp:b,50,,\n").unwrap();
    let cause = route::parse_world(WORLD, Some(&short)).unwrap_err();
    assert_eq!(cause, "no link between gcp:b and aws:c, and the network's table has none");
}

#[test]
fn flows_take_ways_and_prices_that_the_world_leaves_open() {
    let mut world = flows::World::generated(3, 1_000.0);
    let names: Vec<String> = world.regions.iter().map(|region| region.name.clone()).collect();
    world.regions[0].egress_usd_per_gb = None;
    let (there, back) = (format!("{},{}", names[1], names[0]), format!("{},{}", names[2], names[0]));
    world.links = vec![flows::Link { between: [names[0].clone(), names[1].clone()], rtt_ms: 7.0 }];
    let rows = format!("{there},500,,9\n{back},300,,9\n{},{},,,0.25\n", names[0], names[2]);
    let by_distance = world.rtt_seconds();
    assert_eq!(world.fill(&table(&rows).unwrap()), Filled { rtt_pairs: 1, egress_pairs: 1 });
    let rtt = world.rtt_seconds();
    assert_eq!([rtt[1], rtt[3], rtt[2], rtt[6]], [0.007, 0.007, 0.3, 0.3]);
    assert_eq!(rtt[5], by_distance[5]);
    let usd = |from, to| world.egress_usd_per_request(from, to) / world.gb_per_million_requests * 1e6;
    assert_eq!([usd(0, 1), usd(0, 2)], [0.0, 0.25]);
    assert!((usd(1, 0) - world.regions[1].egress_usd_per_gb.unwrap()).abs() < 1e-12);
}

const PROBLEM: &str = r#"{
  "tasks": [{"name": "t", "hours": 1, "inputs": [{"place": "aws:eu-west-1", "gb": 100}]}],
  "offers": [
    {"name": "g", "cloud": "gcp", "region": "us-east1", "instance": "a2", "market": "spot", "usd_per_hour": 9},
    {"name": "h", "cloud": "gcp", "region": "us-east1", "instance": "a2", "usd_per_hour": 9},
    {"name": "i", "cloud": "gcp", "region": "us-east1", "usd_per_hour": 50},
    {"name": "j", "cloud": "aws", "region": "us-east-1", "instance": "a2", "usd_per_hour": 60}
  ],
  "egress": [{"from": "aws:us-east-1", "to": "*", "usd_per_gb": 0.5}],
  "bandwidth": {"pairs": [{"from": "gcp", "to": "aws:eu-west-1", "gbps": 3}]}
}"#;

#[test]
fn a_problems_own_rows_go_before_the_tables() {
    let rows = "aws:eu-west-1,gcp:us-east1,80,4,0.25\naws:us-east-1,gcp:us-east1,,7,0.1\ngcp:us-east1,mars:x,,1,1\n";
    let mut problem: Problem = serde_json::from_str(PROBLEM).unwrap();
    table(rows).unwrap().extend(&mut problem);
    let egress: Vec<(&str, f64)> = problem.egress.iter().map(|row| (row.from.as_str(), row.usd_per_gb)).collect();
    assert_eq!(egress, [("aws:us-east-1", 0.5), ("aws:eu-west-1", 0.25), ("aws:us-east-1", 0.1)]);
    let speeds: Vec<f64> = problem.bandwidth.pairs.iter().map(|pair| pair.gbps).collect();
    assert_eq!(speeds, [3.0, 4.0, 7.0]);
}

#[test]
fn placement_takes_the_table_and_the_prices_of_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("p.json", PROBLEM);
    write("n.csv", &format!("{HEAD}\naws:eu-west-1,gcp:us-east1,80,4,0.25\n"));
    write("h.csv", "date,machine_type,region,hour,hour_spot\n2024-01-01,a2,us-east1,4,1\n2024-02-01,a2,us-east1,3,\n");
    let place = |rest: &str| simulate(&format!("place --problem DIR/p.json {rest}"), folder.path());
    let plain = place("").unwrap();
    assert_eq!((&plain["objective"], plain.get("repriced")), (&serde_json::json!(18.0), None));
    assert_eq!(place("--network DIR/n.csv").unwrap()["objective"], 34.0);
    let then = place("--price-history DIR/h.csv --date 2024-01-20").unwrap();
    assert_eq!(then["plans"][0]["machines_usd"], 1.0);
    let row = |offer, usd| serde_json::json!({"offer": offer, "before_usd_per_hour": 9.0, "usd_per_hour": usd, "since": "2024-01-01"});
    assert_eq!(then["repriced"], serde_json::json!([row("g", 1.0), row("h", 4.0)]));
    for (rest, said) in [
        ("--price-history DIR/h.csv --date 2023-12-31", "offer \"g\": the price history has no spot price of a2"),
        ("--price-history DIR/h.csv --date 2024-02-01", "no spot price of a2 in us-east1 on 2024-02-01"),
        ("--price-history DIR/h.csv", "--date"),
        ("--date 2024-01-20", "--price-history"),
        ("--price-history DIR/h.csv --date tomorrow", "--date"),
        ("--price-history DIR/none.csv --date 2024-01-20", "none.csv"),
        ("--network DIR/h.csv", "h.csv: the first line must be"),
    ] {
        let cause = place(rest).unwrap_err();
        assert!(cause.contains(said), "{rest}: {cause}");
    }
}

proptest! {
    /// However the rows name the places, and in whatever order: the first that fits counts.
    #[test]
    fn the_first_row_that_fits_counts(rows in prop::collection::vec((0_usize..5, 0_usize..5, 1_u32..1_000), 0..12)) {
        let (from, to) = ("aws:us-east-1", "gcp:us-east1");
        let patterns = ["*", "aws", "gcp", from, to];
        let mut problem: Problem = serde_json::from_value(serde_json::json!({
            "tasks": [{"name": "t", "hours": 1, "inputs": [{"place": from, "gb": 1000}]}],
            "offers": [{"name": "o", "cloud": "gcp", "region": "us-east1", "usd_per_hour": 0}],
        }))
        .unwrap();
        let row = |(here, there, cents): &(usize, usize, u32)| EgressRow {
            from: patterns[*here].to_owned(),
            to: patterns[*there].to_owned(),
            usd_per_gb: f64::from(*cents) / 100.0,
        };
        problem.egress = rows.iter().map(row).collect();
        let fits = |(here, there, _): &&(usize, usize, u32)| [0, 1, 3].contains(here) && [0, 2, 4].contains(there);
        // Nine cents is the built-in price out of Amazon.
        let expected = rows.iter().find(fits).map_or(90.0, |(_, _, cents)| f64::from(*cents) * 10.0);
        let found = planning::placement::place(&problem).unwrap().objective as f64 / 1e9;
        prop_assert!((found - expected).abs() < 1e-6, "{} {}", found, expected);
    }

    /// No table changes what a world has links and prices for.
    #[test]
    fn a_world_that_says_everything_stays_as_it_is(rows in prop::collection::vec((0_usize..3, 0_usize..3, 0.1..9.0_f64), 0..9)) {
        let names = ["us-east", "eu-west", "asia-east"];
        let mut text = String::from("x,y,1,1,1\n");
        let mut seen = Vec::new();
        for (from, to, figure) in rows {
            if !seen.contains(&(from, to)) {
                text.push_str(&format!("{},{},{figure},{figure},{figure}\n", names[from], names[to]));
                seen.push((from, to));
            }
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/three-regions.toml");
        let network = table(&text).unwrap();
        let (with, without) = (route::read_world(&path, Some(&network)).unwrap(), route::read_world(&path, None).unwrap());
        prop_assert_eq!(with.one_way_us, without.one_way_us);
        prop_assert_eq!(with.egress_usd_per_gb, without.egress_usd_per_gb);
        prop_assert_eq!(with.filled, Filled::default());
    }
}
