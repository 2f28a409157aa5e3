//! The bench on a small folder of generated data: rows, bars, absent sets and pictures come out.

use crate::line::{output, simulate};
use std::fs;

/// Two zones of spot in long ticks, for speed; four nodes held, rates and requests: each small, all but one set of the names that are looked for.
fn data() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("load")).unwrap();
    for line in [
        "generate traces --out DIR/spot/availability-1-node-aws-2022-10-26 --zones 2 --nodes 1 --ticks 13 --tick-seconds 21600 --seed 5",
        "generate traces --out DIR/spot/preemption-4-node-aws-2023-08-03 --zones 2 --nodes 4 --ticks 60 --tick-seconds 3600 --seed 6",
        "generate rates --out DIR/load/servegen_m-large_rate_600s.csv --days 1 --mean-rate 20 --seed 7",
    ] {
        simulate(line, folder.path()).unwrap();
    }
    let request = |at: u32| {
        let (time_ms, own) = (at * 300, 100 + at);
        format!(
            r#"{{"timestamp":{time_ms},"input_length":1200,"output_length":40,"hash_ids":[{},1{own},2{own}]}}"#,
            at % 7
        )
    };
    let lines: Vec<String> = (0..200).map(request).collect();
    fs::write(folder.path().join("load/mooncake_conversation.jsonl"), lines.join("\n")).unwrap();
    folder
}

const SMALL: &str = "--drawn-requests 500 --flow-hours 0.02 --placements 2 --offers 40 --agreements 5";

#[test]
fn every_comparison_has_a_row_with_its_bar_and_a_picture() {
    let folder = data();
    let output = output(&format!("bench --data DIR --images DIR/img {SMALL}"), folder.path()).unwrap();
    let rows = output.figures["rows"].as_array().unwrap();
    for (topic, count) in [
        ("batch, each zone", 3),
        ("batch, zones together", 3),
        ("batch, drawn zones", 1),
        ("checkpoints", 1),
        ("serving", 4),
        ("autoscale", 2),
        ("routing", 1),
        ("speed of routing", 1),
        ("flows", 1),
        ("placement, large", 5),
        ("placement, small", 1),
        ("egress", 4),
    ] {
        let found: Vec<_> = rows.iter().filter(|row| row["topic"] == topic).collect();
        assert_eq!(found.len(), count, "{topic}");
        for row in found {
            for field in ["what", "bar", "ours", "aim", "command", "seeds"] {
                assert!(row[field].as_str().is_some_and(|text| !text.is_empty()), "{topic}: {field}");
            }
        }
    }
    // What depends on neither data nor the speed of the machine is met on any folder.
    for row in rows.iter().filter(|row| row["topic"] == "egress" || row["topic"] == "placement, small") {
        assert_eq!(row["met"], true, "{row}");
    }
    assert_eq!(output.figures["absent"], serde_json::json!(["spot/availability-1-node-aws-2023-02-15"]));
    let pictures = output.figures["pictures"].as_array().unwrap();
    assert_eq!(pictures.len(), 8);
    for picture in pictures {
        let svg = fs::read_to_string(picture.as_str().unwrap()).unwrap();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{picture}");
        assert!(svg.contains(">ours"), "{picture}");
    }
    let text = output.to_string();
    let columns = |line: &str| line.matches(" | ").count();
    let table: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(table.len(), rows.len() + 1);
    assert!(table.iter().all(|line| columns(line) == 6), "{text}");
    assert!(
        text.contains("absent: spot/availability-1-node-aws-2023-02-15") && text.contains("- routing: `mcp simulate")
    );
}

#[test]
fn a_folder_that_is_not_there_and_counts_of_nothing_are_refused() {
    let empty = tempfile::tempdir().unwrap();
    for (flags, said) in [
        ("--data DIR/none", "no such folder"),
        ("--data DIR --placements 0", "--placements"),
        ("--data DIR --agreements 0", "--agreements"),
        ("--data DIR --offers 0", "--offers"),
        ("--data DIR --drawn-requests 0", "--drawn-requests"),
        ("--data DIR --flow-hours -1", "--flow-hours"),
    ] {
        let cause = simulate(&format!("bench {flags}"), empty.path()).unwrap_err();
        assert!(cause.contains(said), "{flags}: {cause}");
    }
}
